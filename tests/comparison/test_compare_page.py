"""The page of a comparison in a real browser, from a file: what a reader does works."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--virtual-time-budget=100000", "--dump-dom"),
)
# What a reader does, and what is then seen, written into the page's title.
STEPS = """
addEventListener("load", async () => {
  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const wait = () => new Promise((done) => setTimeout(done, 300));
  const seen = {};
  const rows = () => all(".runs tbody").filter((body) => !body.hidden)
    .map((body) => body.rows[0].cells[1].dataset.value);
  const header = [...$(".runs thead").rows[0].cells][1].querySelector("button");
  header.click();
  seen.up = rows();
  header.click();
  seen.down = rows();
  seen.folded = all(".member").map((row) => row.hidden);
  $(".unfold").click();
  seen.open = all(".member").map((row) => row.hidden);
  const select = all(".versus select");
  seen.two = $(".verdict").textContent;
  select[1].value = select[1].options.length - 1;
  select[1].dispatchEvent(new Event("change"));
  await wait();
  seen.other = $(".verdict").textContent;
  seen.pictures = all(".most canvas").length;
  seen.drawn = all(".most canvas").some((canvas) => canvas.getContext("2d")
    .getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v > 0 && v < 255));
  const find = $("#find");
  find.value = "model.name=vae small";
  find.dispatchEvent(new Event("input"));
  seen.filtered = rows().length;
  seen.told = $("#shown").textContent;
  seen.lines = all(".curves path").filter((one) => one.style.display !== "none").length;
  seen.strips = all(".lane[data-run]").filter((one) => !one.hidden).length;
  find.value = "";
  find.dispatchEvent(new Event("input"));
  $(".picks button").click();
  seen.one = all(".curves path").filter((one) => one.style.display !== "none").length;
  seen.wide = document.documentElement.scrollWidth - innerWidth;
  document.title = JSON.stringify(seen);
});
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("window", ["1280,900", "390,844"])
def test_a_reader_sorts_filters_and_compares_two_runs(window, cli, make, tmp_path):
    make("vae", "outputs/vae-0")
    make("vae", "outputs/vae-1", {"seed": 1}, seed=1)
    make("conv", "outputs/conv")
    make("noisy", "outputs/noisy")
    assert cli("task=compare", "run_dir=cmp").code == 0
    page = Path("cmp/compare.html").resolve()
    whole = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={tmp_path}/one", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not [line for line in whole.stderr.splitlines() if "CONSOLE" in line]
    html = page.read_text(encoding="utf-8")
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    page.write_text(policy.sub("", html) + f"<script>{STEPS}</script>", encoding="utf-8")
    done = subprocess.run(
        [
            *(BROWSER, *FLAGS, f"--window-size={window}"),
            *(f"--user-data-dir={tmp_path}/two", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    assert found, done.stderr
    seen = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert sorted(seen["up"], key=float) == seen["up"] == seen["down"][::-1]
    assert seen["folded"] == [True, True]
    assert seen["open"] == [False, False]
    assert "Choose" not in seen["two"]
    assert seen["two"] != seen["other"]
    assert "95 % interval" in seen["other"]
    assert seen["pictures"] >= 3
    assert seen["drawn"]
    assert seen["filtered"] == 1
    assert seen["told"] == "1 of 3 rows"
    assert (seen["lines"], seen["strips"], seen["one"]) == (2, 2, 1)
    assert seen["wide"] <= 0, "nothing is wider than the window"
