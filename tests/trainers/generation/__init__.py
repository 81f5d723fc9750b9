"""Tests of what trainers.generate does."""
