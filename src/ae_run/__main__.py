"""`python -m ae_run` is `ae-run`."""

import sys

from ae_run.cli import main

sys.exit(main())
