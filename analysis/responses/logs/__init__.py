"""Logs or tables in, one DuckDB view out: the only room that knows the harness's files and DuckDB."""
