"""`task=compare`: runs in one table on the terminal, as CSV, and on a page."""

from collections.abc import Sequence

from ae_run import console, processes
from ae_run.comparison import page, paired, runs, table
from ae_run.comparison.runs import FoundRun
from ae_run.comparison.table import Table
from ae_run.errors import UserError
from ae_run.job import Job
from ae_run.run_folder import RunFolder

PAGE, CSV = "compare.html", "compare.csv"


def compare(job: Job) -> RunFolder:
    """Compare the runs of `runs`, print the table, and write the page and the CSV file.

    Returns:
        The folder of the two.

    Raises:
        UserError: there is no run, or the folder to write to exists.
    """
    found = runs.find(job.config.runs)
    given = job.config.run_dir
    if given is not None and processes.expanded(given).exists():
        raise UserError(f"run_dir={given}: already exists; choose another")
    folder = RunFolder.create(given, "compare", job.config.name)
    title = job.config.name or f"{len(found)} run{'s' * (len(found) > 1)}"
    for line in write(folder, found, title):
        console.say(line)
    console.say(f"\ntable    {folder.file(CSV)}\npage     {folder.file(PAGE)}")
    return folder


def write(folder: RunFolder, found: Sequence[FoundRun], title: str) -> list[str]:
    """Write page and CSV into a folder; return the lines for the terminal."""
    scored = [run for run in found if run.is_scored]
    others = [run for run in found if not run.is_scored]
    tables = table.tables(scored)
    folder.write_csv(CSV, list(table.csv_rows(tables, others)))
    page.write(folder.file(PAGE), tables, others, title)
    lines = []
    for one in tables:
        lines += ["", table.text(one), *_best_two(one)]
    if len(tables) > 1:
        lines += ["", f"{len(tables)} data sets or splits: their scores are not comparable"]
    if others:
        lines += ["", f"not compared: {len(others)}"]
        for run in others:
            lines += table.indented(f"{run.status}  {run.folder.path}: {run.reason}", 2)
    return lines


def _best_two(found: Table) -> list[str]:
    """By how much the best row leads, over the same test images."""
    if len(found.rows) < 2:
        return []
    first, other = (
        paired.averaged([paired.scores(run, found.lead) for run in row.runs])
        for row in found.rows[:2]
    )
    if first is None or other is None or first.shape != other.shape or len(first) < 2:
        return []
    pair = paired.pairs([first, other], found.lead)
    low, high = pair.low[0, 1], pair.high[0, 1]
    better = {"lowest": "lower", "highest": "higher"}[found.lead.best]
    return table.indented(
        f"1 − 2: {pair.mean[0, 1]:+.3g}, 95 % interval {low:+.3g} to {high:+.3g}, {better} on "
        f"{pair.better[0, 1]:.0%} of {pair.images:,} images"
    )
