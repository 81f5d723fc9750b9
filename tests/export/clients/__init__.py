"""Tests of export.clients."""
