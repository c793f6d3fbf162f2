"""Benchmark of what a search costs beside its trials, for many trials and many workers.

`python scripts/benchmark_search_scale.py` searches with a stub in place of the training, in a
journal, and writes a table, a figure and all measurements to `outputs/reference/benchmark/`. With
`--storage postgresql://…` it measures that database and adds its rows to the others; `--last 100`
puts all but the last 100 trials into the study beforehand.

The workers of a search are threads here, each with its own connection, so that 64 fit into memory;
the rest is the search as it is. CPU seconds are split into those that pass inside of Optuna (with
the journal's lines or SQLAlchemy's queries) and those that pass in this program. Nothing waits for
a training, so that the workers always queue for the storage: seconds are those at its limit.
"""

import argparse
import contextlib
import functools
import io
import itertools
import json
import multiprocessing
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

OUT = Path(__file__).parent.parent / "outputs" / "reference" / "benchmark"
JOURNAL, POSTGRES = "journal", "PostgreSQL"
COMMON = [
    *("task=search", "search=conv_ae", "data=digits", "data.limit=400", "search.refit=none"),
    *("search.space=[train.lr=log(1e-4,1e-1)]", "train.threads=1"),
]
OURS, OPTUNA, STUB = "program", "Optuna", "trial"


class Spent(threading.local):
    """The CPU seconds of this thread by who spends them."""

    _all = threading.Lock()

    def __init__(self, total: Counter[str]) -> None:
        self.total = total
        """Of all threads, once each has ended."""

    def start(self) -> None:
        self._seconds: Counter[str] = Counter()
        self._by, self._since = OURS, time.thread_time()

    def switch(self, by: str) -> str:
        """From here on it is somebody else; return who it was."""
        if not hasattr(self, "_by"):  # a thread that is not measured
            return by
        now = time.thread_time()
        self._seconds[self._by] += now - self._since
        before, self._by, self._since = self._by, by, now
        return before

    def end(self) -> None:
        self.switch(OURS)
        with self._all:
            self.total.update(self._seconds)


SPENT = Spent(Counter())


def spent_by(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, whose seconds count as that one's."""

    @functools.wraps(call)
    def counted(*args: Any, **kwargs: Any) -> Any:
        before = SPENT.switch(name)
        try:
            return call(*args, **kwargs)
        finally:
            SPENT.switch(before)

    return counted


@contextlib.contextmanager
def split() -> Iterator[None]:
    """Tell Optuna's seconds from ours wherever one calls the other."""
    import filelock
    import optuna
    from optuna.storages import BaseStorage, JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend

    from ae_run.search import journal, samplers

    cached = type(get_storage("sqlite://"))
    parts: list[tuple[str, Any, str]] = [(OURS, journal, "repair_tail")]
    parts += [(OURS, filelock.FileLock, name) for name in ("acquire", "release")]
    parts += [(OURS, samplers.PerTrial, "before_trial"), (OPTUNA, samplers, "make")]
    for kind in (optuna.Study, optuna.Trial, JournalFileBackend):
        names = [name for name, value in vars(kind).items() if callable(value)]
        parts += [(OPTUNA, kind, name) for name in names if not name.startswith("_")]
    for kind in (JournalStorage, cached):
        parts += [(OPTUNA, kind, name) for name in vars(BaseStorage) if not name.startswith("_")]
    with contextlib.ExitStack() as stack:
        for name, owner, attribute in parts:
            new = spent_by(name, getattr(owner, attribute))
            stack.enter_context(mock.patch.object(owner, attribute, new))
        yield


class Thread(threading.Thread):
    """A worker that the search takes for a process."""

    _pids = itertools.count(1)

    def __init__(self, *_: Any) -> None:
        super().__init__(daemon=True)
        self.pid, self.stdin, self._code = next(self._pids), self, None
        self._asked_to_stop = threading.Event()

    def write(self, order: bytes) -> None:
        self._order = order

    def flush(self) -> None:
        self.start()

    def close(self) -> None:
        pass

    def run(self) -> None:
        from ae_run.search import worker

        code = worker.BROKEN
        try:
            worker._work(worker.Order.model_validate_json(self._order), self._asked_to_stop)
            SPENT.end()
            code = worker.DONE
        finally:
            self._code = code

    def poll(self) -> int | None:
        return self._code

    def wait(self, timeout: float | None = None) -> None:
        self.join(timeout)

    def kill(self) -> None:
        self._asked_to_stop.set()


def stub(objective: Any, trial: Any, *given: Any) -> bool:
    """In place of a training: one epoch, whose score is the learning rate."""
    before, facts = SPENT.switch(OURS), given[-1]
    try:
        facts.update(parameters=1, threads=1)
        return bool(objective._report(trial, 1, 1, trial.params["train.lr"], facts))
    finally:
        SPENT.switch(before)


def measure(
    storage: str | None, workers: int, sampler: str, trials: int, last: int | None
) -> dict[str, Any]:
    """Search once; what it took per trial, and what its result took."""
    import ae_run
    from ae_run import processes
    from ae_run.search import result, worker
    from ae_run.search import workers as launcher
    from ae_run.search.trial import Objective

    name = f"{sampler}-{trials}-{workers}"
    args = [*COMMON, f"search.n_trials={trials}", f"search.workers={workers}"]
    args += [f"search.sampler={sampler}", "search.pruner=none", f"search.name={name}"]
    args += [f"search.storage={storage}"] if storage else []
    facts: dict[str, Any] = {}
    make, loop, finish = worker.Worker.__init__, launcher.Workers._loop, result.finish
    work = launcher.Workers.work

    def work_on(search: Any) -> float:
        put(search._queue.study, trials - (last or trials))
        return work(search)

    def make_measured(*given: Any) -> None:
        make(*given)
        if workers > 1:
            SPENT.start()

    def loop_measured(*given: Any) -> None:
        SPENT.start()
        started = time.perf_counter()
        loop(*given)
        facts["seconds"] = time.perf_counter() - started
        SPENT.end()

    def finish_measured(*given: Any) -> Any:
        started = time.process_time()
        found = finish(*given)
        facts["result_seconds"] = time.process_time() - started
        return found

    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch), split():
        with (
            mock.patch.object(Objective, "_train", stub),
            mock.patch.object(worker.Worker, "__init__", make_measured),
            mock.patch.object(launcher.Workers, "work", work_on),
            mock.patch.object(launcher.Workers, "_loop", loop_measured),
            mock.patch.object(processes, "start", Thread),
            mock.patch.object(processes, "ask_to_stop", Thread.kill),
            mock.patch.object(result, "finish", finish_measured),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            if ae_run.main(args):
                raise SystemExit(f"benchmark: {' '.join(args)} failed")
        folder = Path("outputs/search") / name
        sizes = {file: (folder / file).stat().st_size for file in ("report.html", "trials.csv")}
    measured = last or trials
    return {
        "storage": POSTGRES if storage else JOURNAL,
        "sampler": sampler,
        "workers": workers,
        "trials": trials,
        "measured": measured,
        **{by: SPENT.total[by] / measured for by in (OURS, OPTUNA)},
        "seconds": facts["seconds"] / measured,
        "result_seconds": facts["result_seconds"],
        "bytes": sizes,
        "peak_bytes": processes.peak_memory(),
    }


def put(study: Any, count: int) -> None:
    """Add trials that are complete."""
    import optuna

    range_ = optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)
    facts = {"facts": {"seconds": 1.0, "epochs": 1, "best_epoch": 1}}
    for number in range(count):
        lr = 1e-4 * 1000 ** ((number + 1) / (count + 1))
        study.add_trial(
            optuna.create_trial(
                params={"train.lr": lr},
                distributions={"train.lr": range_},
                value=lr,
                user_attrs=facts,
            )
        )


def table(rows: list[dict[str, Any]]) -> str:
    """The measurements as a table."""
    lines = [
        "| storage | sampler | workers | trials | program, CPU ms per trial | "
        "Optuna, CPU ms per trial | ms per trial | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        part = f", the last {row['measured']:,}" if row["measured"] < row["trials"] else ""
        lines.append(
            f"| {row['storage']} | {row['sampler']} | {row['workers']} | {row['trials']:,}{part} | "
            f"{1000 * row[OURS]:.1f} | {1000 * row[OPTUNA]:.1f} | {1000 * row['seconds']:.0f} | "
            f"{(row['peak_bytes'] or 0) / 1e6:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw CPU time per trial over the number of trials: a panel for each storage and workers."""
    from matplotlib.figure import Figure

    kinds = sorted({(row["storage"] != JOURNAL, row["storage"], row["workers"]) for row in rows})
    figure = Figure(figsize=(2.7 * len(kinds), 3), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False)[0]
    for panel, (_, storage, workers) in zip(panels, kinds, strict=True):
        found = [row for row in rows if (row["storage"], row["workers"]) == (storage, workers)]
        found = sorted((r for r in found if r["sampler"] == "random"), key=lambda r: r["trials"])
        counts = [row["trials"] for row in found]
        for by, color in ((OURS, "#0072B2"), (OPTUNA, "#999999")):
            panel.plot(counts, [1000 * r[by] for r in found], "o-", color=color, label=by)
        panel.set(xscale="log", xlabel="trials", ylim=(0, None))
        panel.set_title(f"{storage}, {workers} worker{'s' * (workers > 1)}", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("CPU ms per trial")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, and write table, figure and the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--samplers", nargs="+", default=["random"])
    parser.add_argument("--storage", help="an empty database; without it, a journal")
    parser.add_argument("--last", type=int, help="measure only so many trials, at the end")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    file = args.out / "search_scale.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    keys = ("storage", "sampler", "workers", "trials")
    for case in itertools.product(args.workers, args.samplers, args.trials):
        # A process for each: its peak memory, and no threads of another.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context) as pool:
            row = pool.submit(measure, args.storage, *case, args.last).result()
        print(table([row]), flush=True)
        rows = [old for old in rows if any(old[key] != row[key] for key in keys)] + [row]
        rows.sort(key=lambda one: [str(one[key]).zfill(9) for key in keys])
        args.out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(table(rows), encoding="utf-8")
    draw(rows, file.with_suffix(".png"))


if __name__ == "__main__":
    main()
