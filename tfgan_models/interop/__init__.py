"""Weights of other projects, converted to the networks of this package."""
