"""From raw logs to training interactions."""
