"""Tests of tfgan_models.interop.addons."""
