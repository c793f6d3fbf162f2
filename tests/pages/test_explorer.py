"""In a real browser: the latent space is explored with mouse, fingers and keys."""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
import pytest
import torch
from chromium import BROWSER, Chromium
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from model_helpers import CHOICES, build

from ae_run.evaluation.decoder_export import export, trace
from ae_run.evaluation.decoder_layers import Layer
from ae_run.evaluation.explorer import packed
from ae_run.models import Autoencoder
from ae_run.models._activations import ACTIVATIONS
from ae_run.pages import render
from ae_run.pages import run as run_page
from ae_run.run_folder import RunFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
]

READY = "document.querySelector('#explorer .where')?.textContent"
WIDE, PHONE = (1280, 1000), (390, 844)


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    return build("model=conv_ae").eval()


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory, model: Autoencoder) -> RunFolder:
    """A fake run with a decoder that has random weights, but is one."""
    folder = fake_run.make(tmp_path_factory.mktemp("explored") / "run", epochs=5)
    arrays = folder.read_arrays("artifacts.npz")
    decoder = packed(export(model, torch.from_numpy(arrays["codes"])))
    centred = arrays["codes"] - arrays["codes"].mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    rng = np.random.default_rng(2)
    fake_run.change_arrays(
        folder,
        explorer_outputs=fake_run.blur(arrays["codes_thumbnails"], 0.1, rng),
        codes_2d=centred @ axes.T,
        tsne_2d=arrays["codes_2d"][:, ::-1] * 3,
        **{f"explorer_{name}": array for name, array in decoder.items()},
    )
    run_page.write(folder)
    return folder


class Explorer:
    """A page whose explorer has started."""

    def __init__(self, browser: Chromium, folder: RunFolder) -> None:
        self.browser = browser
        browser.open(folder.file("report.html"))
        browser.run("document.querySelector('#explorer').scrollIntoView({behavior: 'instant'})")
        browser.wait_for(READY)
        source = "document.querySelector('#explorer-data').textContent"
        self.data: dict[str, Any] = json.loads(browser.run(source))
        self.arrays = folder.read_arrays("artifacts.npz")

    def get(self, selector: str, what: str = "textContent") -> Any:
        """A property of the first element that matches."""
        return self.browser.run(f"document.querySelector('#explorer {selector}').{what}")

    def press(self, selector: str) -> None:
        """Click an element by script."""
        self.get(selector, "click()")

    def settled(self) -> None:
        """Wait until what was asked for is drawn."""
        frames = "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
        self.browser.run(frames)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A place of the plot, in shares of its width and height, as a place of the window."""
        left, top, width, height = self.browser.run(
            "(({left, top, width, height}) => [left, top, width, height])"
            "(document.querySelector('#explorer .plot > canvas').getBoundingClientRect())"
        )
        return left + x * width, top + y * height

    def pixels(self, selector: str) -> np.ndarray:
        """The red of a canvas's pixels (H, W)."""
        # A copy: the page's own canvas is not made for being read.
        script = (
            "(({height, width}, copy) => { copy.drawImage(c, 0, 0); return [height, width,"
            "...copy.getImageData(0, 0, width, height).data.filter((_, k) => k % 4 === 0)]; })"
            "(c, new OffscreenCanvas(c.width, c.height)"
            ".getContext('2d', {willReadFrequently: true}))"
        )
        script = f"((c) => {script})(document.querySelector('#explorer {selector}'))"
        height, width, *values = self.browser.run(script)
        return np.reshape(values, (height, width))

    def sliders(self) -> np.ndarray:
        """The code that the sliders show, in its own order."""
        values = self.browser.run(
            "[...document.querySelectorAll('#explorer .sliders input')]"
            ".map((one) => [Number(one.dataset.dim), one.valueAsNumber])"
        )
        return np.array([value for _, value in sorted(values)])

    def point(self, image: int) -> tuple[float, float]:
        """Where in the window an image's point is, found by pointing."""
        points = np.reshape(self.data["planes"]["PCA"]["points"], (2, -1))
        low, high = points.min(1), points.max(1)
        width, height = (
            self.get(".plot > canvas", f"client{side}") for side in ("Width", "Height")
        )
        inner = np.array([width - 60, height - 56])  # without the room for numbers
        scale = min(inner / (1.06 * (high - low)))
        across, up = scale * (points[:, image] - (low + high) / 2)
        x, y = (width + 32) / 2 + across, (height - 32) / 2 - up
        return self.at(x / width, y / height)


@pytest.fixture
def explore(tmp_path: Path) -> Iterator[Callable[..., Explorer]]:
    """Open a run's page; in the end, nothing was logged and nothing was asked for."""
    open_: list[Chromium] = []

    def start(folder: RunFolder, size: tuple[int, int] = WIDE, **media: str) -> Explorer:
        browser = Chromium(tmp_path / f"profile-{len(open_)}", *size)
        open_.append(browser)
        browser.emulate(**media)
        return Explorer(browser, folder)

    yield start
    for browser in open_:
        browser.__exit__(None, None, None)
        assert browser.messages == []
        fetched = [url for url in browser.requests if not url.startswith("data:")]
        assert [url[-12:] for url in fetched] == ["/report.html"]


def decoded(model: Autoencoder, code: np.ndarray) -> np.ndarray:
    """What torch decodes, as grey levels."""
    with torch.no_grad():
        return 255 * model.decode(torch.from_numpy(code).float()[None])[0, 0].numpy()


SEEN = ".seen canvas"


def test_the_decoder_in_the_page_equals_that_in_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    activated = [f"model=conv_ae model.activation={name}" for name in ACTIVATIONS]
    cases: dict[str, tuple[list[Layer], torch.Tensor, torch.Tensor]] = {}
    for shape in ((1, 28, 28), (3, 20, 23)):
        for choice in CHOICES + activated:
            model = build(choice, shape).eval()
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.5, 2)
            codes = 2 * torch.randn(3, model.latent_dim)
            with torch.no_grad():
                cases[f"{choice} {shape}"] = export(model, codes), codes, model.decode(codes)
    other = nn.Sequential(
        *(nn.Linear(4, 32), nn.Softplus(), nn.Unflatten(1, (8, 2, 2)), nn.Upsample(scale_factor=2)),
        *(nn.Conv2d(8, 6, (3, 1), stride=(1, 2), padding=(0, 1)), nn.GELU("tanh"), nn.Hardtanh()),
    ).eval()
    codes = torch.randn(3, 4)
    with torch.no_grad():
        cases["other layers"] = trace(other, codes[:1]), codes, other(codes)

    html = tmp_path / "decoder.html"
    script = (render.TEMPLATES / "decoder.js").read_text(encoding="utf-8")
    html.write_text(f"<!DOCTYPE html><meta charset=utf-8><script>{script}</script>")
    differences = {}
    with Chromium(tmp_path / "profile") as browser:
        browser.open(html)
        for name, (layers, codes, expected) in cases.items():
            described = [
                {
                    "kind": layer.kind,
                    "shape": layer.shape,
                    **layer.options,
                    "arrays": {key: base64_of(array) for key, array in layer.arrays.items()},
                }
                for layer in layers
            ]
            found = browser.run(
                f"(({{decode}}) => {json.dumps(codes.tolist())}.map((code) => [...decode(code)]))"
                f"(Decoder.build({json.dumps(described)}))"
            )
            wrong = np.abs(np.array(found) - expected.flatten(1).numpy()).max()
            differences[name] = float(wrong)
    assert {name: wrong for name, wrong in differences.items() if not wrong < 1e-3} == {}
    assert len(differences) > 30


def base64_of(array: np.ndarray) -> dict[str, str]:
    return {"type": str(array.dtype), "data": base64.b64encode(array.tobytes()).decode()}


def test_a_slider_changes_the_decoded_picture_to_what_torch_decodes(
    explore: Callable[..., Explorer], explored: RunFolder, model: Autoencoder
) -> None:
    page = explore(explored)
    before = page.pixels(SEEN)
    mean = page.sliders()
    assert before == pytest.approx(decoded(model, mean), abs=1)
    slider = "document.querySelector('#explorer .sliders input')"
    page.browser.run(f"{slider}.value = {slider}.max; {slider}.dispatchEvent(new Event('input'))")
    page.settled()
    code = page.sliders()
    first = page.data["order"][0]
    assert code[first] == pytest.approx(mean[first] + 3 * page.data["spread"][first], rel=1e-3)
    assert np.abs(page.pixels(SEEN) - before).max() > 3
    assert page.pixels(SEEN) == pytest.approx(decoded(model, code), abs=1)
    page.browser.run(f"{slider}.dispatchEvent(new MouseEvent('dblclick'))")
    page.settled()
    assert page.sliders() == pytest.approx(mean, rel=1e-3)


def test_pointing_at_a_code_shows_its_image_and_reconstruction(
    explore: Callable[..., Explorer], explored: RunFolder
) -> None:
    page = explore(explored)
    page.browser.mouse("Moved", *page.point(7))
    page.browser.wait_for("!document.querySelector('#explorer .tip').hidden")
    shown = page.get(".tip span")
    image = int(shown.split("test image ")[1].split(",")[0])
    label = fake_run.CLASSES[page.arrays["codes_labels"][image]]
    assert shown.startswith(f"{label}, test image {image}, MSE 0.0")
    page.settled()
    pair = page.pixels(".tip canvas"), page.pixels(".tip canvas + canvas")
    for pixels, name in zip(pair, ("codes_thumbnails", "explorer_outputs"), strict=True):
        assert np.array_equal(pixels, page.arrays[name][image, 0])
    page.browser.mouse("Moved", 5, 5)
    page.browser.wait_for("document.querySelector('#explorer .tip').hidden")


def test_a_click_decodes_the_place_or_the_image_that_it_hits(
    explore: Callable[..., Explorer], explored: RunFolder, model: Autoencoder
) -> None:
    page = explore(explored)
    page.browser.click(*page.point(7))
    page.settled()
    image = int(page.get(".where").split("test image ")[1].split(",")[0])
    code = page.arrays["codes"][image]
    assert page.sliders() == pytest.approx(code, abs=1e-3)
    assert page.pixels(SEEN) == pytest.approx(decoded(model, code), abs=1)
    page.browser.wait_for("document.querySelectorAll('#explorer .given:not([hidden])').length == 2")
    # In a corner of the plane there is no image.
    page.browser.click(*page.at(0.97, 0.03))
    page.settled()
    assert "all other components at their mean" in page.get(".where")
    components = np.reshape(page.data["planes"]["PCA"]["components"], (2, -1))
    residual = page.sliders() - page.data["mean"]
    place = np.linalg.lstsq(components.T, residual, rcond=None)[0]
    assert residual == pytest.approx(place @ components, abs=0.05)
    assert page.pixels(SEEN) == pytest.approx(decoded(model, page.sliders()), abs=1)


def test_random_codes_are_spread_like_the_codes(
    explore: Callable[..., Explorer], explored: RunFolder
) -> None:
    page = explore(explored)
    drawn = []
    for _ in range(30):
        page.press("[data-act=random]")
        page.settled()
        drawn.append(page.sliders())
    assert page.get(".where") == "a random code"
    codes = page.arrays["codes"]
    spread = codes.std(0)
    assert np.abs((np.mean(drawn, 0) - codes.mean(0)) / spread).max() < 1.2
    assert np.mean(np.std(drawn, 0) / spread) == pytest.approx(1, abs=0.4)


def test_the_ring_is_dragged_and_the_view_is_moved_and_zoomed(
    explore: Callable[..., Explorer], explored: RunFolder
) -> None:
    page = explore(explored)
    page.browser.click(*page.at(0.9, 0.1))
    page.settled()
    before = page.sliders()
    page.browser.drag(page.at(0.9, 0.1), page.at(0.8, 0.2), page.at(0.7, 0.3))
    page.settled()
    assert page.get(".where") == "moved with the ring"
    assert np.abs(page.sliders() - before).max() > 0.1
    still = page.sliders()
    plot = "document.querySelector('#explorer .plot > canvas').toDataURL()"
    first = page.browser.run(plot)
    page.browser.mouse("Wheel", *page.at(0.5, 0.5), deltaX=0, deltaY=-240)
    page.browser.wait_for(f"{plot}.length !== {len(first)}")
    page.browser.drag(page.at(0.5, 0.5), page.at(0.45, 0.4), page.at(0.3, 0.4))
    page.settled()
    assert page.sliders() == pytest.approx(still)


def test_a_path_between_two_clicks_plays_and_is_scrubbed(
    explore: Callable[..., Explorer], explored: RunFolder, model: Autoencoder
) -> None:
    page = explore(explored)
    page.press("[data-mode=path]")
    page.browser.click(*page.at(0.8, 0.12))
    page.settled()
    start = page.sliders()
    page.browser.click(*page.at(0.2, 0.12))
    page.browser.wait_for("document.querySelector('#explorer .strip input').value == 1")
    page.settled()
    assert page.get("[data-act=play]") == "Play"
    assert page.get(".where") == "100 % of the path"
    end = page.sliders()
    assert page.get(".strip .images", "childElementCount") == 11
    scrub = "document.querySelector('#explorer .strip input')"
    page.browser.run(f"{scrub}.value = .25; {scrub}.dispatchEvent(new Event('input'))")
    page.settled()
    assert page.sliders() == pytest.approx(0.75 * start + 0.25 * end, abs=0.05)
    assert page.pixels(SEEN) == pytest.approx(decoded(model, page.sliders()), abs=1)


def test_with_reduced_motion_a_path_waits_to_be_played(
    explore: Callable[..., Explorer], explored: RunFolder
) -> None:
    page = explore(explored, reduced_motion="reduce")
    page.press("[data-mode=path]")
    for place in ((0.95, 0.05), (0.1, 0.05)):
        page.browser.click(*page.at(*place))
    page.browser.wait_for("document.querySelector('#explorer .where').textContent[0] == '0'")
    for _ in range(5):
        page.settled()
    assert page.get(".strip input", "value") == "0"
    assert page.get("[data-act=play]") == "Play"


def test_a_region_shows_its_images_and_classes_can_be_hidden(
    explore: Callable[..., Explorer], explored: RunFolder
) -> None:
    page = explore(explored)
    page.browser.drag(page.at(0.01, 0.01), page.at(0.5, 0.5), page.at(0.99, 0.95), modifiers=8)
    page.browser.wait_for("!document.querySelector('#explorer .strip').hidden")
    assert page.get(".strip strong").startswith("300 images: ")
    page.press(".strip .images button:nth-child(3)")
    assert "test image 2," in page.get(".where")
    for number in range(2, 11):
        page.press(f".legend button:nth-child({number})")
    page.press("[data-mode=select]")
    page.browser.drag(page.at(0.01, 0.01), page.at(0.5, 0.5), page.at(0.99, 0.95))
    count = int((page.arrays["codes_labels"] == 0).sum())
    title = "document.querySelector('#explorer .strip strong').textContent"
    page.browser.wait_for(f"{title} === '{count} images: zero ({count})'")
    page.press(".legend button:nth-last-child(2)")
    pressed = "document.querySelectorAll('#explorer .legend [aria-pressed=true]').length"
    assert page.browser.run(pressed) == 10


def test_keys_go_from_image_to_image_and_are_spoken(
    explore: Callable[..., Explorer], explored: RunFolder
) -> None:
    page = explore(explored)
    page.get(".plot > canvas", "focus()")
    page.browser.key("ArrowRight")
    first = page.get("[aria-live]")
    assert "test image" in first
    page.browser.key("ArrowRight")
    second = page.get("[aria-live]")
    assert second != first
    points = np.reshape(page.data["planes"]["PCA"]["points"], (2, -1))
    one, two = (int(text.split("test image ")[1].split(",")[0]) for text in (first, second))
    assert points[0, two] > points[0, one]
    page.browser.key("Enter")
    assert page.get("[aria-live]") == f"Chosen: {second}"
    page.settled()
    assert page.sliders() == pytest.approx(page.arrays["codes"][two], abs=1e-3)
    plot = "document.querySelector('#explorer .plot > canvas')"
    assert page.browser.run(f"{plot}.style.touchAction") == ""
    page.browser.key("+")
    assert page.browser.run(f"{plot}.style.touchAction") == "none"
    page.browser.key("0")
    assert page.browser.run(f"{plot}.style.touchAction") == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_fingers_tap_and_pinch_and_nothing_is_cut_off(
    scheme: str, explore: Callable[..., Explorer], explored: RunFolder
) -> None:
    page = explore(explored, PHONE, color_scheme=scheme)
    page.browser.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    assert page.browser.run("document.documentElement.scrollWidth") <= PHONE[0]
    page.browser.touch("Start", page.point(7))
    page.browser.touch("End")
    page.settled()
    assert "test image" in page.get(".where")
    assert page.get(".tip", "hidden") is False
    assert page.get(".tip", "getBoundingClientRect().right") <= PHONE[0]
    left, right = page.at(0.45, 0.4), page.at(0.55, 0.4)
    page.browser.touch("Start", left, right)
    page.browser.touch("Move", page.at(0.3, 0.4), page.at(0.7, 0.4))
    page.browser.touch("Move", page.at(0.2, 0.4), page.at(0.8, 0.4))
    page.browser.touch("End")
    page.browser.wait_for(
        "document.querySelector('#explorer .plot > canvas').style.touchAction == 'none'"
    )


def test_every_plane_shows_and_decodes(
    explore: Callable[..., Explorer], explored: RunFolder, model: Autoencoder
) -> None:
    page = explore(explored)
    choose = (
        "((c, v) => {{ c.value = v; c.dispatchEvent(new Event('change')); }})"
        "(document.querySelector('#explorer [data-choice={}]'), '{}')"
    )
    page.browser.run(choose.format("plane", "t-SNE"))
    page.browser.click(*page.at(0.97, 0.03))
    page.settled()
    image = int(page.get(".where").split("test image ")[1].split(",")[0])
    assert page.sliders() == pytest.approx(page.arrays["codes"][image], abs=1e-3)
    before = page.sliders()
    page.browser.run(choose.format("plane", "Two dimensions"))
    page.browser.run(choose.format("x", 3))
    page.browser.run(choose.format("y", 8))
    page.browser.click(*page.at(0.8, 0.12))
    page.settled()
    after = page.sliders()
    changed = np.abs(after - before) > 1e-3
    assert changed.nonzero()[0].tolist() == [3, 8]
    assert page.pixels(SEEN) == pytest.approx(decoded(model, after), abs=1)


@pytest.mark.parametrize("d", [1, 2, 300])
def test_codes_of_any_size_are_explored_from_a_grid_too(
    d: int, tmp_path: Path, explore: Callable[..., Explorer]
) -> None:
    folder = fake_run.make(tmp_path / "run", epochs=5, latent_dim=d, channels=3, size=12)
    rng = np.random.default_rng(0)
    rows = 1 if d == 1 else 15
    grid = rng.integers(0, 256, (rows, 15, 3, 12, 12)).astype(np.uint8)
    values = np.tile(np.linspace(-9, 9, 15), (min(d, 2), 1))
    fake_run.change_arrays(
        folder,
        explorer_reason=np.array("it has branches"),
        explorer_grid_images=grid,
        explorer_grid_dims=np.arange(d)[-2:],
        explorer_grid_values=values,
    )
    run_page.write(folder)
    page = explore(folder)
    assert page.get(".sliders", "childElementCount") == min(d, 2)
    page.browser.click(*page.at(0.96, 0.04))
    page.settled()
    code = page.sliders()
    cells = [int(np.abs(row - value).argmin()) for row, value in zip(values, code, strict=True)]
    expected = grid[cells[1] if d > 1 else 0, cells[0], 0]
    page.settled()
    assert np.array_equal(page.pixels(SEEN), expected)


def test_without_a_decoder_images_are_still_seen(
    tmp_path: Path, explore: Callable[..., Explorer]
) -> None:
    folder = fake_run.make(tmp_path / "run", epochs=5)
    run_page.write(folder)
    page = explore(folder)
    assert page.get(".sliders", "hidden") is True
    assert page.get("[data-mode=path]", "hidden") is True
    page.browser.click(*page.point(7))
    page.settled()
    assert "test image" in page.get(".where")
    assert (
        page.browser.run("document.querySelectorAll('#explorer .given:not([hidden])').length") == 1
    )


def test_the_page_of_a_run_decodes_an_images_code_to_its_reconstruction(
    cli: Callable[..., Any], explore: Callable[..., Explorer]
) -> None:
    off = [f"evaluate.{part}=null" for part in ("robustness", "probe", "convergence")]
    small = ("data.limit=200", "train.epochs=1", "device=cpu", "run_dir=run")
    assert cli("model=vae", *small, *off).code == 0
    page = explore(RunFolder(Path("run")))
    page.browser.click(*page.point(7))
    page.settled()
    image = int(page.get(".where").split("test image ")[1].split(",")[0])
    assert page.pixels(SEEN) == pytest.approx(page.arrays["explorer_outputs"][image, 0], abs=1)
