"""The patterns of the rule ``answer_aware``, a file a language."""
