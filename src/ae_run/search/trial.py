"""One trial: values put into the config, a run in its own folder, a score per epoch."""

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import optuna
from optuna.exceptions import TrialPruned, UpdateFinishedTrialError

from ae_run import data, faults
from ae_run.config import Config, validate
from ae_run.data import Dataset
from ae_run.errors import AeRunError, Interrupted, MachineFault, OutOfMemory
from ae_run.recording import Phases, recorded
from ae_run.run_folder import RESUME, WEIGHTS, RunFolder
from ae_run.search import space
from ae_run.search.space import Space, Values
from ae_run.search.storage import StorageLost
from ae_run.training import fit
from ae_run.training.interrupts import stop_requests
from ae_run.training.length import known_epochs
from ae_run.training.run import start, training_facts

if TYPE_CHECKING:
    from ae_run.evaluation.probes import Splits
    from ae_run.search.worker import Order


class Failed(Exception):
    """A trial failed by itself; the search continues."""


class Objective:
    """What a worker's trials have in common; called with a trial, it returns the scores."""

    def __init__(self, order: "Order", dataset: Dataset, leads: Callable[[float], bool]) -> None:
        """`leads` tells whether a score is better than those of all complete trials."""
        self._order = order
        self._leads = leads
        self._options = order.options
        self._space = space.parse(order.options.space)
        self._base = validate(order.config)
        self._dataset = dataset
        self._codes: Splits | None = None

    def __call__(self, trial: optuna.Trial, folder: RunFolder) -> float | Sequence[float]:
        """Run one trial in its own folder.

        Raises:
            TrialPruned: its score is too bad to continue.
            Failed: it ended in an error, which is stored as its reason.
            MachineFault: the machine lacks what any trial needs.
            OutOfMemory: there was too little memory for the first time.
            Interrupted: a signal asked to stop.
            UpdateFinishedTrialError: another process has finished it.
            StorageLost: the database cannot be reached any more.
        """
        started = time.perf_counter()
        facts: dict[str, Any] = {"worker": self._order.worker}
        try:
            return self._run(trial, folder, suggest(trial, self._space), facts)
        except (TrialPruned, StorageLost, UpdateFinishedTrialError):
            raise
        except (Interrupted, KeyboardInterrupt) as stop:
            raise Interrupted("stopped", getattr(stop, "exit_code", 130) - 128) from None
        except Exception as error:
            fault = faults.of(error)
            if isinstance(fault, MachineFault) or _may_fit(fault, trial):
                raise fault from None
            trial.set_user_attr("reason", _reason(error))
            if not isinstance(error, AeRunError):  # no message was written for it
                with suppress(OSError):
                    folder.log("".join(traceback.format_exception(error)))
            _free_memory(error)
            raise Failed(str(error)) from error
        finally:
            facts["seconds"] = round(time.perf_counter() - started, 3)
            with suppress(Exception):
                trial.set_user_attr("facts", facts)

    def _run(
        self, trial: optuna.Trial, folder: RunFolder, chosen: Values, facts: dict[str, Any]
    ) -> float | Sequence[float]:
        config = self._base.changed(chosen)
        lines = [*self._order.overrides, *space.overrides(config, chosen)]
        folder.file("overrides.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        if self._order.encoder is not None:
            pruned = self._probe(trial, config, folder, self._order.encoder, facts)
        else:
            pruned = self._train(trial, config, folder, lines, facts)
        if pruned:
            folder.update_json("run.json", status="pruned")
            self._drop_weights(folder, None)
            raise TrialPruned
        score: float = facts["score"]
        self._drop_weights(folder, score)
        if not self._options.also_minimize:
            return score
        others = {"code_size": config.model.latent_dim, "parameters": facts["parameters"]}
        return [score, *(float(others[name]) for name in self._options.also_minimize)]

    def _train(
        self,
        trial: optuna.Trial,
        config: Config,
        folder: RunFolder,
        lines: list[str],
        facts: dict[str, Any],
    ) -> bool:
        """Train a model; return whether the trial was pruned."""
        same_data = config.data == self._base.data
        dataset = self._dataset if same_data else data.load(config.data)
        phases, pruned = Phases(), False
        with phases("prepare"):
            run = start(config, dataset, folder, self._order.label, lines)
        facts["parameters"] = sum(p.numel() for p in run.model.parameters())
        facts["threads"] = folder.read_json("run.json")["threads"]
        last = run.model.stages()[-1].name  # earlier stages score a part of the model
        with recorded(folder, phases), phases("train"):
            loop, epoch = fit(run), 0
            with closing(loop):  # type: ignore[type-var]
                for row in loop:
                    if row["stage"] == last:
                        epoch += 1
                        score = row[f"validation_{run.monitor}"]
                        pruned = self._report(
                            trial, epoch, known_epochs(config.train), score, facts
                        )
                    facts |= {"epochs": row["epoch"], "stage_epochs": epoch}
                    if pruned:
                        break
            folder.update_json("run.json", **training_facts(run))
        with suppress(FileNotFoundError):
            folder.file(RESUME).unlink()
        return pruned

    def _probe(
        self,
        trial: optuna.Trial,
        config: Config,
        folder: RunFolder,
        encoder: Path,
        facts: dict[str, Any],
    ) -> bool:
        """Train a classifier on the encoder's codes; return whether the trial was pruned."""
        from ae_run.search import probe

        assert config.evaluate.probe is not None
        if self._codes is None:
            self._codes = probe.splits(self._base, encoder, self._dataset)
        folder.write_yaml("config.yaml", config.dump())
        folder.write_json("run.json", {"status": "running", "encoder": str(encoder)})
        total = config.evaluate.probe.mlp.epochs
        loop = probe.epochs(config, self._codes, folder)
        with closing(loop), stop_requests() as stop:  # type: ignore[type-var]
            for row in loop:
                score = row["validation_accuracy"]
                if self._report(trial, row["epoch"], total, score, facts):
                    return True
                if stop.signal_number is not None:
                    raise Interrupted("stopped", stop.signal_number)
        folder.update_json("run.json", status="finished")
        return False

    def _report(
        self, trial: optuna.Trial, epoch: int, epochs: int, score: float, facts: dict[str, Any]
    ) -> bool:
        """Report an epoch's score, and keep the best; return whether to prune."""
        sign = 1 if self._options.direction == "minimize" else -1
        facts["epochs"] = epoch
        if "score" not in facts or sign * score < sign * facts["score"]:
            facts |= {"score": score, "best_epoch": epoch}
        if self._options.also_minimize:
            return False
        trial.report(score, epoch)
        return epoch < epochs and trial.should_prune()  # after the last, nothing is left to save

    def _drop_weights(self, folder: RunFolder, score: float | None) -> None:
        """Keep the weights only if the trial is the best so far; every history stays."""
        if score is not None and (self._options.also_minimize or self._leads(score)):
            return
        with suppress(FileNotFoundError):
            folder.file(WEIGHTS).unlink()


def suggest(trial: optuna.Trial, searched: Space) -> Values:
    """A value for every parameter whose condition holds."""
    chosen: Values = {}
    for p in searched:
        if p.when is not None and chosen.get(p.when[0], _ABSENT) != p.when[1]:
            continue
        chosen[p.key] = p.suggest(trial)
    return chosen


_ABSENT = object()


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, AeRunError):
        return text
    return f"{type(error).__name__}: {text}"


def _may_fit(fault: AeRunError | None, trial: optuna.Trial) -> TypeGuard[OutOfMemory]:
    """Whether the trial may have had too little memory because of others on this machine."""
    tried = trial.user_attrs.get("deaths", 0)
    return isinstance(fault, OutOfMemory) and not fault.by_values and not tried


def _free_memory(error: Exception) -> None:
    if "out of memory" in str(error).lower():
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()
