"""How good a model is: what it is measured on, by what, and the report."""
