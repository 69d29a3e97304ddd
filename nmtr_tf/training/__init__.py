"""Sampling, losses, optimizers and the training loop."""
