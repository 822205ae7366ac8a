"""Responses drawn for people, and their answers collected."""
