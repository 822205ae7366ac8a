"""The harness's sample logs, read in every form that they come in."""
