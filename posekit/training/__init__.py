"""The training loop, run records, losses and augmentations."""
