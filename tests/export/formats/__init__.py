"""Tests of export.formats."""
