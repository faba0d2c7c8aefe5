"""``logos explain``."""
