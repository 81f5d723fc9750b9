"""Tests of export/page/."""
