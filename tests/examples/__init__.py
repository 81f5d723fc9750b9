"""Tests of the programs in examples/, each as a process of its own."""
