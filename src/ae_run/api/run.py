"""A run in Python: its scores and files, and its model to encode, decode and sample with."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np

from ae_run import components, process_state
from ae_run import config as configs
from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.errors import UserError
from ae_run.own_code import Code
from ae_run.run_folder import RunFolder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ae_run.models import Autoencoder

Format = Literal["onnx", "safetensors"]
Array = TypeVar("Array", np.ndarray, "Tensor")
"""What is given decides what is returned."""


class Run:
    """A run, read from its folder when it is asked for.

    Images are (C, H, W) or (N, C, H, W), of one channel also (H, W) or (N, H, W); (1, H, W) is one
    image. They are uint8, or floats in [0, 1]. Codes are (d,) or (N, d). One in gives one out;
    NumPy arrays give NumPy arrays, tensors give tensors on their own device, always as float32. No
    gradients are kept; for these use `model`, which is a module like any other.
    """

    def __init__(
        self, folder: RunFolder, code: tuple[Code, ...] = (), config: Config | None = None
    ) -> None:
        self._folder, self._code = folder, code
        if config is not None:
            self.config = config

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._folder.path

    @cached_property
    def config(self) -> Config:
        """The validated config: `run.config.model.latent_dim`."""
        with self._own_code():
            return configs.validate(self._folder.read_config())

    @property
    def status(self) -> str:
        """`running`, `finished`, `interrupted` or `failed`; a trial of a search may be `pruned`."""
        from ae_run.comparison import runs

        return runs.read(self.path).status

    @property
    def metrics(self) -> dict[str, Any]:
        """The scores on the test images, as in `metrics.json`.

        Raises:
            UserError: the run was not scored yet.
        """
        return self._folder.read_json("metrics.json")

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The columns of `history.csv`, each (epochs,), as `pandas.DataFrame` takes them.

        A score that an epoch does not have is NaN.
        """
        return columns(self._folder.read_csv("history.csv"))

    @property
    def figures(self) -> dict[str, Path]:
        """The files of its figures, by name; PNG where there are several of one."""
        from ae_run.drawing.looks import FORMATS

        found: dict[str, Path] = {}
        for kind in (*FORMATS, "gif"):
            for path in sorted(self._folder.file("figures").glob(f"*.{kind}")):
                found.setdefault(path.stem, path)
        return dict(sorted(found.items()))

    @property
    def page(self) -> Path:
        """Its page, `report.html`."""
        return self._folder.file("report.html")

    @cached_property
    def dataset(self) -> Dataset:
        """The images that it was trained on: `run.dataset.train.images`, uint8 (N, C, H, W).

        Raises:
            UserError: they are gone, or have changed.
        """
        from ae_run import data
        from ae_run.training.run import check_fingerprint

        with process_state.kept(), self._own_code():
            dataset = data.load(self.config.data)
        check_fingerprint(self._folder, dataset)
        return dataset

    @cached_property
    def model(self) -> "Autoencoder":
        """The best weights as a module in evaluation mode; calling it reconstructs.

        Its images are float tensors (N, C, H, W) in [0, 1] on `device`.

        Raises:
            UserError: no epoch is finished, or this machine lacks the device.
        """
        import torch

        from ae_run import models
        from ae_run.training import checkpoints

        shape = self._folder.read_json("run.json")["data"]["image_shape"]
        with process_state.kept(), self._own_code():
            model = models.build(self.config.model, tuple(shape))
        checkpoints.load_weights(self._folder, model)
        # As evaluation lays it out, so that the numbers are the same.
        model = model.to(self.device, torch.float32).to(memory_format=torch.channels_last)
        return model.eval()

    @cached_property
    def device(self) -> "torch.device":
        """Where the model is: the run's own `device`, or that given to `ae_run.load`."""
        from ae_run import devices

        return devices.resolve(self.config.device)

    def encode(self, images: Array) -> Array:
        """Images → codes, (d,) or (N, d); of a VAE their means.

        Raises:
            InvalidInput: shape, type or range are not those of the run's images.
        """
        return self._through(images, self.model.encode)

    def reconstruct(self, images: Array) -> Array:
        """Images → reconstructions of the same shape, floats in [0, 1].

        Raises:
            InvalidInput: shape, type or range are not those of the run's images.
        """
        return self._through(images, self.model.reconstruct).reshape(images.shape)

    def decode(self, codes: Array) -> Array:
        """Codes → images, (C, H, W) or (N, C, H, W), floats in [0, 1].

        Raises:
            InvalidInput: the codes have another length, or are not finite.
        """
        from ae_run.api import _arrays

        z, one = _arrays.codes(codes, self.model.latent_dim)
        return _arrays.apply(codes, z, one, self.model.decode, self.device)

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Images (n, C, H, W) of random codes, floats in [0, 1].

        The codes come from the model's prior; from a Gaussian fitted to the codes of its training
        images where it has none.
        """
        from ae_run.evaluation.latent import gaussian_codes, prior_codes

        z = prior_codes(self.model, n, seed)
        z = gaussian_codes(self._training_codes, n, seed) if z is None else z
        return self.decode(z.numpy())

    def export(self, format: Format = "onnx") -> dict[str, Path]:
        """Write encoder and decoder as ONNX, or the weights, to `export/`: the files by name.

        Raises:
            UserError: a package is missing (`pip install 'ae-run[export]'`), or no such format.
            RunFailed: a file does not give the model's numbers.
        """
        from ae_run.handover import export

        if format not in get_args(Format):
            raise UserError(f"format={format}: must be one of {', '.join(get_args(Format))}")
        with process_state.kept(), self._own_code():
            return export.write(self._folder, self.config, format)[0]

    @cached_property
    def _training_codes(self) -> "Tensor":
        import torch

        blocks = self.dataset.train.images.blocks()
        return torch.from_numpy(np.concatenate([self.encode(block) for block in blocks]))

    def _through(self, images: Array, function: "Callable[[Tensor], Tensor]") -> Array:
        from ae_run.api import _arrays

        x, one = _arrays.images(images, self.model.image_shape)
        return _arrays.apply(images, x, one, function, self.device)

    def _own_code(self) -> AbstractContextManager[object]:
        return components.using([code.given for code in self._code])

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.status})"

    def _repr_html_(self) -> str:
        from ae_run.api import _notebook

        return _notebook.html(self._folder)


def columns(rows: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """The columns of a CSV file, numbers where all cells are; an empty one is NaN."""
    return {name: _column([row.get(name) or "" for row in rows]) for name in (rows or [{}])[0]}


def _column(cells: list[str]) -> np.ndarray:
    for kind in (int, float):
        try:
            return np.array([kind(cell or "nan") for cell in cells])
        except ValueError:
            continue
    return np.array(cells)
