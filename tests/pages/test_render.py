"""The frame of all pages: what may run and load in it, and how it takes a template."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError
from parsed_page import Page

from ae_run.pages import render

TEMPLATE = """{% extends "base.html" %}
{% block title %}{{ name }}{% endblock %}
{% block links %}{% endblock %}
{% block main %}<h1>{{ name }}</h1>{% endblock %}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "any.html"
    path.write_text(TEMPLATE)
    return path


def parsed(html: bytes, folder: Path) -> Page:
    path = folder / "page.html"
    path.write_bytes(html)
    return Page(path)


def test_a_page_without_a_script_allows_none(template: Path, tmp_path: Path) -> None:
    page = parsed(render.page(template, name="a"), tmp_path)
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert not page.scripts


def test_values_are_text_and_never_markup(template: Path, tmp_path: Path) -> None:
    page = parsed(render.page(template, name="<b>bold</b>"), tmp_path)
    assert not page.all("b")
    assert "<b>bold</b>" in page.text


def test_a_missing_value_is_an_error(template: Path) -> None:
    with pytest.raises(UndefinedError, match="name"):
        render.page(template)
