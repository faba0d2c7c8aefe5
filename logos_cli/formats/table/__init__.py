"""CSV, TSV and JSON tables."""
