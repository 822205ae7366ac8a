"""From logged samples to estimates, tables and a report."""
