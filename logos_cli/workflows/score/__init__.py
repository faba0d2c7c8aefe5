"""Score records."""
