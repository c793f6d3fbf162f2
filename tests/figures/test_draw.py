"""Drawing into a folder: formats, styles, repetition, and odd runs."""

from collections.abc import Callable
from pathlib import Path

import fake_run
import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text

from ae_run import figures
from ae_run.drawing import run_data
from ae_run.drawing.style import Style
from ae_run.run_folder import RunFolder

MakeRun = Callable[..., RunFolder]


def files(folder: RunFolder) -> set[Path]:
    return {path for path in folder.file("figures").rglob("*") if path.is_file()}


MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
HOSTILE = (
    "$\\frac{",
    "<script>alert(1)</script>",
    "お",
    "a\nb\tc",
    "x" * 300,
    "",
    "%s {0}",
    "_",
    "-",
    "é",
)


@pytest.fixture
def two_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one figure of lines and one of images, where what is drawn does not matter."""
    files = [file for file in figures.available() if file.name in ("loss_curves", "samples")]
    monkeypatch.setattr(figures, "available", lambda: files)


@pytest.mark.usefixtures("two_figures")
@pytest.mark.parametrize("formats", [("png",), ("pdf",), ("svg",), ("png", "pdf", "svg")])
def test_writes_the_formats_that_were_asked_for(
    formats: tuple[str, ...], make_run: MakeRun
) -> None:
    folder = make_run()
    written = figures.draw(folder, fake_run.options(*formats))
    assert {path.suffix[1:] for path in written} == set(formats)
    own = {path.suffix[1:] for path in written if path.parent == folder.file("figures")}
    assert own == set(formats)
    for path in written:
        assert path.read_bytes().startswith(MAGIC[path.suffix[1:]])
    assert set(written) == files(folder), "and leaves nothing else"


@pytest.mark.usefixtures("two_figures")
@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_run_gives_the_same_bytes(kind: str, make_run: MakeRun) -> None:
    folder = make_run(epochs=3)
    first = {p: p.read_bytes() for p in figures.draw(folder, fake_run.options(kind))}
    second = {p: p.read_bytes() for p in figures.draw(folder, fake_run.options(kind))}
    assert first == second


def test_styles_differ_in_every_figure(make_run: MakeRun) -> None:
    folder = make_run()
    figures.draw(folder, fake_run.options(style="paper", dark_page=True))
    where = folder.file("figures")
    names = {path.name for path in where.glob("*.png")}
    assert names
    for name in names:
        looks = {(where / style / name).read_bytes() for style in (".", "paper", "dark")}
        assert len(looks) == 3, name


@pytest.mark.usefixtures("two_figures")
@pytest.mark.parametrize("style", ["paper", "dark"])
def test_another_style_is_drawn_beside_the_page_s_own_figures(
    style: str, make_run: MakeRun
) -> None:
    folder = make_run()
    figures.draw(folder, fake_run.options("png", dpi=150))
    before = {path: path.read_bytes() for path in files(folder)}
    figures.draw(folder, fake_run.options("pdf", style=style, dpi=150))
    assert {path: path.read_bytes() for path in before} == before
    names = {path.name for path in folder.file(f"figures/{style}").glob("*.pdf")}
    assert names == {"loss_curves.pdf", "samples.pdf"}


@pytest.mark.parametrize("style", ["default", "paper"])
def test_every_figure_is_as_wide_as_a_column(style: str, make_run: MakeRun) -> None:
    folder = make_run(latent_dim=2, corrupted=True)
    fake_run.add_more(folder)
    run = run_data.load(folder)
    column = Style.named(style, 100, 3.3, titles=False)
    with matplotlib.rc_context(column.rc):
        for figure in figures.available():
            drawn = figure.draw(run, column)
            assert drawn is not None
            assert drawn.get_size_inches()[0] == pytest.approx(3.3, abs=0.01), figure.name
            words = [text.get_text() for text in drawn.findobj(Text)]
            assert figure.title not in " ".join(words)
            right = [axes.get_position().x1 for axes in drawn.axes if axes.images]
            assert max(right, default=0) <= 1, "no image is cut off"


def test_a_figure_whose_arrays_are_gone_is_removed(make_run: MakeRun) -> None:
    folder = make_run()
    figures.draw(folder, fake_run.options())
    folder.file("figures/worst.pdf").write_bytes(b"%PDF")
    arrays = folder.read_arrays("artifacts.npz")
    kept = {key: array for key, array in arrays.items() if not key.startswith("samples")}
    folder.write_arrays("artifacts.npz", kept)
    figures.draw(folder, fake_run.options())
    assert not list(folder.file("figures").rglob("samples.*"))
    assert folder.has("figures/worst.png")
    assert folder.has("figures/worst.pdf"), "another format stays"


def test_a_run_that_has_only_begun_has_no_figures(make_run: MakeRun) -> None:
    folder = make_run()
    for name in ("history.csv", "metrics.json", "artifacts.npz", "run.json"):
        folder.file(name).unlink()
    assert figures.draw(folder, fake_run.options()) == []


def test_a_torn_file_is_named_and_the_pictures_of_it_stay(make_run: MakeRun) -> None:
    folder = make_run()
    folder.file("figures").mkdir()
    folder.file("figures/samples.png").write_bytes(b"drawn earlier")
    folder.file("artifacts.npz").write_bytes(b"PK\x03\x04 torn")
    drawn = figures.draw(folder, fake_run.options())
    assert folder.file("figures/loss_curves.png") in drawn
    assert folder.file("figures/samples.png").read_bytes() == b"drawn earlier"
    (line,) = run_data.load(folder).damaged
    assert line.startswith(f"{folder.file('artifacts.npz')}: not readable")


@pytest.mark.parametrize(
    ("style", "options"),
    [
        ("default", {"channels": 1, "size": 8, "classes": 2}),
        ("default", {"channels": 3, "size": 64, "classes": 47, "latent_dim": 32}),
        ("paper", {"size": 20, "latent_dim": 1}),
        ("dark", {"channels": 3, "size": 28, "latent_dim": 2, "corrupted": True}),
        ("dark", {"vae": True, "epochs": 1}),
        ("default", {"stages": 3, "epochs": 9}),
        ("paper", {"names": HOSTILE}),
    ],
    ids=["tiny", "colour-47", "1-d", "2-d", "vae", "stages", "hostile"],
)
@pytest.mark.slow
def test_odd_runs_are_drawn_without_a_warning(
    options: dict[str, object], style: str, make_run: MakeRun
) -> None:
    folder = make_run(**options)
    fake_run.add_more(folder)
    names = {path.stem for path in figures.draw(folder, fake_run.options(style=style, dpi=40))}
    assert {"samples", "loss_curves", "reconstructions", "codes", "robustness"} <= names


@pytest.mark.usefixtures("two_figures")
def test_a_label_of_many_lines_does_not_grow_the_picture(make_run: MakeRun) -> None:
    folder = make_run()
    fake_run.change_json(folder, "run.json", label="$x_{" * 200 + "\n" * 50)
    figures.draw(folder, fake_run.options())
    assert folder.file("figures/loss_curves.png").stat().st_size < 100_000


def test_null_scores_leave_a_gap(make_run: MakeRun) -> None:
    folder = make_run(corrupted=True)
    metrics = folder.read_json("metrics.json")
    for key in ("mse", "input_mse", "snr_db", "input_snr_db"):
        metrics["robustness"]["gaussian"][key][0] = None
    folder.write_json("metrics.json", metrics)
    names = {path.stem for path in figures.draw(folder, fake_run.options())}
    assert {"robustness", "denoising_levels"} <= names


def test_labels_beyond_the_class_names_are_numbered(make_run: MakeRun) -> None:
    folder = make_run()
    fake_run.change_arrays(folder, class_names=np.array(["only one"]))
    assert figures.draw(folder, fake_run.options())


def test_an_animation_that_the_run_has_no_more_is_removed(make_run: MakeRun) -> None:
    folder = make_run()
    folder.file("figures").mkdir()
    old = folder.file("figures") / "convergence.gif"
    old.write_bytes(b"GIF89a")
    run = folder.read_arrays("artifacts.npz")
    folder.write_arrays(
        "artifacts.npz", {k: v for k, v in run.items() if not k.startswith("convergence")}
    )
    figures.draw(folder, fake_run.options("png"))
    assert not old.exists()
