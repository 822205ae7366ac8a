"""The paper's published numbers, and measured ones in its layout."""
