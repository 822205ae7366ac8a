"""The numbers that the paper prints; README.md says what each file is."""
