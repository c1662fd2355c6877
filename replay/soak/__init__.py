"""Hours of sessions with their connections coming and going, over several processes."""
