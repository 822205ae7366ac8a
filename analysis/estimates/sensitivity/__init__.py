"""The sensitivity index of each factor, with its null distribution and its error."""
