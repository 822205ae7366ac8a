"""Models ranked, and two runs of one model compared."""
