"""The local endpoint: what TensorFlow Serving answers, from Python."""
