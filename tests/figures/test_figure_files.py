"""Contract of the figure files: each is found, described, drawn, and skipped without data."""

import subprocess
import sys
from pathlib import Path

import fake_run
import numpy as np
import pytest
from PIL import Image

from ae_run import figures
from ae_run.figures import FigureFile, _run_data, _style
from ae_run.run_folder import RunFolder

FILES = figures.available()
NAMES = [file.name for file in FILES]


def test_every_file_is_a_figure() -> None:
    folder = Path(figures.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert sorted(NAMES) == sorted(files)


def test_every_listed_name_is_a_file_and_stands_once() -> None:
    listed = [name for names in figures.SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) <= set(NAMES)


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_has_a_short_title_and_a_caption_of_sentences(file: FigureFile) -> None:
    assert 0 < len(file.title) <= 40
    assert file.caption.endswith(".")
    assert "  " not in file.caption


@pytest.mark.parametrize("name", NAMES)
def test_is_drawn_when_its_arrays_are_there(name: str, drawn: dict[str, Path]) -> None:
    with Image.open(drawn[f"{name}.png"]) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 20, "an empty picture"


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_is_skipped_when_nothing_is_there(file: FigureFile) -> None:
    nothing = _run_data.RunData()
    assert file.draw(nothing, _style.make("default", 50)) is None
    assert file.files is None or file.files(nothing) == {}


@pytest.mark.parametrize("missing", ["arrays", "metrics", "run", "history", "config"])
def test_no_figure_fails_when_a_file_is_missing(missing: str, full_data: _run_data.RunData) -> None:
    kept = {name: value for name, value in vars(full_data).items() if name != missing}
    for file in FILES:
        file.draw(_run_data.RunData(**kept), _style.make("default", 50))


@pytest.mark.parametrize("ending", ["labels", "class_names", "_input", "codes_2d_axes", "_mse"])
def test_no_figure_fails_without_labels_and_the_like(
    ending: str, full_data: _run_data.RunData
) -> None:
    arrays = {k: v for k, v in full_data.arrays.items() if not k.endswith(ending)}
    assert len(arrays) < len(full_data.arrays)
    kept = vars(full_data) | {"arrays": arrays}
    for file in FILES:
        file.draw(_run_data.RunData(**kept), _style.make("default", 50))


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
from ae_run import figures, report
from ae_run.config import FiguresConfig
from ae_run.run_folder import RunFolder
folder = RunFolder(Path({str(folder.path)!r}))
assert figures.draw(folder, FiguresConfig(format=("png",), style="default", dpi=30))
assert report.write(folder).is_file()
bad = {{"torch", "torchvision", "sklearn", "scipy", "matplotlib.pyplot"}} & set(sys.modules)
assert not bad, bad
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
