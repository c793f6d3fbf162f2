"""Finished runs that tests of many runs copy and change."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import FAST

import ae_run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three finished runs on the same images: `conv` and `vae`, and `noisy`, which denoises."""
    root = tmp_path_factory.mktemp("trained")
    lines = {
        "conv": ["model=conv_ae"],
        "vae": ["model=vae", "name=Bound & co", "tags=[small]", "notes=first <b>try</b>"],
        "noisy": ["model=denoising", "tags=[small,noise]"],
    }
    for name, line in lines.items():
        assert ae_run.main([*line, *FAST, f"run_dir={root / name}", "-q"]) == 0
    return {name: root / name for name in lines}


@pytest.fixture
def make(trained: dict[str, Path]) -> Callable[..., Path]:
    """Copy a run to a path below the current folder, and change its `run.json` and config."""

    def copy(kind: str, path: str, config: dict[str, Any] | None = None, **run: Any) -> Path:
        target = Path(path)
        shutil.copytree(trained[kind], target, ignore=shutil.ignore_patterns("figures"))
        old = json.loads((target / "run.json").read_text(encoding="utf-8"))
        (target / "run.json").write_text(json.dumps(old | run), encoding="utf-8")
        if config is not None:
            text = (target / "config.yaml").read_text(encoding="utf-8")
            changed = yaml.safe_load(text)
            for key, value in config.items():
                *groups, leaf = key.split(".")
                node = changed
                for group in groups:
                    node = node[group]
                node[leaf] = value
            (target / "config.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
        return target

    return copy
