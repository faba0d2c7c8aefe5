"""Options that several commands share: one file a kind."""
