"""ae-run: train, search, evaluate and plot autoencoders on small images with one command.

The rooms, in the order in which they may import each other:

    errors, messages    the ways a command can fail, and how their one line reads
    components, schema  a name → its Python file; types and base classes of configs
    run_folder          a run's files: locked, replaced in one step, marked as current; saved_config
    headline            the scores that lead wherever a run is summed up, and its warnings
    progress            what a long task is at: its parts by name, with a bar on a terminal
    devices, randomness where to compute; generators by (seed, purpose, epoch)
    processes           child processes and stop signals on every platform
    images, meter       uint8 images on a device; sums and counts of scores
    data                one file per data set; splits, cache, downloads
    corruptions, models one file per corruption; one file per family of models
    config              the root schema: compose, validate, change
    drawing             what figures and pages share: style, grids, scatter plots, a run's arrays
    figures, pages      one file per section of figures; the pages of runs, searches and reports
    training            run (start), loop (fit), step, batched and replicas, checkpoints
    evaluation          scores on test, and every array that a figure needs
    scoring, recording  a folder's weights meet the test set; how a task ends, in run.json
    task_table, job     the tasks by name; a command line and a run folder → one validated job
    check               task=check: what a run would do, before it is started
    tasks               train, evaluate, figures, report
    search              task=search: plan, workers, trials, storage, result
    reports             scripts/make_figures.py: the student reports, number by number
    help_page, cli      --help; argv → Hydra → job → task → exit code
"""

from collections.abc import Sequence
from importlib.metadata import version

__version__ = version("ae-run")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line in this process; `main(["data=digits"])` returns its exit code."""
    from ae_run.cli import main as cli_main

    return cli_main(argv)
