"""The documentation as a site: complete, searchable, and without a network."""

import os
import re
from pathlib import Path

import pytest
from chromium import BROWSER, Chromium
from command_line import run_process

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors; the tutorial without output."""
    target = tmp_path_factory.mktemp("site")
    build = ["-m", "mkdocs", "build", "--strict", "-f", str(DOCS / "site" / "mkdocs.yml")]
    env = {**os.environ, "RUN_NOTEBOOKS": "false"}
    done = run_process([*build, "-d", str(target)], env=env)
    assert done.returncode == 0, done.stderr
    return target


def test_the_site_loads_nothing_from_the_network(site):
    loaded = r"""<(?:script|img|iframe)[^>]*src=["']?(?:https?:)?//|<link[^>]*href=["']?https?://"""
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert not [path for path, html in pages.items() if re.search(loaded, html)]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
def test_the_site_is_searched_from_disk(site, tmp_path):
    with Chromium(tmp_path / "profile") as page:
        page.open(site / "index.html")
        page.run("document.querySelector('[data-md-component=search-query]').focus()")
        for letter in "plateau":
            page.call("Input.dispatchKeyEvent", type="keyDown", text=letter)
            page.call("Input.dispatchKeyEvent", type="keyUp")
        page.wait_for("document.querySelector('.md-search-result__link[href*=keys]')")
        assert not page.messages
        assert not [url for url in page.requests if not url.startswith(("file:", "data:"))]


def test_the_site_shows_formulas_keys_and_sources(site):
    scores = (site / "scores.html").read_text(encoding="utf-8")
    assert scores.count("<math") > 30
    assert "$$" not in scores
    assert "<code>train.plateau</code>" in (site / "keys.html").read_text(encoding="utf-8")
    shown = (site / "files/conf/model/vae.yaml.html").read_text(encoding="utf-8")
    assert "variational autoencoder" in shown
