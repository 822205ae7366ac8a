"""Analyse logged samples: estimates, tables and a report."""
