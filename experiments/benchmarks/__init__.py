"""The parts of `python -m experiments.benchmark`, each a function that yields rows."""
