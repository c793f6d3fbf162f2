"""ae-run: train, search, evaluate and plot autoencoders on small images with one command.

From Python: `train`, `load`, `runs` and `search`, which give a `Run` or a `Search`, the errors, and
`main`, which runs a command line. All are imported when they are first used.

The rooms, in the order in which they may import each other:

    errors, messages    the ways a command can fail, and how their one line reads
    console             what is printed: -q, -v, colour, streams that are not UTF-8
    processes           child processes, stop signals, cores and memory on every platform
    own_code            a user's components: a folder or an installed package
    components, schema  a name → its Python file; types and base classes of configs
    saved_config        configs of older versions, upgraded
    saved_schemas, saved_files, saved_arrays
                        a run folder's own files: what of a damaged one can be used
    atomic              files replaced in one step
    run_folder          a run's files: locked, replaced in one step, marked as current
    headline            the scores that lead wherever a run is summed up, and its warnings
    progress            what a long task is at: its parts by name, with a bar on a terminal
    devices             which device, its name and memory
    randomness          generators by (seed, purpose, epoch)
    process_state       a block that leaves the process as it was
    faults              errors of disk and memory, which no config causes, in one line
    data                one file per data set; splits, cache, downloads
    images, meter       uint8 images on a device; scores of batches of them
    corruptions, models one file per corruption; one file per family of models
    evaluation_config   the schema of evaluate, the largest group
    config              the root schema: validate, change
    composition         overrides → Hydra → a config to validate
    drawing             what figures and pages share: style, grids, scatter plots, a run's arrays
    figures, pages      one file per section of figures; the pages of runs, searches and reports
    training            run (start), precision and threads, loop (fit), step, batched and
                        replicas (several seeds), checkpoints
    evaluation          scores on test, and every array that a figure needs
    scoring             a folder's best weights on the test set
    recording           how a task ends: status and times in run.json
    task_table          the tasks by name, and what each may change in a saved run
    job                 a command line and a run folder (resume=, run=) → one validated job
    loggers             one file per logger: TensorBoard
    comparison          task=compare, list and clean: many runs at once
    check               task=check: what a run would do, before it is started
    tasks               train, evaluate, figures, report
    handover            task=export, task=encode: a run's model and codes for other programs
    search              task=search: plan, workers (starts them), worker (is one), trial, storage
    reports             scripts/make_figures.py: the student reports, number by number
    sweep               a sweep's folder, the names of its runs, its table
    key_docs            the keys of the YAML files with their comments, read as text
    key_help, help_page --help KEY; --help
    completion          tab completion for bash, zsh and fish
    spelling            texts and lists in Hydra's grammar
    arguments           what the user typed → Hydra's words
    api                 the program from Python: train, load, runs, compare, search
    testing             contract tests for a user's own components
    cli                 argv → Hydra → job → task → exit code
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ae_run.api import Comparison as Comparison
    from ae_run.api import Run as Run
    from ae_run.api import Search as Search
    from ae_run.api import compare as compare
    from ae_run.api import load as load
    from ae_run.api import runs as runs
    from ae_run.api import search as search  # type: ignore[no-redef]
    from ae_run.api import train as train
    from ae_run.errors import AeRunError as AeRunError
    from ae_run.errors import InvalidInput as InvalidInput
    from ae_run.errors import RunFailed as RunFailed
    from ae_run.errors import UserError as UserError

    __version__: str

_API = ("Comparison", "Run", "Search", "compare", "load", "runs", "search", "train")
_ERRORS = ("AeRunError", "InvalidInput", "RunFailed", "UserError")
__all__ = [*_API, *_ERRORS, "__version__", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line in this process; `main(["data=digits"])` returns its exit code."""
    from ae_run.cli import main as cli_main

    return cli_main(argv)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562): `import ae_run` takes no time."""
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("ae-run")
    for module, names in (("ae_run.api", _API), ("ae_run.errors", _ERRORS)):
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'ae_run' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
