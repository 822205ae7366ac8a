"""Other people's files, read record by record: the broken line is named."""
