"""Tests of export.signatures."""
