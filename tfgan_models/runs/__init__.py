"""Folders of training runs: their checkpoints and files."""
