"""A worker process: takes waiting trials until none is left.

Started by `task` as `python -m ae_run.search.worker`. What to do comes as one JSON line on
stdin, which also carries the storage's password past the process list; that line's end stays
open, and when it closes, the process that started this one has died, and so does this one.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from ae_run.errors import AeRunError, Interrupted

DONE, STORAGE_LOST, BROKEN = 0, 3, 4


def start_arguments() -> list[str]:
    """The command line that starts one."""
    return [sys.executable, "-m", "ae_run.search.worker"]


def main() -> int:
    """Work; return an exit code."""
    stopping = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    order = json.loads(sys.stdin.readline())
    threading.excepthook = _say_nothing_of_lost_storage
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(order["threads"])  # before torch is imported
    try:
        return _work(order, stopping)
    except Interrupted:
        return DONE
    except AeRunError as error:
        from ae_run.search.storage import StorageLost, hide

        print(hide(str(error), order["password"]), file=sys.stderr, flush=True)
        return STORAGE_LOST if isinstance(error, StorageLost) else BROKEN
    except Exception:
        from ae_run.search.storage import hide

        print(hide(traceback.format_exc(), order["password"]), file=sys.stderr, flush=True)
        return BROKEN


def _die_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)


def _say_nothing_of_lost_storage(args: threading.ExceptHookArgs) -> None:
    """For the thread of the heartbeat; the main thread meets the same and says so."""
    from ae_run.search.storage import StorageLost

    if not isinstance(args.exc_value, StorageLost):
        threading.__excepthook__(args)


def _work(order: dict[str, Any], stopping: threading.Event) -> int:
    import torch
    from optuna.exceptions import UpdateFinishedTrialError

    from ae_run.config import validate
    from ae_run.search import share, space, study, trial
    from ae_run.search.options import SearchConfig
    from ae_run.search.storage import open_storage

    study.quiet()
    torch.set_num_threads(order["threads"])
    options = SearchConfig.model_validate(order["options"])
    searched = space.parse(options.space)
    folder = Path(order["folder"])
    opened = open_storage(options.storage, order["password"], folder, options.reconnect_seconds)
    mine = study.open_study(
        opened, order["name"], options, searched, order["seed"], order["epochs"]
    )
    mine.session = order["session"]
    with os.fdopen(order["data"], "rb") as file:
        dataset = share.attach(file, order["layout"])
    config = validate(order["raw"])
    objective = trial.Trials(
        raw=order["raw"], options=options, space=searched, folder=folder, label=order["label"],
        overrides=order["overrides"], worker=order["worker"], dataset=dataset, base=config,
        encoder=Path(order["encoder"]) if order["encoder"] else None,
    )  # fmt: skip
    deadline = order["deadline"]
    while not stopping.is_set() and (deadline is None or time.time() < deadline):
        if study.is_hopeless(study.slots(mine.get_trials(deepcopy=False))):
            break
        try:
            mine.optimize(objective, n_trials=1, catch=(trial.Failed,))
        except study.NothingWaiting:
            break
        except (UpdateFinishedTrialError, ValueError) as error:
            # Another machine gave this trial up, as it does after a long silence.
            if "finished" not in str(error) and "Cannot tell a" not in str(error):
                raise
            print(f"a trial was given up by another process: {error}", file=sys.stderr)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
