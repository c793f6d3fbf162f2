"""ae-run: train, search, evaluate and plot autoencoders on small images with one command."""

from collections.abc import Sequence
from importlib.metadata import version

__version__ = version("ae-run")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line in this process; `main(["data=digits"])` returns its exit code."""
    from ae_run.cli import main as cli_main

    return cli_main(argv)
