"""Logs or tables in, one DuckDB view out, and every question about it: the only room that knows the harness's files.

Other rooms ask its functions, which return arrays and data frames; only `judging` uses DuckDB too.
"""
