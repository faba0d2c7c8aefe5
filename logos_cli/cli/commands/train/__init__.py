"""``logos train``."""
