"""The command line: Hydra composes the config, and a `Job` goes to its task.

Every error ends as one message on stderr and an exit code: 2 for what the user can change,
1 for a failed run, 130 after Ctrl-C. A sweep exits with the worst code of its jobs.
Nothing here imports torch; the tasks do.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_run import (
    arguments,
    completion,
    components,
    console,
    faults,
    help_page,
    key_help,
    messages,
    process_state,
)
from ae_run.errors import AeRunError, Interrupted, RunFailed, UserError
from ae_run.task_table import TASKS

if TYPE_CHECKING:
    from omegaconf import DictConfig

_LONGEST_REASON = 300  # characters


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code, and leave the process as it was."""
    args = list(sys.argv[1:] if argv is None else argv)
    switches = (arguments.QUIET, arguments.VERBOSE, arguments.YES)
    less, more, yes = (bool({*args} & {*names}) for names in switches)
    args = [arg for arg in args if not any(arg in names for names in switches)]
    with process_state.kept(), console.settings(less, more, yes):
        try:
            return _run(args)
        except AeRunError as error:
            return _report(error)
        except KeyboardInterrupt:
            return _stopped()
        except BrokenPipeError:
            return 128 + console.drop_unread()
        except OSError as error:  # of a folder that a command needs before it is composed
            return _report(UserError(str(faults.of(error))))


def _run(args: Sequence[str]) -> int:
    if {*args} & {*arguments.COMPLETION}:
        print(completion.run(args))
        return 0
    args, extra = arguments.config_dirs(args)
    args, code = arguments.own_code(args)
    with components.using(code):
        return _run_with(args, extra)


def _run_with(args: list[str], extra: Sequence[Path]) -> int:
    if {*args} & {*arguments.HELP}:
        words = arguments.words_of_help(args)
        print(key_help.text(words, extra) if words else help_page.text(version("ae-run"), extra))
        return 0
    if "--version" in args:
        print(f"ae-run {version('ae-run')}")
        return 0
    arguments.check_flags(args)
    with arguments.storage_password(args) as args:
        return _run_hydra(arguments.normalize(args, extra), extra)


def _report(error: AeRunError) -> int:
    console.complain(str(error))
    return error.exit_code


def _stopped() -> int:
    print(file=sys.stderr)  # the terminal has echoed ^C
    console.complain("stopped")
    return 130


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

    begun = False

    def job(cfg: "DictConfig") -> int:
        nonlocal begun
        begun = True
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
    sweep = Sweep(args, extra) if {"-m", "--multirun"} & set(args) else None
    with _environment([*args, *components.search_path(), *(sweep.args if sweep else ())]):
        try:
            decorated()
        except (HydraException, OmegaConfBaseException) as error:
            from ae_run.composition import explain

            raise UserError(explain(error, args, extra)) from None
        except yaml.YAMLError as error:
            raise UserError(f"not readable as YAML: {' '.join(str(error).split())}") from None
        except OSError as error:
            if begun or isinstance(error, BrokenPipeError):
                raise
            raise UserError(str(faults.of(error))) from None
        except (ValueError, RecursionError) as error:  # of any value, from Hydra
            if begun:
                raise
            reason = " ".join(str(error).split())[:_LONGEST_REASON]
            raise UserError(f"cannot be composed: {type(error).__name__}: {reason}") from None
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

    from ae_run.job import job_for, own_code_of
    from ae_run.sweep import recorded

    hydra_config = HydraConfig.get()
    overrides = [arguments.as_typed(line) for line in hydra_config.overrides.task]
    choices = {str(group): str(choice) for group, choice in hydra_config.runtime.choices.items()}
    sweep = "MULTIRUN" in str(hydra_config.mode)
    try:
        if sweep:
            number = hydra_config.job.num
            console.say(f"\n[{number}] ae-run {' '.join(overrides)}")
        raw: Any = OmegaConf.to_container(cfg, resolve=True)
        name = raw.get("task")
        if not isinstance(name, str) or name not in TASKS:
            raise UserError(messages.unknown(f"task={name}", str(name), TASKS, "task"))
        task = TASKS[name]
        with ExitStack() as stack:
            if sweep:
                stack.enter_context(recorded(hydra_config, raw))
            # A launcher may have started this job in another process.
            stack.enter_context(components.using(own_code_of(raw, overrides)))
            task.run(job_for(task, raw, overrides, choices))
    except Interrupted as stop:
        code = _report(stop)
        if sweep:
            raise _SweepStopped(code) from None
        return code
    except AeRunError as error:
        return _report(error)
    except BrokenPipeError:  # Hydra would have a word to say if it were raised
        code = 128 + console.drop_unread()
        if sweep:
            raise _SweepStopped(code) from None
        return code
    except OmegaConfBaseException as error:
        return _report(UserError(" ".join(str(error).split())))
    except KeyboardInterrupt:
        if sweep:
            raise
        return _stopped()
    except Exception as error:
        fault = faults.of(error)
        if fault is None:
            raise
        return _report(fault)
    return 0
