"""The paper's published numbers; README.md describes each file."""
