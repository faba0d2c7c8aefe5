"""Scientific objects: frozen dataclasses that know how they become sentences and back."""
