"""Responses tables of any format, checked and combined."""
