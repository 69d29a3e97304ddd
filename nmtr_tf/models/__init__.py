"""Interaction units, the cascade and the table of methods."""
