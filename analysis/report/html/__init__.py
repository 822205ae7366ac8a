"""Everything about one study, on one page and as files."""
