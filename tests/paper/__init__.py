"""Tests of what reproduces the paper."""
