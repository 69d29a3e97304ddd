"""Searching the options of a method on validation."""
