"""Readers of log formats: from files to `Events`."""
