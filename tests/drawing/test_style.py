"""Classes can be told apart, and names of any kind can be drawn."""

import pytest

from ae_run.drawing.style import Style, plain

STYLES = [Style.named(name, 100) for name in ("default", "paper", "dark")]


def luminance(color: str) -> float:
    """Relative luminance of sRGB, as WCAG 2 defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_47_classes_have_47_looks(style: Style) -> None:
    assert len({(style.color(k), style.marker(k)) for k in range(47)}) == 47


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_text_can_be_read(style: Style) -> None:
    assert contrast(style.ink, style.face) >= 7
    assert contrast(style.muted, style.face) >= 4
    assert len({style.color(k) for k in range(10)}) == 10
    for k in range(10):
        assert contrast(style.color(k), style.face) >= 2
        assert contrast(style.text_color(k), style.face) >= 3.5


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("cat", "cat"),
        ("two\nlines", "two lines"),
        ("お", "□"),
        ("digit number 12345", "digit n… 12345"),
        ("−→é", "−→é"),
    ],
)
def test_names_are_made_fit_to_draw(name: str, drawn: str) -> None:
    assert plain(name) == drawn
