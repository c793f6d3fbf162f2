"""In a real browser: the page runs its script under its own policy, without an error."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ae_run.pages import run as run_page
from ae_run.run_folder import RunFolder

pytestmark = pytest.mark.slow

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
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


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_the_page_runs_without_a_message_on_the_console(
    drawn_run: RunFolder, tmp_path: Path
) -> None:
    page = run_page.write(drawn_run).resolve()
    command = [BROWSER, *QUIET, f"--user-data-dir={tmp_path}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not messages
    assert '<figure id="scatter" class="card">' in done.stdout, "the script shows the scatter"
    assert done.stdout.count('aria-pressed="false"') == 10, "a button for each class"
