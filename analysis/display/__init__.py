"""How numbers, sentences, tables and untrusted text are shown to people."""
