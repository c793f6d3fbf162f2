"""HTML pages of one file each, with one look: of a run, a search and a report; no torch here."""
