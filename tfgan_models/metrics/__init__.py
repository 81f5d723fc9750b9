"""How good generated images are: figures from features and from pixels."""
