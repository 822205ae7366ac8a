"""The harness's sample logs in all formats."""
