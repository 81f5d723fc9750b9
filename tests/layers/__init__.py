"""Tests of tfgan_models.layers."""
