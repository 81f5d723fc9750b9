"""Tests of tfgan_models.networks."""
