"""Our training and inference, timed beside the same networks in PyTorch."""
