"""From logs or tables to one DuckDB view, and queries on it: the only room that knows the harness's files.

Other rooms call its functions, which return arrays and data frames; only `judging` also uses DuckDB.
"""
