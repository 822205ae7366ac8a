"""Counts in, one tidy table out: one module for each family of estimates."""
