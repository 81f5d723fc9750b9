"""Tests of tfgan_models.augmentation."""
