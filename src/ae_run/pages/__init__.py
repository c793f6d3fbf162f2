"""Self-contained HTML pages with one look; imports no torch."""
