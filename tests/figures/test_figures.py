"""Contract of the figures: each is found, described, drawn, and skipped without data."""

import dataclasses
import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import fake_run
import numpy as np
import pytest
from PIL import Image

from ae_run import figures
from ae_run.drawing import run_data
from ae_run.drawing.style import Style
from ae_run.figures import RunFigure
from ae_run.run_folder import RunFolder

FIGURES = figures.available()
NAMES = [figure.name for figure in FIGURES]


@pytest.fixture(scope="module")
def drawn_axes(full_data: run_data.RunData) -> set[str]:
    """The labels of all axes of every figure."""
    drawn = [figure.draw(full_data, Style.named("default", 50)) for figure in FIGURES]
    axes = [axes for figure in drawn if figure is not None for axes in figure.axes]
    labels = {label for one in axes for label in (one.get_xlabel(), one.get_ylabel())}
    return {label.replace("\n", " ") for label in labels}


def test_every_file_is_a_section_whose_figures_are_all_on_the_page() -> None:
    folder = Path(figures.__file__).parent
    files = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")]
    listed = []
    for file in files:
        module = importlib.import_module(f"ae_run.figures.{file}")
        assert module.section.figures
        assert all(getattr(module, one.name) is one.make for one in module.section.figures)
        listed += module.section.figures
    assert len(listed) == len(FIGURES)
    assert set(listed) == set(FIGURES)


def test_every_name_and_every_title_stands_once() -> None:
    assert sorted(NAMES) == sorted(set(NAMES))
    titles = [one.title for one in FIGURES]
    assert sorted(titles) == sorted(set(titles))


def test_a_section_is_one_run_of_figures() -> None:
    changes = [section for section, _ in itertools.groupby(one.section for one in FIGURES)]
    assert changes == ["Training", "Reconstruction", "Robustness", "Latent space"]


@pytest.mark.parametrize("figure", FIGURES, ids=NAMES)
def test_has_a_short_title_and_a_caption_of_sentences(
    figure: RunFigure, full_data: run_data.RunData
) -> None:
    assert 0 < len(figure.title) <= 40
    for run in (run_data.RunData(), full_data):
        caption = figure.describe(run)
        assert caption.endswith(".")
        assert "  " not in caption
        assert "`" not in caption


@pytest.mark.parametrize(
    ("name", "words", "arrays"),
    [
        ("interpolation", "Spherical paths", "paths_spherical"),
        ("interpolation", "class centroids", "paths_centroids"),
        ("codes_3d", "by t-SNE", "tsne_3d"),
        ("reconstructions", "corrupted input", "reconstruction_input"),
        ("denoising", "best classical denoiser (total variation)", "denoisers_output"),
    ],
)
def test_a_caption_speaks_only_of_what_is_there(
    name: str, words: str, arrays: str, full_data: run_data.RunData
) -> None:
    figure = next(one for one in FIGURES if one.name == name)
    assert words in figure.describe(full_data)
    kept = {key: array for key, array in full_data.arrays.items() if not key.startswith(arrays)}
    assert words not in figure.describe(dataclasses.replace(full_data, arrays=kept))


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"latent": {"samples_from": "prior"}}, "from the prior"),
        ({"latent": {"samples_from": "codes"}, "nelbo": 90.0}, "from a Gaussian fitted to"),
        ({"nelbo": 90.0}, "from the prior"),
        ({}, "from a Gaussian fitted to"),
    ],
)
def test_samples_say_where_their_codes_are_from(metrics: dict[str, object], words: str) -> None:
    figure = next(one for one in FIGURES if one.name == "random_samples")
    assert words in figure.describe(run_data.RunData(metrics=metrics))


def test_axes_are_in_words_with_units(drawn_axes: set[str]) -> None:
    assert "mean squared error (per pixel)" in drawn_axes
    assert "standard deviation of the noise" in drawn_axes
    for label in drawn_axes:
        assert not {"mse", "nelbo", "std", "fraction", "bce", "kl"} & set(label.split()), label


@pytest.mark.parametrize("name", NAMES)
def test_is_drawn_when_its_arrays_are_there(name: str, drawn: dict[str, Path]) -> None:
    with Image.open(drawn[f"{name}.png"]) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 20, "an empty picture"


@pytest.mark.parametrize("figure", FIGURES, ids=NAMES)
def test_is_skipped_when_nothing_is_there(figure: RunFigure) -> None:
    nothing = run_data.RunData()
    assert figure.draw(nothing, Style.named("default", 50)) is None
    assert figure.files is None or figure.files(nothing) == {}


@pytest.mark.parametrize("missing", ["arrays", "metrics", "run", "history", "config"])
def test_no_figure_fails_when_a_file_is_missing(missing: str, full_data: run_data.RunData) -> None:
    kept = {name: value for name, value in vars(full_data).items() if name != missing}
    for figure in FIGURES:
        figure.draw(run_data.RunData(**kept), Style.named("default", 50))


@pytest.mark.parametrize("ending", ["labels", "class_names", "_input", "codes_2d_axes", "_mse"])
def test_no_figure_fails_without_labels_and_the_like(
    ending: str, full_data: run_data.RunData
) -> None:
    arrays = {k: v for k, v in full_data.arrays.items() if not k.endswith(ending)}
    assert len(arrays) < len(full_data.arrays)
    kept = vars(full_data) | {"arrays": arrays}
    for figure in FIGURES:
        figure.draw(run_data.RunData(**kept), Style.named("default", 50))


def test_the_animation_has_one_frame_per_step(drawn: dict[str, Path]) -> None:
    with Image.open(drawn["convergence.gif"]) as animation:
        assert animation.n_frames == 16
        assert animation.info["loop"] == 0


def test_neither_torch_nor_sklearn_nor_pyplot_is_imported(tmp_path: Path) -> None:
    folder: RunFolder = fake_run.make(tmp_path / "run", latent_dim=2, corrupted=True, epochs=3)
    fake_run.add_more(folder)
    program = f"""
import sys
from pathlib import Path
from ae_run import figures
from ae_run.schema import FiguresConfig
from ae_run.pages import run as run_page
from ae_run.run_folder import RunFolder
options = {{"format": ["png"], "style": "default", "dpi": 30}}
options |= {{"width": None, "titles": True, "dark_page": False}}
folder = RunFolder(Path({str(folder.path)!r}))
assert figures.draw(folder, FiguresConfig.model_validate(options))
assert run_page.write(folder).is_file()
bad = {{"torch", "torchvision", "sklearn", "scipy", "matplotlib.pyplot"}} & set(sys.modules)
assert not bad, bad
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
