"""How good a model is: what it is evaluated on, with which metrics, and the report."""
