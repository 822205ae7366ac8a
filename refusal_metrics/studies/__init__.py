"""Asking the models of a study: what servers reply, and answers kept on disk before they are judged."""
