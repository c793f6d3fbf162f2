"""Tab completion: what is offered, and that a shell can use it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ae_run import completion, components
from ae_run.config import Config
from ae_run.search.config import SearchConfig
from ae_run.task_table import TASKS


def offered(line: str) -> list[str]:
    return completion.words(f"ae-run {line}")


def listed(schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Iterator[Any]:
    """(key, choices) of every key of a JSON schema that has choices."""
    schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for one in (schema, schema.get("items", {}), *schema.get("anyOf", [])):
        if all(isinstance(choice, str) for choice in one.get("enum", [0])):
            yield path, one["enum"]
    for name, below in schema.get("properties", {}).items():
        yield from listed(below, definitions, f"{path}.{name}" if path else name)


def choices() -> Iterator[Any]:
    """(the option to choose first, key, its choices) over all schemas."""
    root = Config.model_json_schema()
    for group in ("train", "evaluate", "figures"):
        found = listed(root["properties"][group], root["$defs"], group)
        yield from (("", *one) for one in found)
    search = SearchConfig.model_json_schema()
    yield from (("", *one) for one in listed(search, search.get("$defs", {}), "search"))
    for group in components.PACKAGES:
        for name in components.files(group):
            schema = components.module(group, name).Config.model_json_schema()
            found = listed(schema, schema.get("$defs", {}), group)
            yield from ((f"{group}={name}", *one) for one in found)


def test_every_choice_of_the_schemas_is_offered_and_no_other():
    wrong = {}
    for option, key, values in choices():
        words = offered(f"{option} {key}=")
        found = {word.rpartition("=")[2].lstrip("[") for word in words} - {"null"}
        if found != set(values):
            wrong[f"{option} {key}"] = (found, values)
    assert wrong == {}


def test_every_task_and_option_is_offered():
    assert offered("task=") == sorted(f"task={name}" for name in TASKS)
    assert offered("device=") == ["device=auto", "device=cpu", "device=cuda", "device=mps"]
    for group in components.groups():
        assert offered(f"{group}=") == [f"{group}={name}" for name in components.options(group)]


def test_a_word_in_progress_is_completed():
    assert offered("train.opt") == ["train.optimizer="]
    assert offered("train.optimizer=adama") == ["train.optimizer=adamax"]
    assert offered("model=vae model.lik") == ["model.likelihood="]
    assert offered("model.lik") == []
    assert offered("evaluate.probe.s") == ["evaluate.probe.sgd_softmax."]
    assert offered("-m model=vae,ra") == ["model=vae,randomized"]
    assert offered("evaluate.probe.classifiers=[mlp,k") == ["evaluate.probe.classifiers=[mlp,knn"]
    assert offered("model.batch_norm=t") == ["model.batch_norm=true"]
    assert offered("train.lr=") == []


def test_flags_and_their_values_are_offered():
    assert offered("--c") == ["--cfg", "--config-dir", "--config-dir="]
    assert offered("--cfg j") == ["job"]


def test_nothing_internal_is_offered():
    everything = offered("")
    assert {"model=", "model.", "seed=", "task="} <= set(everything)
    assert not [word for word in everything if word.startswith(("hydra", "reports", "worker"))]


def test_paths_are_completed_for_path_keys(tmp_path):
    for name in ("runs/a", "runs/été (1)", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "rooms.npz").touch()
    assert offered("resume=ru") == ["resume=runs/"]
    assert offered("run=runs/") == ["run=runs/a/", "run=runs/été (1)/"]
    assert offered("data.path=r") == ["data.path=rooms.npz", "data.path=runs/"]
    assert offered("data.path='runs/été (") == ["data.path=runs/été (1)/"]
    assert offered("data.path=runs/été\\ ") == ["data.path=runs/été (1)/"]
    assert offered("run_dir=.h") == ["run_dir=.hidden/"]
    assert offered("--config-dir ru") == ["runs/"]
    assert offered("--config-dir=ru") == ["--config-dir=runs/"]


def test_options_in_a_folder_of_ones_own_are_offered(tmp_path):
    mine = tmp_path / "mine" / "model"
    mine.mkdir(parents=True)
    (mine / "tiny.yaml").write_text("# tiny\ndefaults: [vae, _self_]\nbeta: 2.0\n")
    assert offered("--config-dir mine model=t") == ["model=tiny"]
    assert offered("--config-dir mine model=tiny model.be") == ["model.beta="]


@pytest.mark.parametrize("line", ["", "ae-run --config-dir nowhere mo", "ae-run 'a", "x=[{", "\\"])
def test_a_query_never_fails_or_complains(line, cli, monkeypatch):
    monkeypatch.setenv("COMP_LINE", line)
    result = cli("-sc", "query=bash")
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("words", [[], ["install"], ["install=tcsh"], ["query"]])
def test_a_wrong_request_is_one_line(words, cli):
    result = cli("-sc", *words)
    assert result.code == 2
    assert "install=SHELL" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["task", "=", "s"], "search "),
        (["data.path", "=", "my"], "my\\ dir/"),
        (["data.path", "=", "'my"], "my dir/"),
        (["run", "="], "bin/\nmy\\ dir/"),
        (["train.optimizer=adama"], "train.optimizer=adamax "),
        (["task", "=", "x"], ""),
    ],
)
def test_bash_gets_what_replaces_the_piece(words, found, tmp_path):
    (tmp_path / "my dir").mkdir()
    program = tmp_path / "bin" / "ae-run"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ae_run "$@"\n')
    program.chmod(0o755)
    line = "ae-run " + "".join(words)
    call = (
        f'eval "$({program} -sc install=bash)"; COMP_LINE="{line}" COMP_POINT={len(line)}; '
        f"COMP_WORDS=(ae-run {' '.join(map(_in_bash, words))}); COMP_CWORD={len(words)}; "
        "_ae_run; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    assert _shell("bash", call, path).rstrip("\n") == found


def _in_bash(word: str) -> str:
    return '"' + word + '"'


def test_fish_gets_whole_words(tmp_path):
    program = tmp_path / "bin" / "ae-run"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ae_run "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    call = "ae-run -sc install=fish | source; complete -C'ae-run task=s'"
    assert _shell("fish", call, path) == "task=search\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_reads_its_script(shell, cli, tmp_path):
    script = Path(tmp_path / "script")
    script.write_text(cli("-sc", f"install={shell}").out)
    assert script.read_text().startswith("# Put this into ~/.")
    assert (
        _shell(shell, f"{'source' if shell == 'fish' else '.'} {script}", os.environ["PATH"]) == ""
    )


def _shell(name: str, command: str, path: str) -> str:
    if shutil.which(name) is None:
        pytest.skip(f"no {name} on this machine")
    env = os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"}
    flags = {"zsh": ["-f"], "fish": ["--no-config"]}.get(name, [])
    done = subprocess.run([name, *flags, "-c", command], env=env, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    return done.stdout
