"""Tests of export.keras_file."""
