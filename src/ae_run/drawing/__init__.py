"""What figures, pages, searches and reports draw with; no torch in here."""
