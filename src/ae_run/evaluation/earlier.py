"""What an earlier evaluation of the same weights found, kept where a smaller one leaves it out.

A part of `evaluate` that is switched off, by null or [], keeps its options, scores and arrays;
a part that is on replaces its own.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ae_run.config import validate
from ae_run.errors import UserError
from ae_run.evaluation_config import EvaluateConfig
from ae_run.run_folder import WEIGHTS, RunFolder

_PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "robustness": ("robustness", ("robustness_",)),
    "denoisers": ("denoisers", ("denoisers_",)),
    "frechet": ("frechet", ()),
    "latent": (
        "latent",
        (
            *("centroid", "random_samples_", "nearest_", "paths_", "path_2d_", "latent_grid_"),
            *("explorer_", "dims_", "traversals_"),
        ),
    ),
    "probe": ("probe", ()),
    "convergence": ("convergence", ("convergence_",)),
    "tsne": ("tsne", ("tsne_",)),
    "log_likelihood_samples": ("log_likelihood", ("scores_log_likelihood",)),
}
"""Key of `evaluate` → how the names of its scores begin, and those of its arrays."""
_OFF = (None, ())


@dataclass(frozen=True)
class Earlier:
    """An evaluation that a run folder holds."""

    options: EvaluateConfig
    metrics: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @classmethod
    def of(cls, folder: RunFolder) -> "Earlier | None":
        """The folder's evaluation; None without one, or if it is of other weights."""
        with suppress(UserError):  # a torn file: everything is scored again
            known = folder.read_json("run.json").get("scored_weights")
            if folder.is_current("scored") and known in (None, weights(folder)):
                return cls(
                    validate(folder.read_config()).evaluate,
                    folder.read_json("metrics.json"),
                    folder.read_arrays("artifacts.npz"),
                )
        return None

    def kept_options(self, options: EvaluateConfig) -> EvaluateConfig:
        """The new evaluation's options, with the earlier ones of the parts that it leaves out."""
        names = [name for name in _PARTS if getattr(options, name) in _OFF]
        if "robustness" in names and not options.own_levels:
            names.append("own_levels")
        return options.model_copy(update={name: getattr(self.options, name) for name in names})

    def kept_metrics(self, options: EvaluateConfig, new: Mapping[str, Any]) -> dict[str, Any]:
        """The new scores, with those of the parts that the new options leave out."""
        metrics = dict(new)
        for name, (start, _) in _PARTS.items():
            if getattr(options, name) in _OFF:
                old = {k: v for k, v in self.metrics.items() if k.startswith(start)}
                metrics |= {k: v for k, v in old.items() if k not in metrics}
        if options.robustness is None:
            # Curves are kept one by one: the one of the run's own corruption may be new.
            metrics["robustness"] = self.metrics.get("robustness", {}) | new["robustness"]
            curve = self.metrics.get("denoising", {}).get("curve")
            if "denoising" in new and new["denoising"]["curve"] is None:
                metrics["denoising"] = new["denoising"] | {"curve": curve}
        return metrics

    def kept_arrays(
        self, options: EvaluateConfig, new: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The new arrays, with those of the parts that the new options leave out."""
        starts = [s for name, (_, s) in _PARTS.items() if getattr(options, name) in _OFF]
        prefixes = tuple(prefix for part in starts for prefix in part)
        if options.latent is None and len(self.arrays.get("codes", ())) == len(new["codes"]):
            prefixes += ("codes_3d",)  # of the same images as the other codes
        return {k: v for k, v in self.arrays.items() if k.startswith(prefixes)} | dict(new)


def weights(folder: RunFolder) -> str:
    """What tells the folder's weights from others."""
    return hashlib.sha256(folder.file(WEIGHTS).read_bytes()).hexdigest()[:16]
