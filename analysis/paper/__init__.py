"""The paper's printed numbers, and measured ones in its layout."""
