"""ae-run: train, search, evaluate and plot autoencoders on small images with one command.

The rooms, in the order in which they may import each other:

    errors, messages    the ways a command can fail, and how their one line reads
    console             what is printed: -q, -v, colour, streams that are not UTF-8
    components, schema  a name → its Python file; types and base classes of configs
    saved_config        configs of older versions, upgraded
    processes           child processes, stop signals, cores and memory on every platform
    saved_files, saved_arrays
                        schemas of a run folder's own files: what of a damaged one can be used
    run_folder          a run's files: locked, replaced in one step, marked as current
    headline            the scores that lead wherever a run is summed up, and its warnings
    progress            what a long task is at: its parts by name, with a bar on a terminal
    devices             which device, its name and memory
    randomness          generators by (seed, purpose, epoch)
    faults              errors of disk and memory, which no config causes, in one line
    images, meter       uint8 images on a device; sums and counts of scores
    data                one file per data set; splits, cache, downloads
    corruptions, models one file per corruption; one file per family of models
    config              the root schema: compose, validate, change
    drawing             what figures and pages share: style, grids, scatter plots, a run's arrays
    figures, pages      one file per section of figures; the pages of runs, searches and reports
    training            run (start), precision and threads, loop (fit), step, batched and
                        replicas (several seeds), checkpoints
    evaluation          scores on test, and every array that a figure needs
    scoring             a folder's best weights on the test set
    recording           how a task ends: status and times in run.json
    task_table          the tasks by name, and what each may change in a saved run
    job                 a command line and a run folder (resume=, run=) → one validated job
    check               task=check: what a run would do, before it is started
    tasks               train, evaluate, figures, report
    search              task=search: plan, workers (starts them), worker (is one), trial, storage
    reports             scripts/make_figures.py: the student reports, number by number
    sweep               a sweep's folder, the names of its runs, its table
    key_docs            the keys of the YAML files with their comments, read as text
    key_help, help_page --help KEY; --help
    completion          tab completion for bash, zsh and fish
    arguments, cli      what the user typed → Hydra's words; argv → Hydra → job → task → exit code
"""

from collections.abc import Sequence
from importlib.metadata import version

__version__ = version("ae-run")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line in this process; `main(["data=digits"])` returns its exit code."""
    from ae_run.cli import main as cli_main

    return cli_main(argv)
