"""`.keras` files that any app loads without this package."""
