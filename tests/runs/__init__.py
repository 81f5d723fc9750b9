"""Tests of tfgan_models.runs."""
