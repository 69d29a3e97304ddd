"""Ranking the whole catalogue, and metrics of the ranks."""
