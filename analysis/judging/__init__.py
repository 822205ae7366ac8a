"""Responses in, verdicts out: by a rule, a classifier or a judge."""
