"""Self-contained HTML pages: tables, plots, drawings and structures that open offline."""
