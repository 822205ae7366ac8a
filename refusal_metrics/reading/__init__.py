"""Other people's files, read record by record: the broken line is named.

Call `load_table` for any table; `read_json_records`, `open_delimited` and `load_yaml` read one kind of file.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .delimited import find_encoding, open_delimited, read_names
    from .json_records import read_json_records
    from .surrogates import whole
    from .tabular import ENDINGS, Table, is_json, is_parquet, load_table
    from .yaml_file import load_yaml
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "delimited": ["find_encoding", "open_delimited", "read_names"],
            "json_records": ["read_json_records"],
            "surrogates": ["whole"],
            "tabular": ["ENDINGS", "Table", "is_json", "is_parquet", "load_table"],
            "yaml_file": ["load_yaml"],
        },
    )

__all__ = [
    "ENDINGS",
    "Table",
    "find_encoding",
    "is_json",
    "is_parquet",
    "load_table",
    "load_yaml",
    "open_delimited",
    "read_json_records",
    "read_names",
    "whole",
]
