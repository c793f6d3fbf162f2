"""One trial: values put into the config, a run in its own folder, a score per epoch."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import TrialPruned

from ae_run.config import PLAIN_TASK, Config, validate
from ae_run.data import Dataset
from ae_run.errors import AeRunError, Interrupted
from ae_run.run_folder import RunFolder
from ae_run.search import samplers, values
from ae_run.search.options import SearchConfig
from ae_run.search.space import Space, Values
from ae_run.search.storage import StorageLost

if TYPE_CHECKING:
    from ae_run.training import Fit

HEAVY = ("resume.pt", "model.safetensors")


class Failed(Exception):
    """A trial failed by itself; the search goes on."""


@dataclass
class Trials:
    """What all trials of a worker share."""

    raw: dict[str, Any]
    """The composed config, without what only the command line asks for."""
    options: SearchConfig
    space: Space
    folder: Path
    label: str
    overrides: list[str]
    worker: str
    dataset: Dataset
    base: Config

    def __call__(self, trial: optuna.Trial) -> float | Sequence[float]:
        """Run one trial; what `study.optimize` calls."""
        started = time.perf_counter()
        facts: dict[str, Any] = {"worker": self.worker}
        try:
            chosen = suggest(trial, self.space)
            sampler = trial.study.sampler
            if isinstance(sampler, samplers.PerTrial):
                facts["sampler_seconds"] = round(sampler.take_seconds(), 6)
            return self._run(trial, chosen, facts)
        except TrialPruned:
            raise
        except (Interrupted, KeyboardInterrupt) as stop:
            trial.set_user_attr("stopped", True)
            raise Interrupted("stopped", getattr(stop, "exit_code", 130) - 128) from None
        except (StorageLost, optuna.exceptions.UpdateFinishedTrialError):
            raise
        except Exception as error:
            trial.set_user_attr("reason", _reason(error))
            _free_memory(error)
            raise Failed(str(error)) from error
        finally:
            facts["seconds"] = round(time.perf_counter() - started, 3)
            with suppress(Exception):
                trial.set_user_attr("facts", facts)

    def _run(
        self, trial: optuna.Trial, chosen: Values, facts: dict[str, Any]
    ) -> float | Sequence[float]:
        from ae_run import data, runs
        from ae_run.training import fit

        folder = RunFolder(self.folder / "trials" / str(trial.number), quiet=True)
        folder.path.mkdir(parents=True, exist_ok=False)
        config = validate(values.apply(self.raw, chosen))
        lines = [*self.overrides, *values.overrides(self.raw, chosen)]
        folder.file("overrides.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        dataset = self.dataset if config.data == self.base.data else data.load(config.data)
        phases = runs.Phases()
        with phases("prepare"):
            run = runs.start(config, dataset, folder, self.label, lines)
        facts |= {"parameters": sum(p.numel() for p in run.model.parameters()), "epochs": 0}
        pruned = False
        with folder.lock(), runs.recorded(folder, phases):
            loop = fit(run)
            try:
                with phases("train"):
                    for row in self._scored(trial, run, loop, facts):
                        pruned = self._prune(trial, config, row)
                        if pruned:
                            break
            finally:
                loop.close()  # type: ignore[attr-defined]
            folder.update_json("run.json", **runs.training_facts(run))
        with suppress(FileNotFoundError):
            folder.file("resume.pt").unlink()
        if pruned:
            folder.update_json("run.json", status="pruned")
            self._drop_weights(trial.study, folder, None)
            raise TrialPruned(f"after epoch {facts['epochs']}")
        score: float = facts["score"]
        self._drop_weights(trial.study, folder, score)
        others = {"code_size": config.model.latent_dim, "parameters": facts["parameters"]}
        if self.options.also_minimize:
            return [score, *(float(others[name]) for name in self.options.also_minimize)]
        return score

    def _scored(
        self,
        trial: optuna.Trial,
        run: "Fit",
        loop: Iterator[dict[str, Any]],
        facts: dict[str, Any],
    ) -> Iterator[dict[str, Any]]:
        """The epochs, each reported; `facts` keeps the best score of the last stage."""
        stage = None
        for row in loop:
            score = row[f"validation_{run.monitor}"]
            facts["epochs"] = row["epoch"]
            if row["stage"] != stage or score < facts["score"] - run.config.train.min_delta:
                facts |= {"score": score, "best_epoch": row["epoch"]}
            stage = row["stage"]
            if not self.options.also_minimize:
                trial.report(score, row["epoch"])
            yield row

    def _prune(self, trial: optuna.Trial, config: Config, row: dict[str, Any]) -> bool:
        if self.options.also_minimize or row["epoch"] >= config.train.epochs:
            return False  # the last epoch is over: nothing is left to save
        return trial.should_prune()

    def _drop_weights(self, study: optuna.Study, folder: RunFolder, score: float | None) -> None:
        """Keep the weights of a trial that is the best so far; the history stays of all."""
        if self.options.also_minimize and score is not None:
            return
        done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if score is not None and all(score < t.values[0] for t in done):
            return
        with suppress(FileNotFoundError):
            folder.file("model.safetensors").unlink()


def suggest(trial: optuna.Trial, space: Space) -> Values:
    """A value for every parameter whose condition holds."""
    chosen: Values = {}
    for p in space:
        if p.when is not None and chosen.get(p.when[0], _ABSENT) != p.when[1]:
            continue
        if p.kind == "categorical":
            chosen[p.key] = trial.suggest_categorical(p.key, list(p.choices))
        elif p.kind == "int":
            low, high, step = int(p.low), int(p.high), int(p.step or 1)
            chosen[p.key] = trial.suggest_int(p.key, low, high, step=step, log=p.log)
        else:
            chosen[p.key] = trial.suggest_float(p.key, p.low, p.high, step=p.step, log=p.log)
    return chosen


_ABSENT = object()


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, AeRunError):
        return text
    return f"{type(error).__name__}: {text}"


def _free_memory(error: Exception) -> None:
    if "out of memory" in str(error).lower():
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def plain(raw: dict[str, Any]) -> dict[str, Any]:
    """The config of a run: without what only this command asks for."""
    return raw | PLAIN_TASK
