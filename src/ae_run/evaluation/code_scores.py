"""Scores and arrays computed from the codes of a run's splits."""

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Dataset, Part
from ae_run.evaluation import codes, dimensions, frechet, nearest, probes
from ae_run.evaluation.baselines import Pca
from ae_run.evaluation.codes import Codes
from ae_run.evaluation.explorer import explorer_arrays
from ae_run.evaluation.latent import latent_arrays, prior_codes, traversals
from ae_run.evaluation_config import LatentConfig, ProbeConfig
from ae_run.images import DeviceImages, pairs
from ae_run.models import Autoencoder
from ae_run.progress import Parts
from ae_run.randomness import derive_seed

Arrays = dict[str, np.ndarray]
Metrics = dict[str, Any]
_MOST_PIXELS = 1.5e8
"""Of a split that is encoded, or searched for the nearest images: 12,207 images of 64×64×3."""


class CodeScores:
    """What a run's codes say; those of a split are computed when they are first asked for."""

    def __init__(
        self,
        config: Config,
        model: Autoencoder,
        pca: Pca,
        dataset: Dataset,
        images: DeviceImages,
        say: Callable[[str], None],
    ) -> None:
        """`images` are those of the test split; `model` and `pca` are on their device."""
        self._config, self._options = config, config.evaluate
        self._model, self._pca, self._dataset = model, pca, dataset
        self._images, self._say = images, say
        self._classes = len(dataset.class_names)

    def all(self, part: Parts) -> tuple[Metrics, Arrays]:
        """The metrics and arrays of every part of `evaluate` that looks at codes."""
        options = self._options
        metrics: Metrics = {}
        with part("codes of the test images"):
            arrays = self._drawn()
        with part("code dimensions"):
            metrics |= dimensions.scores(
                self._model, self._images, self._test, lambda: self._train, options.batch_size
            )
        for dims in options.tsne:
            with part(f"t-SNE of {len(self._shown):,} codes in {dims} dimensions"):
                arrays |= self._tsne(dims)
        if options.latent is not None:
            with part("latent space"):
                metrics["latent"], more = self._latent(options.latent, metrics.get("kl_per_dim"))
                arrays |= more
            with part("Jacobian of the encoder"):
                scores, more = dimensions.encoder_scores(self._model, self._images, self._test)
            metrics["latent"] |= scores
            arrays |= more
        if options.frechet is not None:
            with part("Fréchet distance of samples"):
                metrics["frechet"] = self._frechet(options.frechet)
        if options.probe is not None:
            with part(f"classifiers on codes: {', '.join(options.probe.classifiers)}"):
                scores = self._probe(options.probe)
            if scores:
                metrics["probe"] = scores
        return metrics, arrays

    @cached_property
    def _train(self) -> Codes:
        train = self._dataset.train
        found = self._of(train)
        train.images.release()
        return found

    @cached_property
    def _test(self) -> Codes:
        size = self._options.batch_size
        return Codes.of(self._model, self._dataset.open_test(), self._images, size)

    @property
    def _shown(self) -> Codes:
        """Those of the first test images, which figures and page show."""
        return self._test.first(self._options.points)

    def _of(self, part: Part) -> Codes:
        part = _first(part)
        images = DeviceImages(part.images, self._images.device)
        return Codes.of(self._model, part, images, self._options.batch_size)

    def _drawn(self) -> Arrays:
        """Codes of the first test images, and their projections."""
        z, labels = self._shown.z.numpy(), self._shown.labels.numpy()
        points, axes = codes.project(z, 2)
        arrays = {
            "codes": z,
            "codes_labels": labels,
            "codes_2d": points,
            "codes_2d_axes": axes,
            "codes_thumbnails": self._dataset.open_test().images[: len(z)],
        }
        if z.shape[1] >= 3 and self._options.latent is not None:
            arrays["codes_3d"], arrays["codes_3d_axes"] = codes.project(z, 3)
        return arrays

    def _tsne(self, dims: int) -> Arrays:
        """The embedding of the shown codes; nothing if they are too few."""
        seed = derive_seed(self._config.seed, "tsne") % 2**32
        embedding = codes.tsne(self._shown.z.numpy(), dims, seed)
        if embedding is None:
            return {}
        return {f"tsne_{dims}d": embedding, "tsne_labels": self._shown.labels.numpy()}

    def _latent(
        self, options: LatentConfig, kl_per_dim: list[float] | None
    ) -> tuple[Metrics, Arrays]:
        """The spread of the training codes, and all images decoded from codes."""
        model, seed, images = self._model, self._config.seed, self._images
        metrics: Metrics = {
            "spread": float(self._train.z.std(0, correction=0).mean()),
            "samples_from": "codes" if prior_codes(model, 1, seed) is None else "prior",
        }
        if len(self._train) < len(self._dataset.train):
            metrics["n_train"] = len(self._train)
        arrays = latent_arrays(
            options, model, self._train, self._test, self._classes, seed, self._say
        )
        arrays |= explorer_arrays(model, self._shown.z, images, self._options.batch_size)
        order = dimensions.importance(self._test, kl_per_dim)
        arrays |= traversals(options, model, self._train, order, seed)
        if (samples := arrays.get("random_samples_images")) is not None:
            known = DeviceImages(_first(self._dataset.train).images, images.device)
            metrics["nearest"], pictures = nearest.of_samples(samples, images, known)
            arrays |= {f"nearest_{name}": array for name, array in pictures.items()}
        return metrics, arrays

    def _frechet(self, count: int) -> Metrics:
        return frechet.frechet(
            count,
            self._model,
            self._pca,
            self._dataset,
            lambda: self._train,
            self._images,
            self._config.seed,
            self._say,
        )

    def _probe(self, options: ProbeConfig) -> Metrics:
        """Scores of classifiers on codes, and on pixels or principal components for comparison."""
        model, seed, train = self._model, self._config.seed, self._dataset.train
        if options.input == "clean":
            validation = self._of(self._dataset.validation)
            own = probes.Splits(self._train, validation, self._test, self._classes)
        else:
            own = self._splits(options, model.encode)
        scores = probes.probe(options, own, seed)
        used = min(len(own.train), probes.most(own.train.z.shape[1]))
        if used < len(train):
            scores = {name: {**one, "n_train": used} for name, one in scores.items()}
        others = {"pixels": lambda x: x.flatten(1), "pca": self._pca.encode}
        for name in options.baselines if scores else ():
            found = probes.probe(options, self._splits(options, others[name]), seed)
            for classifier, other in found.items():
                kept = {key: other[key] for key in ("accuracy", "validation_accuracy")}
                scores[classifier].setdefault("baselines", {})[name] = kept
        return scores

    def _splits(self, options: ProbeConfig, encode: Callable[[Tensor], Tensor]) -> probes.Splits:
        """What `encode` makes of the images (B, C, H, W) that classifiers look at: (B, d)."""

        def encoded(part: Part) -> Codes:
            part = part.select(slice(probes.most(math.prod(self._dataset.image_shape))))
            return Codes.through(encode, self._inputs(options, part), part.labels)

        dataset = self._dataset
        train, test = encoded(dataset.train), encoded(dataset.open_test())
        validation = encoded(dataset.validation) if len(dataset.validation) else train.first(0)
        return probes.Splits(train, validation, test, self._classes)

    def _inputs(self, options: ProbeConfig, part: Part) -> Iterator[Tensor]:
        """A split in batches (B, C, H, W), clean or under the run's corruption."""
        images, size = DeviceImages(part.images, self._images.device), self._options.batch_size
        if options.input == "clean":
            return images.batches(size)
        keys = images.keys()
        corrupt = corruptions.of_split(self._config.corruption, images, keys)
        return (x_in for x_in, _ in pairs(images, corrupt, keys, size))


def _first(part: Part) -> Part:
    """The first images of a split, a random sample of its classes; all where that is cheap."""
    return part.select(slice(round(_MOST_PIXELS / part.images.pixels)))
