"""Formats of other runtimes that a SavedModel's signature can be converted to."""
