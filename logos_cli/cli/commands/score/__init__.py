"""``logos score``."""
