"""The words of a command line: refused early where they cannot be meant, then spelled for Hydra.

Hydra's grammar has its own ideas of quotes, brackets, `~` and letters beyond ASCII. A user types
a path as the shell shows it, and the name of an option as he remembers it.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from ae_run import components, key_docs, messages, processes, spelling
from ae_run.errors import UserError
from ae_run.task_table import TASKS

QUIET, VERBOSE, YES = ("-q", "--quiet"), ("-v", "--verbose"), ("-y", "--yes")
HELP = ("-h", "--help")
COMPLETION = ("-sc", "--shell-completion")
_LONGEST_KEY = 120
_CONFIG_DIR = ("--config-dir", "-cd")
_MULTIRUN = ("-m", "--multirun")
_CFG, _RUN, _INFO, _PACKAGE = (
    ("--cfg", "-c"),
    ("--run", "-r"),
    ("--info", "-i"),
    ("--package", "-p"),
)
FLAGS = (
    *("--help", "-h", "--version", "--quiet", "-q", "--verbose", "-v", "--yes", "-y"),
    *("--cfg", "-c", "--multirun", "-m", "--config-dir", "-cd", "--resolve", "--package", "-p"),
    *("--run", "-r", "--shell-completion", "-sc", "--hydra-help", "--info", "-i"),
)
FLAG_VALUES = {
    **dict.fromkeys(_CFG, ("job", "hydra", "all")),
    **dict.fromkeys(_INFO, ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")),
}
PATH_KEYS = (
    *("data.path", "data.root", "run_dir", "run", "resume", "search.storage", "train.init_from"),
    "output",
)
"""Their values are files and folders, and taken as they are typed."""
_TEXT_KEYS = ("name", "notes")
_LIST_KEYS = ("runs", "tags", "code")
"""Their values may be given without brackets, and `runs` several times."""


def flag_value(args: Sequence[str], place: int) -> str | None:
    """What is given to the flag at a place: after its `=`, or the next word; None: nothing."""
    _, equals, value = args[place].partition("=")
    if equals:
        return value
    following = args[place + 1] if place + 1 < len(args) else "-"
    return None if following.startswith("-") else following


def words_of_help(args: Sequence[str]) -> list[str]:
    """What help is asked on: the words that are neither flags nor their values."""
    values = [i + 1 for i, arg in enumerate(args) if arg in (*_CONFIG_DIR, *FLAG_VALUES, *_PACKAGE)]
    words = (arg for i, arg in enumerate(args) if i not in values and not arg.startswith("-"))
    return [word for word in words if not word.startswith("code=")]


def config_dirs(args: Sequence[str]) -> tuple[list[str], list[Path]]:
    """The arguments with `~` of `--config-dir` expanded, and its folders.

    Hydra searches them before the program's own.
    """
    args, found = list(args), []
    for i, arg in enumerate(args):
        name = arg.partition("=")[0]
        if name not in _CONFIG_DIR:
            continue
        if not (value := flag_value(args, i)):
            raise UserError(f"{name}: needs a folder")
        path = processes.expanded(value)
        if not path.is_dir():
            raise UserError(f"{name} {value}: no such folder")
        args[i : i + (1 if "=" in arg else 2)] = (
            [f"{name}={path}"] if "=" in arg else [name, str(path)]
        )
        found.append(path)
    return args, found


def own_code(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments, and the code that they name.

    `model=my_package.my_net` is `code=my_package model=my_net`.
    """
    found, rest = [], []
    for arg in args:
        plus, key, value = _parts(arg)
        dotted = re.fullmatch(r"([A-Za-z_]\w*)\.(\w+)", value or "")
        if key == "code" and value and value != "null":
            found += spelling.items(value)
            continue
        if key in components.PACKAGES and dotted:
            found.append(dotted[1])
            arg = f"{plus}{key}={dotted[2]}"
        rest.append(arg)
    found = list(dict.fromkeys(found))
    return [*rest, *([spelling.of_list("code", found)] if found else [])], found


def check_flags(args: Sequence[str]) -> None:
    """Refuse flags that do not exist, lack a value, or do not go together."""
    for i, arg in enumerate(args):
        name = arg.partition("=")[0]
        if not name.startswith("-"):
            continue
        value = flag_value(args, i)
        if name not in FLAGS:
            raise UserError(_no_such_flag(name, value))
        choices = FLAG_VALUES.get(name)
        if choices and value not in choices and (value or name not in _INFO):
            given = name if value is None else f"{name} {value}"
            raise UserError(f"{given}: needs one of {', '.join(choices)}")
        if name in _PACKAGE and not value:
            raise UserError(f"{name}: needs the name of a package, such as {name} train")
    names = {arg.partition("=")[0] for arg in args}
    modes = [mode for mode in (_CFG, _MULTIRUN, _RUN, _INFO, COMPLETION) if names & set(mode)]
    if len(modes) > 1:
        raise UserError(f"{' and '.join(mode[0] for mode in modes)} do not go together")
    if "--resolve" in names and _CFG not in modes:
        raise UserError("--resolve: goes with --cfg, as in --cfg job --resolve")
    if _MULTIRUN in modes:
        for key in ("run_dir", "resume"):
            if any(arg.startswith(f"{key}=") for arg in args):
                raise UserError(f"{key}: a sweep needs one folder per job; leave it out with -m")


def _no_such_flag(name: str, value: str | None) -> str:
    """The message for a flag, which may be meant as the key of that name."""
    key = name.lstrip("-").replace("-", "_")
    known = [*key_docs.of_root(), *components.groups()]
    for group, option in key_docs.chosen(()).items():
        known += key_docs.of_option(group, option)
    meant = min((k for k in known if key in (k, k.rpartition(".")[2])), key=len, default=None)
    if meant is None:
        return messages.unknown(name, name, FLAGS, "flag")
    return f"{name}: no such flag; did you mean {meant}={value or 'VALUE'}?"


def normalize(args: Sequence[str], extra: Sequence[Path]) -> list[str]:
    """Spell each option as its file is named and each path for Hydra; refuse what cannot be meant.

    Names are matched without regard to case, `corruption=noise` is `gaussian`, and a comma
    separates the values of a sweep.
    """
    groups = set(components.groups(extra))
    reads_a_run = any(arg.startswith(("resume=", "run=")) for arg in args)
    sweep = any(arg in _MULTIRUN for arg in args)
    normal: list[str] = []
    for before, arg in pairwise(("", *_one_list_of_runs(args))):
        plus, key, value = _parts(arg)
        if value is None:
            _check_word(before, arg)
            normal.append(arg)
        elif not key:
            raise UserError(f"{arg}: there is no key before the '='; write KEY=VALUE")
        elif len(key) > _LONGEST_KEY:
            raise UserError(f"{key[:_LONGEST_KEY]}…: no such key; none has so many letters")
        elif key == "reports":
            raise UserError(
                f"{arg}: the student reports are made by a script: "
                f"python scripts/make_figures.py --only {value or 'REPORT'}"
            )
        elif key in PATH_KEYS:
            if reads_a_run and key in ("data.root", "data.path"):
                plus = "++"  # the run's data has this key; the default's may not
            spelled = spelling.of_several(value) if sweep else spelling.of(value)
            normal.append(f"{plus}{key}={spelled}")
        elif key in _TEXT_KEYS:
            normal.append(f"{plus}{key}={spelling.of(value)}")
        elif key in _LIST_KEYS and value != "null":
            normal.append(plus + spelling.of_list(key, spelling.items(value)))
        elif key in groups and not plus and re.fullmatch(r"[\w.,/-]+", value):
            options = [_option(key, one, extra) for one in value.split(",")]
            normal.append(f"{key}={','.join(options)}")
        elif key in groups and not plus and value.startswith(("[", "{")):
            choices = ", ".join(components.options(key, extra))
            raise UserError(f"{arg}: {key} must be one name; choices: {choices}")
        elif key == "search.space" and value.startswith("["):
            # Hydra's grammar has no parentheses in a list: pass it as one string.
            normal.append(f"{plus}{key}={spelling.quoted(value)}")
        else:
            normal.append(arg)
    return normal


def _one_list_of_runs(args: Sequence[str]) -> list[str]:
    """The arguments with the folders of all `runs=…`, and words that are no override, as one list.

    A shell makes several words of `outputs/*` and of `runs={a,b}`.
    """
    task = next((TASKS.get(arg.removeprefix("task=")) for arg in args if arg[:5] == "task="), None)
    if task is None or not task.many_runs:
        return list(args)
    words = [word for word in words_of_help(args) if "=" not in word]
    given = [arg.removeprefix("runs=") for arg in args if arg.startswith("runs=")]
    found = [item for value in given for item in spelling.items(value)] + words
    kept = [arg for arg in args if arg not in words and not arg.startswith("runs=")]
    return [*kept, spelling.of_list("runs", found)] if found else kept


def _check_word(before: str, arg: str) -> None:
    """Refuse a word that is no override, no flag and no flag's value."""
    if re.match(r"[-~]", arg) or "=" in arg or before in (*FLAG_VALUES, *_CONFIG_DIR, *_PACKAGE):
        return
    if _parts(before)[1]:
        hint = f"a value with spaces needs quotes: '{before} {arg}'"
    else:
        hint = "see ae-run --help"
    raise UserError(f"{arg}: not readable as KEY=VALUE; {hint}")


def as_typed(override: str) -> str:
    """An override with its path as it was typed: what `normalize` spelled for Hydra."""
    plus, key, value = _parts(override)
    if key not in (*PATH_KEYS, *_TEXT_KEYS) or not value or not spelling.is_quoted(value):
        return override
    from hydra.core.override_parser.overrides_parser import OverridesParser

    typed = str(OverridesParser.create().parse_override(override).value())
    return f"{plus}{key}={typed}" if spelling.of(typed) == value else override


def _parts(arg: str) -> tuple[str, str, str | None]:
    """`+`, the key and the value of an override; no value where the word is none."""
    match = re.fullmatch(r"(\+*)([^=+~-][^=]*)?=(.*)", arg, re.DOTALL)
    return (match[1], match[2] or "", match[3]) if match else ("", "", None)


def _option(group: str, value: str, extra: Sequence[Path]) -> str:
    if group == "experiment" and value == "null":
        return value
    choices = components.options(group, extra)
    value = components.ALIASES.get((group, value.lower()), value)
    by_lower = {choice.lower(): choice for choice in choices}
    if value.lower() not in by_lower:
        raise UserError(messages.unknown(f"{group}={value}", value, choices))
    option = by_lower[value.lower()]
    path = components.option_file(group, option, extra)
    if group == "experiment" and "@package" not in path.read_text(encoding="utf-8"):
        raise UserError(
            f"{path}: its first line must be '# @package _global_'; without it, its keys belong "
            "to no group"
        )
    return option


@contextmanager
def storage_password(args: Sequence[str]) -> Iterator[list[str]]:
    """Move the password of `search.storage` into the environment, where libpq looks for it.

    After that no override contains it, so neither Hydra nor a launcher can write it to a file.
    """
    password, cleaned = None, []
    for arg in args:
        match = re.fullmatch(
            r"(\+*search\.storage=['\"]?\w[\w+.-]*://[^:/?#@\s]*):([^/?#\s]*)@(.*)", arg
        )
        if match:
            password = unquote(match[2])
            arg = f"{match[1]}@{match[3]}"
        cleaned.append(arg)
    before = os.environ.get("PGPASSWORD")
    if password is not None:
        os.environ["PGPASSWORD"] = password
    try:
        yield cleaned
    finally:
        if password is not None:
            del os.environ["PGPASSWORD"]
            if before is not None:
                os.environ["PGPASSWORD"] = before
