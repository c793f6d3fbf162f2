"""Regenerate the five student reports: `python scripts/make_figures.py --help`."""

import sys

from ae_run.reports.cli import main

if __name__ == "__main__":  # worker processes import this file
    sys.exit(main())
