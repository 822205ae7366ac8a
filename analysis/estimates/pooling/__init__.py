"""The meta-analysis of persona effects over models and tasks."""
