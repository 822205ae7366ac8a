"""Responses sampled for annotation, and the annotators' answers."""
