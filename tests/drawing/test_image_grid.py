"""Image grids put every pixel where it belongs."""

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from ae_run.drawing.image_grid import Block, grid_figure, image_grid, pick, wrap
from ae_run.drawing.style import Style


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_stands_at_its_row_and_column(channels: int) -> None:
    images = random_images(2, 3, channels, 5, 7)
    grid = image_grid(images, row_gap=2, column_gap=1)
    assert grid.shape == (2 * 5 + 2, 3 * 7 + 2, 4)
    for row in range(2):
        for column in range(3):
            cell = grid[row * 7 : row * 7 + 5, column * 8 : column * 8 + 7]
            expected = np.broadcast_to(images[row, column], (3, 5, 7)).transpose(1, 2, 0)
            np.testing.assert_array_equal(cell[..., :3], expected)
            assert (cell[..., 3] == 255).all()


def test_gaps_and_padding_are_transparent() -> None:
    images, count = wrap(random_images(5, 1, 4, 4), columns=3)
    assert images.shape == (2, 3, 1, 4, 4)
    grid = image_grid(images, 1, 1, count)
    assert (grid[4][:, 3] == 0).all()
    assert (grid[:, 4][:, 3] == 0).all()
    assert (grid[5:, 10:, 3] == 0).all()
    assert grid[..., 3].astype(bool).sum() == 5 * 16


def test_two_channels_are_shown_as_their_mean() -> None:
    images = np.stack([np.full((1, 1, 4, 4), 10), np.full((1, 1, 4, 4), 30)], axis=2)
    assert (image_grid(images.astype(np.uint8), 0, 0)[..., :3] == 20).all()


@pytest.mark.parametrize(("side", "dpi"), [(8, 150), (28, 150), (64, 100), (28, 97)])
def test_a_pixel_of_an_image_covers_a_square_of_whole_pixels(side: int, dpi: int) -> None:
    images = random_images(1, 2, 3, side, side)
    figure = grid_figure(Style.named("default", dpi), "T", "l", [Block(images, row_labels=["row"])])
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with Image.open(buffer) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    scale = max(1, round(0.85 * dpi / side))
    expected = images[0, 0].transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)
    corner = (pixels[:, :, None] == expected[0, 0]).all(axis=-1)[..., 0]
    height, width = expected.shape[:2]
    places = [
        (y, x)
        for y, x in np.argwhere(corner)
        if np.array_equal(pixels[y : y + height, x : x + width], expected)
    ]
    assert len(places) == 1


@pytest.mark.parametrize(("name", "shade"), [("default", 255), ("dark", 0), ("paper", 255)])
def test_an_image_of_the_page_s_colour_is_framed(name: str, shade: int) -> None:
    style = Style.named(name, 100)
    images, count = wrap(np.full((3, 1, 8, 8), shade, np.uint8), columns=2)
    figure = grid_figure(style, "T", "l", [Block(images, count=count)])
    buffer = io.BytesIO()
    with matplotlib.rc_context(style.rc):
        figure.savefig(buffer, format="png")
    with Image.open(buffer) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    muted = np.array([int(style.muted[i : i + 2], 16) for i in (1, 3, 5)])
    side = max(1, round(0.85 * 100 / 8)) * 8
    frame = (pixels == muted).all(axis=-1)
    assert abs(int(frame.sum()) - 3 * (4 * side + 4)) <= 12, "three frames, a pixel thin"


def test_pick_keeps_both_ends() -> None:
    assert pick(100, 10).tolist() == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    assert pick(3, 10).tolist() == [0, 1, 2]
    assert pick(1, 10).tolist() == [0]
