"""What the README and docs/ print can be typed, and what they point to exists."""

import json
import re
import shlex
from pathlib import Path

import pytest
from command_line import FAST, run_process

ROOT = Path(__file__).parent.parent
README, EXTENDING = ROOT / "README.md", ROOT / "docs" / "extending.md"
READING = ROOT / "outputs" / "reference" / "README.md"
OTHERS = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", READING]
PAGES = [README, *OTHERS, *sorted(ROOT.glob("docs/*.md"))]
PLACEHOLDERS = ("=…", "RUN_DIR", "<", "my_conf", "my_code", "my_package", "-sc ")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language; "" for those without one."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text(page), re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def commands(page: Path) -> list[str]:
    """The lines of `ae-run` in blocks and in running text."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    prose = re.sub(r"```.*?```", "", text(page), flags=re.DOTALL)
    lines += re.findall(r"`(ae-run(?: [^`]*)?)`", prose)
    found = (line.partition("  #")[0].strip() for line in lines if line.startswith("ae-run "))
    return [line for line in found if not any(mark in line for mark in PLACEHOLDERS)]


COMMANDS = sorted({line for page in PAGES if page != EXTENDING for line in commands(page)})
LINKS = sorted(
    (page.relative_to(ROOT), link)
    for page in PAGES
    for link in set(re.findall(r"\]\((?!http)([^)#]+)", text(page)))
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_composes(command, cli):
    extra = ("-m", "--cfg", "job", "hydra", "--help", "--resolve")
    args = [arg for arg in shlex.split(command)[1:] if arg not in extra]
    single = [re.sub(r",.*|range\(.*", "", arg) if "-m" in command else arg for arg in args]
    result = cli("--help", *args) if "--help" in command else cli("--cfg", "job", *single)
    assert result.code == 0, result.err


def test_the_message_on_a_misspelled_key_is_as_shown(cli):
    shown = next(block for block in blocks(README, "") if block.startswith("$ ae-run"))
    line, message = shown.splitlines()
    result = cli(*shlex.split(line)[2:])
    assert result.code == 2
    assert result.err.strip() == message


def test_the_test_command_is_there_for_ci():
    assert re.search(r"^pytest\b", text(README), re.MULTILINE)


@pytest.mark.parametrize(("page", "link"), LINKS, ids=str)
def test_every_file_that_they_show_exists(page, link):
    assert (ROOT / page.parent / link).exists()


def test_the_contents_list_every_page():
    linked = {link for page, link in LINKS if page == Path("docs/index.md")}
    pages = {page.name for kind in ("md", "ipynb") for page in ROOT.glob(f"docs/*.{kind}")}
    assert pages - {"index.md"} <= linked


@pytest.mark.slow
def test_the_python_example_prints_scores(tmp_path):
    (program,) = blocks(README, "python")
    mse, pca, shape = run_process(["-c", program], check=True).stdout.split(maxsplit=2)
    (path,) = tmp_path.glob("outputs/*/*/metrics.json")
    metrics = json.loads(path.read_text(encoding="utf-8"))
    assert [mse, pca] == [str(metrics["mse"]), str(metrics["baseline"]["pca"]["mse"])]
    assert shape.strip().endswith("1, 28, 28)")


@pytest.mark.slow
def test_the_examples_of_own_components_run(tmp_path):
    pattern = r"`(my_\w+/\S+)`(?:(?!\n\n).)*:\n\n```\w+\n(.*?)```"
    written = re.findall(pattern, text(EXTENDING), re.DOTALL)
    assert len(written) == 7
    for name, content in written:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    lines = [line for block in blocks(EXTENDING, "sh") for line in block.splitlines()]
    assert len(lines) == 4
    for number, line in enumerate(lines):
        args = [*shlex.split(line)[1:], *FAST, f"run_dir=run{number}"]
        done = run_process(["-m", "ae_run", *args])
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"run{number}" / "report.html").is_file()
    checks = next(block for block in blocks(EXTENDING, "python") if "check_model" in block)
    done = run_process(["-c", f"{checks}\ntest_my_components()"])
    assert done.returncode == 0, done.stderr


def test_the_numbers_of_the_reports_are_those_of_the_committed_pages():
    table = re.findall(r"^\| (?!row)[a-zA-Z].*$", text(ROOT / "docs" / "reports.md"), re.MULTILINE)
    assert len(table) == 18
    known = {
        value
        for path in (ROOT / "outputs" / "reference").glob("*/comparison.json")
        for row in json.loads(path.read_text(encoding="utf-8"))
        for value in (row["as_report"], row["ours"])
        if isinstance(value, float)
    }
    for line in table:
        _, _, as_report, ours, _ = line.strip("| ").split(" | ")
        for number in re.findall(r"\d+\.\d+", f"{as_report} {ours}"):
            digits = len(number.partition(".")[2])
            assert any(f"{value:.{digits}f}" == number for value in known), number
