"""One trial: values put into the config, a run in its own folder, a score per epoch."""

import time
import traceback
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import TrialPruned

from ae_run.config import Config, validate
from ae_run.data import Dataset
from ae_run.errors import AeRunError, Interrupted
from ae_run.run_folder import RunFolder
from ae_run.search import samplers, values
from ae_run.search.options import SearchConfig
from ae_run.search.space import Space, Values
from ae_run.search.storage import StorageLost
from ae_run.training.interrupts import stop_requests

if TYPE_CHECKING:
    from ae_run.evaluation.probes import Splits


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
    encoder: Path | None = None
    """The run folder whose codes are classified, with `search.objective=probe`."""
    codes: "Splits | None" = None

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
            self._log(trial.number, error)
            _free_memory(error)
            raise Failed(str(error)) from error
        finally:
            facts["seconds"] = round(time.perf_counter() - started, 3)
            with suppress(Exception):
                trial.set_user_attr("facts", facts)

    def _run(
        self, trial: optuna.Trial, chosen: Values, facts: dict[str, Any]
    ) -> float | Sequence[float]:
        folder = RunFolder(self.folder / "trials" / str(trial.number), quiet=True)
        folder.path.mkdir(parents=True, exist_ok=False)
        config = validate(values.apply(self.raw, chosen))
        lines = [*self.overrides, *values.overrides(self.raw, chosen)]
        folder.file("overrides.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        if self.options.objective == "probe":
            pruned = self._probe(trial, config, folder, facts)
        else:
            pruned = self._train(trial, config, folder, lines, facts)
        if pruned:
            folder.update_json("run.json", status="pruned")
            self._drop_weights(trial.study, folder, None)
            raise TrialPruned(f"after epoch {facts['epochs']}")
        score: float = facts["score"]
        self._drop_weights(trial.study, folder, score)
        if not self.options.also_minimize:
            return score
        others = {"code_size": config.model.latent_dim, "parameters": facts["parameters"]}
        return [score, *(float(others[name]) for name in self.options.also_minimize)]

    def _log(self, number: int, error: Exception) -> None:
        """Where in the code an error arose that no message was written for."""
        if not isinstance(error, AeRunError):
            with suppress(OSError):
                RunFolder(self.folder / "trials" / str(number)).log(
                    "".join(traceback.format_exception(error))
                )

    def _train(
        self,
        trial: optuna.Trial,
        config: Config,
        folder: RunFolder,
        lines: list[str],
        facts: dict[str, Any],
    ) -> bool:
        """Train a model; whether it was pruned."""
        from ae_run import data
        from ae_run.recording import Phases, recorded
        from ae_run.training import fit
        from ae_run.training.run import start, training_facts

        dataset = self.dataset if config.data == self.base.data else data.load(config.data)
        phases, pruned = Phases(), False
        with phases("prepare"):
            run = start(config, dataset, folder, self.label, lines)
        facts["parameters"] = sum(p.numel() for p in run.model.parameters())
        facts["threads"] = folder.read_json("run.json")["threads"]
        last = run.model.stages()[-1].name
        with folder.lock(), recorded(folder, phases), phases("train"):
            loop, epoch = fit(run), 0
            with closing(loop):  # type: ignore[type-var]
                for row in loop:
                    if row["stage"] == last:  # before it, the scores are those of a part
                        epoch += 1
                        score = row[f"validation_{run.monitor}"]
                        pruned = self._report(trial, epoch, config.train.epochs, score, facts)
                    facts |= {"epochs": row["epoch"], "stage_epochs": epoch}
                    if pruned:
                        break
            folder.update_json("run.json", **training_facts(run))
        with suppress(FileNotFoundError):
            folder.file("resume.pt").unlink()
        return pruned

    def _probe(
        self, trial: optuna.Trial, config: Config, folder: RunFolder, facts: dict[str, Any]
    ) -> bool:
        """Train a classifier on codes; whether it was pruned."""
        from ae_run.search import probe

        assert self.encoder is not None
        assert config.evaluate.probe is not None
        if self.codes is None:
            self.codes = probe.splits(self.base, self.encoder, self.dataset)
        folder.write_yaml("config.yaml", config.dump())
        folder.write_json("run.json", {"status": "running", "encoder": str(self.encoder)})
        total = config.evaluate.probe.mlp.epochs
        with closing(probe.epochs(config, self.codes, folder)) as loop, stop_requests() as stop:  # type: ignore[type-var]
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
        """Tell the study an epoch's score, and keep the best; whether to prune."""
        sign = 1 if self.options.direction == "minimize" else -1
        facts["epochs"] = epoch
        if "score" not in facts or sign * score < sign * facts["score"]:
            facts |= {"score": score, "best_epoch": epoch}
        if self.options.also_minimize:
            return False
        trial.report(score, epoch)
        return epoch < epochs and trial.should_prune()  # after the last, nothing is left to save

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
