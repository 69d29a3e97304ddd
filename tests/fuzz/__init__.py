"""Tests with drawn input; a package, for modules of its own."""
