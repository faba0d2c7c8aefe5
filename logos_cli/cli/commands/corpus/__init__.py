"""``logos corpus``."""
