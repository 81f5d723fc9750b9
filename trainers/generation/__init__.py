"""What `trainers.generate` does with a trained generator."""
