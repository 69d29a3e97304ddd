"""Tests of searches; a package, for a conftest.py of its own."""
