"""In a real browser: figures enlarge."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from chromium import BROWSER

from ae_run.pages import run as run_page
from ae_run.run_folder import RunFolder

pytestmark = pytest.mark.slow

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
    "--window-size=1000,3000",
)


# What a reader does, and what is then seen, written into the page's title.
STEPS = """
addEventListener("load", async () => {
  const $ = (selector) => document.querySelector(selector);
  const wait = async () => {
    do await new Promise((done) => setTimeout(done, 100)); while (!$("#zoom").dataset.shown);
  };
  const press = async (key) => {
    $("#zoom").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await wait();
  };
  const links = [...document.querySelectorAll("a.zoom")];
  const seen = [];
  const look = () => {
    const [image, pane] = [$("#zoom img"), $("#zoom .pane")];
    const source = links.findIndex((link) => [link.querySelector("img").src,
      link.querySelector("source").srcset].includes(image.src));
    pane.scrollTop = pane.scrollLeft = 10000;
    seen.push([source, image.width >= image.naturalWidth, image.width,
      pane.scrollLeft + pane.clientWidth - image.width]);
  };
  links[1].click();
  await wait();
  look();
  await press("ArrowRight");
  look();
  await press("ArrowLeft");
  await press("+");
  look();
  document.title = JSON.stringify(seen);
});
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("window", ["1280,800", "390,844"])
def test_zoom_is_natural_size_or_larger_scrolls_and_steps(
    window: str, drawn_run: RunFolder, tmp_path: Path
) -> None:
    html = run_page.write(drawn_run).read_text(encoding="utf-8")
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    page = tmp_path / "page.html"
    page.write_text(policy.sub("", html) + f"<script>{STEPS}</script>", encoding="utf-8")
    # Virtual time runs ahead of the decoding of images, which is not part of it.
    flags = [
        *QUIET[:-2],
        "--virtual-time-budget=1000000",
        f"--window-size={window}",
        f"--user-data-dir={tmp_path}",
    ]
    command = [BROWSER, *flags, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found, done.stderr
    (first, natural, width, edge), (second, natural_2, _, _), (back, _, wider, _) = json.loads(
        found[1]
    )
    assert [first, second, back] == [1, 2, 1]
    assert natural
    assert natural_2
    assert edge >= -1, "it scrolls to its right edge"
    assert wider == pytest.approx(1.5 * width, abs=2)
