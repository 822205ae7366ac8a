"""From a text source and a design to what is asked."""
