"""`train.replicas`: the same run with more seeds, for a mean and a standard deviation.

The run itself has the first seed. The others are in its folder, in `replicas/seed-<n>/`, each with
the files of a run except figures and page.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ae_run.run_folder import RunFolder
from ae_run.training import batched
from ae_run.training.loop import Row, fit
from ae_run.training.run import Run, start, training_facts

FOLDER = "replicas"


def start_others(run: Run, overrides: Sequence[str]) -> list[Run]:
    """The runs of the other seeds, new or to be resumed."""
    others = []
    for seed in range(run.config.seed + 1, run.config.seed + run.config.train.replicas):
        config = run.config.changed({"seed": seed, "train.replicas": 1})
        folder = RunFolder(run.folder.file(FOLDER) / f"seed-{seed}", quiet=True)
        folder.path.mkdir(parents=True, exist_ok=True)
        label = run.folder.read_json("run.json")["label"]
        others.append(start(config, run.dataset, folder, label, overrides))
    return others


def fit_all(run: Run, others: Sequence[Run]) -> Iterator[Row | None]:
    """Train all seeds, on CUDA in one batched model if possible; yield after each epoch.

    The first seed's row of the history; None for another seed's epoch, and for one of all seeds.

    On a CPU, a batched model is no faster than one model after the other.
    """
    with _status(others):
        reason = batched.why_not(run)
        if run.device.type == "cuda" and reason is None:
            for _ in batched.fit_batched([run, *others]):
                yield None
        else:
            if run.device.type == "cuda":
                run.folder.say(f"seeds are trained one after the other: {reason}")
            for one in (run, *others):
                for row in fit(one):
                    yield row if one is run else None
        for other in others:
            other.folder.update_json("run.json", **training_facts(other))


@contextmanager
def _status(others: Sequence[Run]) -> Iterator[None]:
    """Record in `run.json` that unfinished seeds were interrupted."""
    try:
        yield
    except BaseException:
        for other in others:
            if other.folder.read_json("run.json")["status"] == "running":
                other.folder.update_json("run.json", status="interrupted")
        raise


def folders(folder: RunFolder) -> list[RunFolder]:
    """The folders of a run's other seeds, sorted by seed."""
    paths = folder.file(FOLDER).glob("seed-*")
    return [
        RunFolder(path, quiet=True)
        for path in sorted(paths, key=lambda path: int(path.name.split("-")[1]))
    ]
