"""One runnable module a paper: `python -m trainers.cyclegan`."""
