"""The logistic regression of refusals on the factors of a study."""
