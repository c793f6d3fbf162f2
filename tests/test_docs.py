"""What the pages of docs/ say of keys, scores and own code holds, and their walk-through runs."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from command_line import FAST, run_process

import ae_run
from ae_run import components
from ae_run.messages import flatten

DOCS = Path(__file__).parent.parent / "docs"
PLAIN = {"corruption", "level", "level_name"}
"""Entries of `metrics.json` that say by themselves what they are."""


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), re.DOTALL | re.MULTILINE)


def site_module(name: str) -> ModuleType:
    """A module beside `mkdocs.yml`, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "site" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_key_of_every_file():
    listed = set(re.findall(r"<code>([^<]+)</code> \|", site_module("keys").page()))
    for group in components.groups():
        for option in components.options(group):
            file = components.option_file(group, option)
            missing = keys_of(file, group) - listed
            assert not missing, file


def keys_of(file: Path, group: str) -> set[str]:
    """The dotted keys of a YAML file; a search space is one key."""
    content = file.read_text(encoding="utf-8")
    values = yaml.safe_load(content) or {}
    values.pop("defaults", None)
    prefix = "" if "@package _global_" in content else f"{group}."
    found = {f"{prefix}{key}" for key in flatten(values)} - {f"{group}.name"}
    return {re.sub(r"^(search\.space)\..*", r"\1", key) for key in found}


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a VAE and of a denoising model, scored in every way."""
    folder = tmp_path_factory.mktemp("scored")
    small = ("train.epochs=1", "data.limit=80", "train.batch_size=32", "figures.dark_page=false")
    more = ("evaluate=full", "evaluate.tsne=[]", "evaluate.convergence.max_steps=5")
    for model in ("vae", "denoising"):
        assert ae_run.main([f"model={model}", f"run_dir={folder / model}", *small, *more]) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vae", "denoising"])
def test_every_score_is_explained(model, scored):
    metrics = json.loads((scored / model / "metrics.json").read_text())
    page = text("scores.md")
    assert not [key for key in metrics if f"`{key}`" not in page]
    for key in ("latent", "convergence", "denoising"):
        of = {name for name in metrics.get(key, {}) if f"`{key}.{name}`" not in page}
        assert not {name for name in of if f"`{name}`" not in page} - PLAIN


@pytest.mark.slow
def test_the_examples_of_a_score_and_a_figure_run(tmp_path, monkeypatch):
    package = tmp_path / "src" / "ae_run"
    shutil.copytree(Path(ae_run.__file__).parent, package)
    shutil.copytree(components.conf_dir(), package / "conf", dirs_exist_ok=True)
    score, figure = blocks("figures-and-scores.md", "python")
    scores = package / "evaluation" / "image_scores.py"
    last = '            "ssim": self.ssim(output),\n'
    code = scores.read_text(encoding="utf-8")
    assert last in code
    scores.write_text(code.replace(last, last + score), encoding="utf-8")
    with (package / "figures" / "reconstruction.py").open("a", encoding="utf-8") as file:
        file.write(f"\n\n{figure}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "src")]))
    run_process(["-m", "ae_run", *FAST, "run_dir=run"], check=True)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert 0 < metrics["wrong"] < 1
    assert (tmp_path / "run/figures/wrong_pixels.png").is_file()
    assert "Wrong pixels" in (tmp_path / "run/report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_tutorial_runs():
    page, pictures = site_module("notebooks").page(DOCS / "tutorial.ipynb", run=True)
    assert "<caption>test, clean input</caption>" in page
    assert len(pictures) == 4


@pytest.mark.slow
def test_two_processes_share_the_search_of_the_walk_through(tmp_path):
    program = next(block for block in blocks("machines.md", "sh") if "cd one" in block)
    command = tmp_path / "bin" / "ae-run"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ae_run "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
    subprocess.run(["bash", "-ec", program], env={**os.environ, "PATH": path}, check=True)
    rows = [
        (tmp_path / name / "outputs/search/pair/trials.csv").read_text().splitlines()[1:]
        for name in ("one", "two")
    ]
    assert len(rows[0]) == len(rows[1]) == 8
    workers = {worker for row in rows[0] for worker in row.split(",") if worker.endswith(".0")}
    assert workers <= {"one.0", "two.0"}
    assert len([*tmp_path.glob("*/outputs/search/pair/refit/*/report.html")]) == 1
