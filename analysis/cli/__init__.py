"""The command line, and nothing that another room needs."""
