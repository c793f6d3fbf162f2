"""What the page embeds to explore the latent space, and how much of it."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import fake_run
import numpy as np
import pytest
from parsed_page import Page
from PIL import Image

from ae_run.drawing import run_data
from ae_run.pages import run as run_page
from ae_run.run_folder import RunFolder

MakeRun = Callable[..., RunFolder]


def written(folder: RunFolder) -> tuple[Page, dict[str, Any] | None]:
    """The page, and what it embeds for the explorer."""
    page = Page(run_page.write(folder))
    data = [script for script in page.scripts if script.startswith("{")]
    return page, json.loads(data[0]) if data else None


def numbers(packed: dict[str, str]) -> np.ndarray:
    kind = {"float16": "<f2", "float32": "<f4"}[packed["type"]]
    return np.frombuffer(base64.b64decode(packed["data"]), kind)


def picture(sprite: dict[str, Any]) -> np.ndarray:
    content = base64.b64decode(sprite["source"].partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_run_without_codes_has_no_explorer_and_no_gap(make_run: MakeRun) -> None:
    folder = make_run()
    arrays = folder.read_arrays("artifacts.npz")
    kept = {name: array for name, array in arrays.items() if not name.startswith("codes")}
    folder.write_arrays("artifacts.npz", kept)
    page, data = written(folder)
    assert data is None
    assert "explorer" not in page.html[page.html.index("<body>") :]


def test_an_older_run_shows_its_codes_and_says_how_to_add_the_decoder(make_run: MakeRun) -> None:
    page, data = written(make_run())
    assert data is not None
    assert data["decoder"] is data["outputs"] is None
    assert "ae-run task=evaluate on this run adds it" in page.text


def test_a_decoder_that_cannot_run_there_says_why(make_run: MakeRun) -> None:
    folder = make_run()
    more = {
        "explorer_reason": np.array("it has branches"),
        "explorer_grid_images": np.zeros((15, 15, 1, 28, 28), np.uint8),
        "explorer_grid_dims": np.array([4, 2]),
        "explorer_grid_values": np.zeros((2, 15)),
    }
    fake_run.change_arrays(folder, **more)
    page, data = written(folder)
    assert data is not None
    assert data["grid"]["dims"] == [4, 2]
    assert "does not run in this page: it has branches" in page.text
    assert "the nearest of 225 codes" in page.text


def test_codes_times_components_are_the_points_of_the_plane(make_run: MakeRun) -> None:
    folder = make_run(latent_dim=10)
    codes = folder.read_arrays("artifacts.npz")["codes"].astype(float)
    centred = codes - codes.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    fake_run.change_arrays(folder, codes_2d=centred @ axes.T)
    _, data = written(folder)
    assert data is not None
    plane = data["planes"]["PCA"]
    found = centred @ np.reshape(plane["components"], (2, 10)).T
    np.testing.assert_allclose(found.T, np.reshape(plane["points"], (2, -1)), atol=1e-2)
    assert plane["axes"] == ["PC 1 (34 % of variance)", "PC 2 (21 % of variance)"]
    assert data["order"] == np.argsort(-codes.std(0)).tolist()


@pytest.mark.parametrize(("d", "planes"), [(1, set()), (2, set()), (3, {"PCA"})])
def test_two_dimensions_or_one_are_their_own_plane(
    d: int, planes: set[str], make_run: MakeRun
) -> None:
    folder = make_run(latent_dim=d)
    assert set(written(folder)[1]["planes"]) == planes  # type: ignore[index]
    fake_run.change_arrays(folder, tsne_2d=np.zeros((300, 2)))
    assert set(written(folder)[1]["planes"]) == planes | {"t-SNE"}  # type: ignore[index]


def test_each_image_is_at_its_place_in_the_picture(make_run: MakeRun) -> None:
    folder = make_run(channels=3, size=20)
    _, data = written(folder)
    assert data is not None
    sprite, images = data["inputs"], folder.read_arrays("artifacts.npz")["codes_thumbnails"]
    pixels = picture(sprite)
    for index in (0, 63, 64, 299):
        y, x = 20 * (index // sprite["columns"]), 20 * (index % sprite["columns"])
        assert np.array_equal(pixels[y : y + 20, x : x + 20].transpose(2, 0, 1), images[index])


def test_large_images_are_averaged_and_many_large_codes_fit(make_run: MakeRun) -> None:
    rng = np.random.default_rng(0)
    folder = make_run()
    n = 700
    fake_run.change_arrays(
        folder,
        codes=rng.normal(0, 1, (n, 600)).astype(np.float32),
        codes_2d=rng.normal(0, 1, (n, 2)),
        codes_labels=np.arange(n) % 10,
        codes_thumbnails=rng.integers(0, 256, (n, 3, 70, 64)).astype(np.uint8),
        explorer_outputs=np.zeros((n, 3, 70, 64), np.uint8),
        test_mse=np.ones(n),
        explorer_decoder=np.array('[{"kind": "linear", "shape": [9], "arrays": {"weight": 0}}]'),
        explorer_decoder_0=np.zeros(750_000, np.float32),
    )
    _, data = written(folder)
    assert data is not None
    images = folder.read_arrays("artifacts.npz")["codes_thumbnails"]
    assert (data["inputs"]["height"], data["inputs"]["width"]) == (23, 21)
    first = images[0, :, :3, :3].mean((1, 2)).round()
    assert picture(data["inputs"])[0, 0] == pytest.approx(first, abs=1)
    count = data["count"]
    assert 100 < count < n
    assert data["codes"]["type"] == "float16"
    assert len(numbers(data["codes"])) == 600 * count == 600 * len(data["label"])
    assert len(numbers(data["decoder"][0]["arrays"]["weight"])) == 750_000
    assert 5_000_000 < len(json.dumps(data)) < 7_000_000
    assert len(data["errors"]) == len(data["planes"]["PCA"]["points"]) / 2 == count


def test_codes_that_are_not_finite_are_left_out(make_run: MakeRun) -> None:
    folder = make_run()
    codes = run_data.load(folder).arrays["codes"]
    codes[3, 0] = np.inf
    fake_run.change_arrays(folder, codes=codes)
    assert written(folder)[1] is None
