"""Tests of the commands; a package, for a conftest.py of its own."""
