"""Options that several commands share, one file per kind."""
