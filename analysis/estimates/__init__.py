"""Counts in, one tidy table out: a family of estimates a module."""
