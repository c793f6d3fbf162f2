"""Who may import whom, read from the source."""

import ast
from pathlib import Path

import pytest
from command_line import run_process

import ae_run

ROOT = Path(ae_run.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def imported(path: Path, top_level_only: bool = False) -> set[str]:
    """Dotted names of the modules that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def package(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def within(names: set[str], module: str) -> set[str]:
    return {name for name in names if name == module or name.startswith(f"{module}.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_layers(path):
    names = imported(path)
    if package(path) == "models":
        assert not within(names, "ae_run.data")
    if package(path) == "data":
        assert not within(names, "ae_run.models")
    if package(path) in ("drawing", "figures", "pages"):
        for heavy in ("torch", "torchvision", "sklearn", "ae_run.models", "ae_run.training"):
            assert not within(names, heavy)
    if package(path) in ("models", "data", "corruptions"):
        for later in ("training", "evaluation", "drawing", "figures", "pages", "tasks", "cli"):
            assert not within(names, f"ae_run.{later}")
    assert not within(names, "ae_run.cli") or path.name in ("__init__.py", "__main__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_evaluation_opens_the_test_split(path):
    text = path.read_text(encoding="utf-8")
    if package(path) != "evaluation" and path != ROOT / "data" / "__init__.py":
        assert "open_test" not in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_executes_what_a_file_names(path):
    text = path.read_text(encoding="utf-8")
    for forbidden in ("import pickle", "import joblib", "weights_only=False", "instantiate(",
                      "allow_pickle=True", "yaml.load(", "eval(", "_target_"):  # fmt: skip
        found = text.replace("model.eval(", "").replace(".eval()", "")
        assert forbidden not in found, forbidden


def test_drawing_imports_no_torch():
    code = (
        "import sys, ae_run.figures, ae_run.pages.run, ae_run.dispatch, ae_run.tasks\n"
        "ae_run.figures.available()\n"
        "sys.exit(int('torch' in sys.modules or 'sklearn' in sys.modules))"
    )
    assert run_process(["-c", code]).returncode == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 320
