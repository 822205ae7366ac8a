"""Labels of responses, and what follows for detectors and rates."""
