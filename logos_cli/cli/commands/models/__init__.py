"""``logos models``."""
