"""Whoever calls the program from Python finds the process as it was."""

import logging
import os
import random
import signal
import warnings
from typing import Any

import matplotlib
import numpy as np
import optuna
import pytest
import torch
from command_line import FAST

import ae_run
from ae_run.process_state import kept


def snapshot() -> dict[str, Any]:
    """Everything of the process that a run might change."""
    loggers = ["", "optuna", "alembic", "matplotlib", "someone"]
    return {
        "environment": {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        "folder": os.getcwd(),  # noqa: PTH109
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "filters": list(warnings.filters),
        "python": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": [getattr(torch.backends.cudnn, n) for n in ("benchmark", "deterministic")],
        "tf32": [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32],
        "settings": dict(matplotlib.rcParams.copy()),
        "logging": [
            (logger.level, logger.disabled, logger.propagate, list(logger.handlers))
            for logger in map(logging.getLogger, loggers)
        ],
        "optuna": optuna.logging.get_verbosity(),
    }


@pytest.fixture
def before():
    """A state that differs from every default, so that a default put back shows."""
    with kept():
        torch.set_num_threads(3)
        torch.manual_seed(7)
        np.random.seed(7)
        random.seed(7)
        torch.backends.cudnn.benchmark = True
        matplotlib.rcParams["lines.linewidth"] = 7
        logging.getLogger("someone").setLevel(logging.DEBUG)
        warnings.simplefilter("always", ResourceWarning)
        yield snapshot()


SEARCH = ("search.n_trials=1", "search.workers=1", "search.space=[model.latent_dim=int(2,4)]")


@pytest.mark.parametrize(
    "call",
    [
        lambda: ae_run.main(FAST),
        lambda: ae_run.main(["train.epochs=x"]),
        lambda: ae_run.main(["--help"]),
        lambda: ae_run.train(*FAST, "evaluate.tsne=[2]"),
        pytest.param(lambda: ae_run.search(*FAST, *SEARCH), marks=pytest.mark.slow),
        pytest.param(lambda: ae_run.main(["task=check", *FAST]), marks=pytest.mark.slow),
    ],
    ids=["main", "refused", "help", "train", "search", "check"],
)
def test_a_call_leaves_the_process_as_it_was(call, before):
    call()
    after = snapshot()
    assert {name for name in before if after[name] != before[name]} == set()


def change_everything() -> None:
    os.environ["AE_RUN_TEST"] = "1"
    os.chdir("/")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    warnings.simplefilter("error")
    logging.getLogger("someone").disabled = True
    logging.getLogger().addHandler(logging.NullHandler())
    random.random()
    np.random.random()
    torch.rand(1)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    matplotlib.rcParams["lines.linewidth"] = 9
    raise ZeroDivisionError


def test_what_a_block_changes_is_put_back_when_it_fails(before):
    with pytest.raises(ZeroDivisionError), kept():
        change_everything()
    after = snapshot()
    assert {name for name in before if after[name] != before[name]} == set()
