"""Models ranked beside each other, and two runs of one compared."""
