"""What people said of responses, and what it says of detectors and rates."""
