"""Tests of recommending and export; a package, for a conftest.py of its own."""
