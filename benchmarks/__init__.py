"""Our training and inference, timed against the same networks in PyTorch."""
