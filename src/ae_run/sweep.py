"""A sweep: one folder for its runs, each named by its values, and a table sorted by score.

A launcher may run each job in a process or on a machine of its own. What a job needs therefore
comes with Hydra's config, and what it leaves is a file in the sweep's folder.
"""

import itertools
import re
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_run import headline
from ae_run.errors import Interrupted
from ae_run.run_folder import REPLICAS, RunFolder, file_name

if TYPE_CHECKING:
    from hydra.conf import HydraConf
    from hydra.core.override_parser.types import Override

TABLE = "sweep.csv"
_JOBS = ".jobs"
"""A file of each job that has ended; the table is made from them."""
_SCORES = (
    *("log_likelihood", "nelbo", "mse", "clean_mse", "pca_mse", "mean_image_mse"),
    *("psnr_db", "ssim"),
)
_SHOWN = ("log_likelihood", "nelbo", "mse", "clean_mse", "pca_mse")
_ENDS = ("folder", "ended", "error")
_TASKS = ("train", "evaluate")
"""The tasks that leave scores."""
_LONGEST_NAME = 100
_BRACKETS = r"[\[\](){}'\" ]"


class Sweep:
    """A sweep's folder, which Hydra makes when the sweep begins."""

    def __init__(self, args: Sequence[str], config_dirs: Sequence[Path] = ()) -> None:
        """Choose the folder, `outputs/sweep/<time>-<random>`, unless `hydra.sweep.dir` does.

        Args:
            args: the command line.
            config_dirs: the folders of its `--config-dir`.
        """
        overrides = _parsed(args)
        given = [str(o.value()) for o in overrides if o.key_or_group == "hydra.sweep.dir"]
        name = f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        self.path = Path(given[-1] if given else f"outputs/sweep/{name}")
        self._made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        keys = [o.key_or_group for o in overrides if not o.is_sweep_override()]
        fixed = ",".join(f"'{key}'" for key in keys)
        self.args = [
            *([] if given else [f"hydra.sweep.dir={self.path}"]),
            f"hydra.job.config.override_dirname.exclude_keys=[{fixed}]",
        ]
        """To be added to the command line: the folder, and the keys that have one value."""
        flags = [word for path in config_dirs for word in ("--config-dir", str(path))]
        self._commands = [shlex.join(["ae-run", *flags, *words]) for words in _lines(overrides)]

    def finish(self) -> None:
        """Print the table; a folder in which no job left anything is removed."""
        folder = RunFolder(self.path)
        folder.file("multirun.yaml").unlink(missing_ok=True)  # Hydra's own settings
        rows, leading = _write_table(folder)
        if rows:
            print(_text(rows, leading, self._commands, folder.file(TABLE)), flush=True)
            _write_page(folder, rows)
            for path in _files(folder):
                path.unlink(missing_ok=True)
        for path in (folder.file(_JOBS), *self._made):
            with suppress(OSError):  # missing, or not empty
                path.rmdir()


def _parsed(args: Sequence[str]) -> list["Override"]:
    """The overrides among the arguments; composing the config tells of those not readable."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, overrides = OverridesParser.create(), []
    for arg in args:
        if "=" in arg and not arg.startswith("-"):
            with suppress(HydraException):
                overrides.append(parser.parse_override(arg))
    return overrides


def _lines(overrides: Sequence["Override"]) -> Iterator[list[str]]:
    """The overrides of each job, in the order in which Hydra numbers them."""
    values = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override()
        else [str(o.input_line)]
        for o in overrides
    ]
    for words in itertools.product(*values):
        yield [word for word in words if not word.startswith("hydra.")]


@contextmanager
def recorded(hydra: "HydraConf", raw: dict[str, Any]) -> Iterator[None]:
    """Run a job of a sweep: name its run folder in `raw`, and note how it ends.

    Args:
        hydra: Hydra's own config of the job.
        raw: the job's config; a task that leaves no scores is not noted.
    """
    if raw["task"] not in _TASKS:
        yield
        return
    sweep, number = RunFolder(Path(hydra.sweep.dir)), hydra.job.num
    values = _swept(hydra.overrides.task, hydra.job.config.override_dirname.exclude_keys)
    if raw["task"] == "train":
        raw["run_dir"] = str(_unused(sweep.file(_name(number, values))))
    row = {"job": number, **values}
    folder = Path(raw["run_dir"] or raw["run"] or "")
    try:
        yield
    except BaseException as error:
        row["folder"] = str(folder) if folder.is_dir() else None
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        text = " ".join(str(error).split()) or type(error).__name__
        _note(sweep, row | {"error": text, "ended": "stopped" if stopped else "failed"})
        raise
    metrics = RunFolder(folder).read_json("metrics.json")
    scores = _scores(RunFolder(folder), metrics)
    _note(sweep, row | scores | {"folder": str(folder), "ended": "finished"}, metrics)


def _unused(path: Path) -> Path:
    """The path, or with a number added: a launcher may start a job again in the same sweep."""
    paths = (path, *(path.with_name(f"{path.name}_{again}") for again in range(2, 1000)))
    return next(path for path in paths if not path.exists())


def _swept(overrides: Sequence[str], fixed: Sequence[str]) -> dict[str, str]:
    """The values of this job that differ between jobs."""
    pairs = (override.lstrip("+~").partition("=") for override in overrides)
    return {key: value for key, _, value in pairs if key not in fixed}


def _name(number: int, values: Mapping[str, str]) -> str:
    """`3_latent_dim-8_seed-0`: only characters that no shell and no command line reads apart."""
    parts = [str(number)]
    for key, value in values.items():
        parts.append(f"{_short(key, values)}-{re.sub(_BRACKETS, '', value)}")
    return file_name("_".join(parts))[:_LONGEST_NAME].rstrip("-.")


def _short(key: str, keys: Mapping[str, Any]) -> str:
    """The last part of a dotted key, if no other key ends like it."""
    leaf = key.rpartition(".")[2]
    return key if sum(other.rpartition(".")[2] == leaf for other in keys) > 1 else leaf


def _scores(folder: RunFolder, metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """A run's scores; `mse` is that on the input it was trained for, over all of its seeds."""
    replicas = folder.read_json(REPLICAS) if folder.has(REPLICAS) else None
    own, clean = headline.blocks(metrics)[0], headline.blocks(metrics)[-1]
    others = {name: scores.get("mse") for name, scores in own.others.items()}
    return {
        "log_likelihood": clean.score("log_likelihood", replicas),
        "nelbo": clean.score("nelbo", replicas),
        "mse": own.score("mse", replicas),
        "clean_mse": clean.score("mse", replicas),
        "pca_mse": others.get("pca"),
        "mean_image_mse": others.get("mean"),
        "psnr_db": own.score("psnr_db", replicas),
        "ssim": own.score("ssim", replicas),
    }


def _note(
    sweep: RunFolder, row: Mapping[str, Any], metrics: Mapping[str, Any] | None = None
) -> None:
    """Keep a job's row and metrics, and write the table of all rows so far."""
    sweep.file(_JOBS).mkdir(parents=True, exist_ok=True)
    sweep.write_json(f"{_JOBS}/{row['job']}.json", {"row": row, "metrics": metrics})
    _write_table(sweep)


def _write_page(sweep: RunFolder, rows: Sequence[Mapping[str, Any]]) -> None:
    """Compare the runs on a page, and print its path."""
    from ae_run.comparison import compare, runs

    found = [runs.read(Path(row["folder"])) for row in rows if row["folder"]]
    if any(run.is_scored for run in found):
        compare.write(sweep, found, f"Sweep {sweep.path.name}")
        print(f"page    {sweep.file(compare.PAGE)}", flush=True)


def _files(sweep: RunFolder) -> list[Path]:
    return sorted(sweep.file(_JOBS).glob("[!.]*.json"))


def _write_table(sweep: RunFolder) -> tuple[list[dict[str, Any]], str]:
    """Write the jobs that have ended as CSV, the best first, the failed last.

    Returns:
        The rows, and the column by which they are sorted.
    """
    jobs = [sweep.read_json(f"{_JOBS}/{path.name}") for path in _files(sweep)]
    rows = [job["row"] for job in jobs]
    scored = [row for row in rows if row["ended"] == "finished"]
    differ = any(row["clean_mse"] != row["mse"] for row in scored)
    lead = headline.lead(job["metrics"] for job in jobs if job["metrics"])
    leading = "clean_mse" if lead.clean and differ else lead.key

    def order(row: Mapping[str, Any]) -> tuple[bool, float, int]:
        score = row.get(leading)
        return score is None, lead.cost(score or 0.0), row["job"]

    rows.sort(key=order)
    used = [name for name in _SCORES if any(row.get(name) is not None for row in rows)]
    if not differ:
        used = [name for name in used if name != "clean_mse"]
    values = dict.fromkeys(k for row in rows for k in row if k not in (*_SCORES, *_ENDS))
    header = (*values, *used, *_ENDS)
    rows = [{key: row.get(key) for key in header} for row in rows]
    if rows:
        sweep.write_csv(TABLE, rows)
    return rows, leading


def _text(
    rows: Sequence[Mapping[str, Any]], leading: str, commands: Sequence[str], table: Path
) -> str:
    """The table for a terminal, then the jobs without a score: why, and how to run them."""
    scored = [row for row in rows if row["ended"] == "finished"]
    others = [row for row in rows if row["ended"] != "finished"]
    ended = {row["job"] for row in rows}
    waiting = {job: line for job, line in enumerate(commands) if job not in ended}
    swept = [key for key in rows[0] if key not in ("job", *_SCORES, *_ENDS)]
    scores = [name for name in _SHOWN if name in rows[0]]
    cells = [["job", *(_short(key, rows[0]) for key in swept), *scores]]
    for row in scored:
        values = [_shown(row[key]) for key in (*swept, *scores)]
        cells.append([f"[{row['job']}]", *values])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "",
        f"sweep: {_counts(rows, waiting)}"
        + (f"; sorted by {leading} on test, the best first" if scored else ""),
    ]
    if scored:
        lines += [
            "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
    lines += [""] if others or waiting else []
    for row in others:
        told = " ".join(f"{key}={row[key]}" for key in swept if row[key] is not None)
        lines.append(f"{row['ended']:<8}[{row['job']}] {told}: {row['error']}")
    lines += [f"not run [{job}] {line}" for job, line in waiting.items()]
    if others or waiting:
        again = shlex.join(["ae-run", "task=compare", f"runs={table.parent}"])
        lines += ["", f"once they are finished, compare all again: {again}"]
    return "\n".join([*lines, "", f"table   {table}"])


def _counts(rows: Sequence[Mapping[str, Any]], waiting: Mapping[int, str]) -> str:
    """`6 jobs: 3 finished, 1 stopped, 2 not run`."""
    count = len(rows) + len(waiting)
    found = {name: sum(r["ended"] == name for r in rows) for name in ("stopped", "failed")}
    found = {"finished": len(rows) - sum(found.values())} | found | {"not run": len(waiting)}
    told = ", ".join(f"{number} {name}" for name, number in found.items() if number)
    return f"{count} job{'s' * (count > 1)}: {told}"


def _shown(value: float | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
