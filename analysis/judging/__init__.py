"""Verdicts on responses: by a rule, a classifier or a judge.

Besides `responses` this is the only room that uses DuckDB: it reads and writes whole tables of responses, row by row.
"""
