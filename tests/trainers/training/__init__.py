"""Tests of trainers.training."""
