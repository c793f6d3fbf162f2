"""Nothing in a run folder is executed: a file that would leave a trace leaves none."""

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import FAST

TRACE = Path("executed")
YAML = f'!!python/object/apply:os.mkdir ["{TRACE}"]\n'


class Bomb:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(TRACE),)


def pickled() -> bytes:
    return pickle.dumps(Bomb())


def saved_by_torch() -> bytes:
    buffer = io.BytesIO()
    torch.save({"progress": Bomb()}, buffer)
    return buffer.getvalue()


def saved_by_numpy() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, codes=np.array([Bomb()], dtype=object))
    return buffer.getvalue()


@pytest.mark.parametrize("content", [pickled, saved_by_torch, saved_by_numpy])
def test_each_bomb_goes_off_where_it_is_trusted(content):
    data = io.BytesIO(content())
    if content is pickled:
        pickle.load(data)
    elif content is saved_by_torch:
        torch.load(data, weights_only=False)
    else:
        np.load(data, allow_pickle=True)["codes"]
    assert TRACE.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "command"),
    [
        ("resume.pt", saved_by_torch, "resume=run"),
        ("resume.pt", pickled, "resume=run"),
        ("model.safetensors", saved_by_torch, "task=evaluate run=run"),
        ("model.safetensors", pickled, "task=evaluate run=run"),
        ("artifacts.npz", saved_by_numpy, "task=figures run=run"),
        ("artifacts.npz", pickled, "task=report run=run"),
        ("config.yaml", YAML.encode, "task=report run=run"),
        ("config.yaml", YAML.encode, "resume=run"),
    ],
)
def test_a_foreign_run_folder_executes_nothing(name, content, command, cli):
    assert cli(*FAST, "run_dir=run").code == 0
    Path("run", name).write_bytes(content())
    result = cli(*command.split())
    assert not TRACE.exists()
    assert result.code == 2
    assert name in result.err
    assert "Traceback" not in result.err


@pytest.mark.slow
def test_a_target_in_a_config_is_an_unknown_key(cli):
    assert cli(*FAST, "run_dir=run").code == 0
    config = Path("run/config.yaml")
    target = f"model:\n  _target_: os.mkdir\n  path: {TRACE}\n"
    config.write_text(config.read_text().replace("model:\n", target))
    result = cli("task=evaluate", "run=run")
    assert (result.code, TRACE.exists()) == (2, False)
    assert "_target_" in result.err
