"""From a text source and a design to prompts."""
