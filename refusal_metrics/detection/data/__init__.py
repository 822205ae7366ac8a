"""The patterns of the rule ``answer_aware``, one file per language."""
