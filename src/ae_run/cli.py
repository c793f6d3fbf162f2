"""The command line: Hydra composes the config, and a `Job` goes to its task.

Every error ends as one message on stderr and an exit code: 2 for what the user can change,
1 for a failed run, 130 after Ctrl-C. A sweep exits with the worst code of its jobs.
Nothing here imports torch; the tasks do.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ae_run import components, help_page, messages
from ae_run.errors import AeRunError, Interrupted, RunFailed, UserError
from ae_run.task_table import TASKS

if TYPE_CHECKING:
    from omegaconf import DictConfig


_FLAGS = (
    *("--help", "-h", "--version", "--cfg", "-c", "--multirun", "-m", "--config-dir", "-cd"),
    *("--resolve", "--package", "-p", "--run", "-r", "--shell-completion", "-sc"),
    *("--hydra-help", "--info", "-i"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        extra = _config_dirs(args)
        if "--help" in args or "-h" in args:
            print(help_page.text(version("ae-run"), extra))
            return 0
        if "--version" in args:
            print(f"ae-run {version('ae-run')}")
            return 0
        _check_flags(args)
        with _storage_password(args) as args:
            return _run_hydra(_normalize(args, extra), extra)
    except AeRunError as error:
        return _report(error)
    except KeyboardInterrupt:
        print("\nae-run: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141


@contextmanager
def _storage_password(args: list[str]) -> Iterator[list[str]]:
    """Move the password of `search.storage` into the environment, where libpq looks for it.

    No override then contains it, so neither Hydra nor a launcher can write it to a file.
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


def _report(error: AeRunError) -> int:
    print(f"ae-run: {error}", file=sys.stderr)
    return error.exit_code


def _check_flags(args: Sequence[str]) -> None:
    """Refuse unknown flags and invalid combinations."""
    for arg in args:
        name = arg.partition("=")[0]
        if name.startswith("-") and name not in _FLAGS:
            raise UserError(messages.unknown(name, name, _FLAGS, "flag"))
    if any(arg in ("-m", "--multirun") for arg in args):
        for key in ("run_dir", "resume"):
            if any(arg.startswith(f"{key}=") for arg in args):
                raise UserError(f"{key}: a sweep needs one folder per job; leave it out with -m")


def _config_dirs(args: Sequence[str]) -> list[Path]:
    """The folders given with `--config-dir`, which Hydra searches before the built-in one."""
    dirs = []
    for i, arg in enumerate(args):
        if arg in ("--config-dir", "-cd"):
            if i + 1 == len(args):
                raise UserError("--config-dir: needs a folder")
            dirs.append(Path(args[i + 1]))
        elif arg.startswith("--config-dir="):
            dirs.append(Path(arg.partition("=")[2]))
    for path in dirs:
        if not path.is_dir():
            raise UserError(f"--config-dir {path}: no such folder")
    return dirs


def _normalize(args: Sequence[str], extra: Sequence[Path]) -> list[str]:
    """Spell every group option like its file, and refuse unknown ones.

    Names are case-insensitive, `corruption=noise` means `gaussian`, and commas separate the
    values of a sweep.
    """
    groups = set(components.groups(extra))
    reads_a_run = any(arg.startswith(("resume=", "run=")) for arg in args)
    normal = []
    for arg in args:
        if reads_a_run and arg.startswith(("data.root=", "data.path=")):
            normal.append(f"++{arg}")  # the run's data has this key; the default data may not
            continue
        match = re.fullmatch(r"(\w+)=([\w.,/-]+)", arg)
        if match and match[1] in groups:
            group, values = match[1], match[2].split(",")
            normal.append(f"{group}=" + ",".join(_option(group, value, extra) for value in values))
        elif (match := re.fullmatch(r"(\w+)=([\[{].*)", arg)) and match[1] in groups:
            choices = ", ".join(components.options(match[1], extra))
            raise UserError(f"{arg}: {match[1]} must be one name; choices: {choices}")
        elif arg.startswith("search.space=["):
            # Hydra's grammar allows no parentheses in a list: pass it as one string.
            text = arg.partition("=")[2].replace("\\", "\\\\").replace("'", "\\'")
            normal.append(f"search.space='{text}'")
        else:
            normal.append(arg)
    return normal


def _option(group: str, value: str, extra: Sequence[Path]) -> str:
    if group == "experiment" and value == "null":
        return value
    choices = components.options(group, extra)
    value = components.ALIASES.get((group, value.lower()), value)
    by_lower = {choice.lower(): choice for choice in choices}
    if value.lower() not in by_lower:
        raise UserError(messages.unknown(f"{group}={value}", value, choices))
    return by_lower[value.lower()]


class _SweepStopped(BaseException):
    """The user stopped a sweep; a `BaseException`, since Hydra's sweeper catches `Exception`."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


def _run_hydra(args: list[str], extra: Sequence[Path]) -> int:
    """Let Hydra compose and call `_job` once, or once per job of a sweep."""
    import hydra
    import yaml
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from ae_run.sweep import Sweep

    codes: list[int] = []

    def job(cfg: "DictConfig") -> int:
        codes.append(_job(cfg))
        if codes[-1] and any(name.startswith("SUBMITIT_") for name in os.environ):
            # A launcher notices only exceptions.
            error = RunFailed(f"a job ended with exit code {codes[-1]}; see the launcher's logs")
            error.exit_code = codes[-1]
            raise error
        return codes[-1]

    decorated = hydra.main(
        version_base="1.3", config_path=str(components.conf_dir()), config_name="config"
    )(job)
    sweep = Sweep(args) if {"-m", "--multirun"} & set(args) else None
    with _environment([*args, *(sweep.args if sweep else ())]):
        try:
            decorated()
        except (HydraException, OmegaConfBaseException) as error:
            from ae_run.config import explain

            raise UserError(explain(error, args, extra)) from None
        except yaml.YAMLError as error:
            raise UserError(f"not readable as YAML: {' '.join(str(error).split())}") from None
        except _SweepStopped as stopped:
            codes.append(stopped.code)
        except SystemExit as end:  # argparse, and Hydra after printing a help text
            codes.append(end.code if isinstance(end.code, int) else 2 if end.code else 0)
        finally:
            if sweep is not None:
                sweep.finish()
    return max(codes, default=0)


@contextmanager
def _environment(args: list[str]) -> Iterator[None]:
    """Set the command line that Hydra reads, and have it raise its errors."""
    old_argv, old_full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["ae-run", *args]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = old_argv
        if old_full is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = old_full


def _job(cfg: "DictConfig") -> int:
    """Validate one composed config and run its task; return the exit code."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from ae_run.job import job_for
    from ae_run.sweep import recorded

    hydra_config = HydraConfig.get()
    overrides = list(hydra_config.overrides.task)
    choices = {str(group): str(choice) for group, choice in hydra_config.runtime.choices.items()}
    sweep = "MULTIRUN" in str(hydra_config.mode)
    try:
        if sweep:
            number = hydra_config.job.num
            print(f"\n[{number}] ae-run {' '.join(overrides)}", flush=True)
        raw: Any = OmegaConf.to_container(cfg, resolve=True)
        name = raw.get("task")
        if not isinstance(name, str) or name not in TASKS:
            raise UserError(messages.unknown(f"task={name}", str(name), TASKS, "task"))
        task = TASKS[name]
        with recorded(hydra_config, raw) if sweep else nullcontext():
            job = job_for(task, raw, overrides, choices)
            task.load()(job)
    except Interrupted as stop:
        code = _report(stop)
        if sweep:
            raise _SweepStopped(code) from None
        return code
    except AeRunError as error:
        return _report(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _report(RunFailed(f"{where}{error.strerror or error}"))
    except OmegaConfBaseException as error:
        return _report(UserError(" ".join(str(error).split())))
    except KeyboardInterrupt:
        print("\nae-run: stopped", file=sys.stderr)
        if sweep:
            raise
        return 130
    return 0
