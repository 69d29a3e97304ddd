"""Baselines: rules that learn nothing, and linear models."""
