"""Tests of export/serving/."""
