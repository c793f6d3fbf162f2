"""`scripts/make_figures.py`: the command line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ae_run import console
from ae_run.errors import AeRunError, UserError
from ae_run.processes import usable_cores
from ae_run.reports import spec
from ae_run.reports.maker import Maker
from ae_run.reports.plan import ROOT, Planned, Planner, merged
from ae_run.reports.store import Store

REFERENCE = Path("outputs/reference")
_MOST_JOBS = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code."""
    try:
        options = _parser().parse_args(argv)
        with console.settings():
            return _run(options)
    except AeRunError as error:
        print(f"make_figures: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nmake_figures: stopped", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> "None":  # type: ignore[override]
        """One line, and exit code 2."""
        raise UserError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="make_figures.py",
        description="Regenerate the student reports: train what is missing, reuse what exists, "
        "and write outputs/reports/<name>/ with every figure, every number, and a page.",
    )
    parser.add_argument("--only", nargs="+", metavar="REPORT", help="only these reports")
    parser.add_argument("--figure", nargs="+", metavar="N", help="these figures, and their runs")
    parser.add_argument("--rows", nargs="+", metavar="ID", help="only the runs of these rows")
    parser.add_argument(
        "--budget",
        choices=("quick", "full"),
        default="quick",
        help="quick: fewer epochs and images, about 25 minutes on two cores; full: the reports' "
        "own (ours: at most as many epochs)",
    )
    parser.add_argument("--seeds", type=_positive, default=3, help="of every curve (3)")
    parser.add_argument("--jobs", type=_positive, help="runs side by side (one per core)")
    parser.add_argument(
        "--list", action="store_true", help="figures, captions, and what has been run"
    )
    parser.add_argument("--force", action="store_true", help="repeat runs that already exist")
    parser.add_argument(
        "--commit-reference",
        action="store_true",
        help="copy the results with the arrays behind them to outputs/reference/<name>/",
    )
    parser.add_argument(
        "--pack",
        type=Path,
        metavar="STATE.tar",
        help="only write runs and searches to a file of under 16 MiB, to resume from on another "
        "machine, unpacked where the script is run",
    )
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _run(options: argparse.Namespace) -> int:
    from filelock import FileLock, Timeout

    reports = [spec.load(name) for name in options.only or spec.names()]
    known = {figure.number for report in reports for figure in report.figures}
    for number in options.figure or ():
        if number not in known:
            raise UserError(
                f"--figure {number}: there is none; choices: {', '.join(sorted(known))}"
            )
    rows = {row.id for report in reports for row in report.rows}
    for row in options.rows or ():
        if row not in rows:
            raise UserError(f"--rows {row}: there is none; choices: {', '.join(sorted(rows))}")
    maker = Maker(
        Store(ROOT),
        options.budget,
        options.seeds,
        options.figure or (),
        options.rows or (),
        Planner(download=not options.list),
    )
    if options.list:
        _list(maker, reports)
        return 0
    ROOT.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(ROOT / ".lock", timeout=0):
            if options.pack:
                return _pack(maker, reports, options.pack)
            return _make(maker, reports, options)
    except Timeout:
        raise UserError(f"{ROOT}: another make_figures is working here; wait for it") from None


def _pack(maker: Maker, reports: Sequence[spec.Report], target: Path) -> int:
    from ae_run.reports.pack import pack

    left_out = pack(maker, reports, target)
    print(f"{target}: {target.stat().st_size / 2**20:.1f} MiB")
    for path in left_out:
        print(f"  no room for {path}; it will be done again")
    return 0


def _make(maker: Maker, reports: Sequence[spec.Report], options: argparse.Namespace) -> int:
    from ae_run.reports import pool, reference, searches

    todo: list[Planned] = []
    possible: list[spec.Report] = []
    failures: list[str] = []
    for report in reports:
        try:
            if options.force:
                maker.forget(report)
            todo += maker.missing(report)
            possible.append(report)
        except UserError as problem:
            failures.append(f"{report.name}: {problem}")
    if not possible:
        raise UserError("; ".join(failures))
    jobs = options.jobs or min(usable_cores(), _MOST_JOBS)
    failures += pool.run_all(merged(todo), maker.store, jobs)
    for report in possible:
        maker.release(report)
    for search in [one for report in possible for one in maker.missing_searches(report)]:
        error = searches.run(search, ROOT, jobs)
        if error is not None:
            failures.append(f"{search.report}/{search.name}: {error}")
    for report in possible:
        target = ROOT / report.name
        made = maker.make(report, target)
        print(f"{report.name}: {target / 'index.html'}{'' if made else ' (nothing new)'}")
        if options.commit_reference:
            reference.write(
                maker.found(report), maker.searched(report), target, REFERENCE / report.name
            )
    for failure in failures:
        print(f"make_figures: failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _list(maker: Maker, reports: Sequence[spec.Report]) -> None:
    for report in reports:
        print(f"{report.name}: {report.title}")
        try:
            found = maker.found(report)
        except UserError as problem:
            print(f"  {problem}")
            found = {}
        for figure in maker.wanted(report):
            there = [found[name].budget for name in figure.runs if name in found]
            state = "/".join(sorted(set(there))) if len(there) == len(figure.runs) else "missing"
            print(f"  figure {figure.number:<12} {state:<10} {figure.caption}")
        for table in report.tables:
            print(f"  table  {table.number:<12} {'':<10} {table.caption}")
        for row in report.rows:
            there = [
                found[name].budget if name in found else "missing"
                for name in (row.as_report, row.ours)
                if name
            ]
            print(f"  number {row.id:<12} {'/'.join(sorted(set(there))):<10} {row.label}")
