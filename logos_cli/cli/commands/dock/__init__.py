"""``logos dock``."""
