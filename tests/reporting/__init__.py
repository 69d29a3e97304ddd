"""Tests of tables, pictures and the page."""
