"""Personas and templates."""
