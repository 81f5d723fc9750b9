"""Clients of endpoints that speak TensorFlow Serving's protocols."""
