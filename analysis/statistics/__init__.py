"""Textbook statistics on arrays: no column name, no response."""
