"""Tests of tfgan_models.metrics.features."""
