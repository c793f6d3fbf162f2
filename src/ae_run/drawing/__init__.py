"""Drawing shared by figures, pages, searches and reports; imports no torch."""
