"""Build the distributions and try them in clean environments.

`pip install '.[release]' && python scripts/release.py` builds the source distribution and, from it,
the wheel, checks their metadata, and installs the wheel twice: with the lowest versions of its
dependencies that it allows, and with the newest. In each it asks for help and runs the default job.
What was built is in `dist/`. Each environment takes about 6 GB below the temporary folder while it
is tried.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
RESOLUTIONS = ("lowest-direct", "highest")


def build() -> Path:
    """Build both distributions into `dist/` and return the wheel."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir())
    (wheel,) = DIST.glob("*.whl")
    return wheel


def try_out(wheel: Path, resolution: str, folder: Path) -> list[str]:
    """Install the wheel into a new environment and use it; return the versions it runs with.

    Args:
        wheel: to install.
        resolution: which versions of its dependencies, in uv's words.
        folder: empty; the environment and the run are made there.
    """
    uv, venv = [sys.executable, "-m", "uv"], folder / "venv"
    run(*uv, "venv", "--python", sys.executable, venv)
    programs = venv / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    # By name, since what a wheel asks for is not "direct" to the resolver.
    install = [*uv, "pip", "install", "--python", python, "--resolution", resolution]
    run(*install, wheel, *dependencies())
    run(programs / "ae-run", "--help", cwd=folder)
    run(programs / "ae-run", "run_dir=run", cwd=folder)
    for name in ("report.html", "metrics.json", "model.safetensors"):
        if not (folder / "run" / name).is_file():
            raise SystemExit(f"{resolution}: the default job wrote no {name}")
    frozen = subprocess.run(
        [*uv, "pip", "freeze", "--python", python], capture_output=True, text=True, check=True
    )
    direct = {re.split(r"[^\w-]", line)[0] for line in dependencies()}
    return [line for line in frozen.stdout.splitlines() if line.partition("==")[0] in direct]


def dependencies() -> list[str]:
    """The direct dependencies, as written."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["dependencies"])


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a command; end with its exit code if it fails."""
    print("$", *command, flush=True)
    # Not this checkout's code, and no cached data.
    hidden = ("PYTHONPATH", "AE_RUN_DATA", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def main() -> None:
    """Build and try; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only", choices=["build", *RESOLUTIONS], help="build, or also try one of the two"
    )
    only = parser.parse_args().only
    wheel = build()
    tried = {}
    for resolution in RESOLUTIONS if only is None else {only} - {"build"}:
        with tempfile.TemporaryDirectory(prefix="ae-run-release-") as folder:
            tried[resolution] = try_out(wheel, resolution, Path(folder))
    for resolution, versions in tried.items():
        print(f"\n{resolution}: {', '.join(versions)}")
    print(f"\nready: {', '.join(path.name for path in sorted(DIST.iterdir()))}")


if __name__ == "__main__":
    main()
