"""Weights of other projects, read into the networks of this package."""
