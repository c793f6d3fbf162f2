"""`task=export`: encoder and decoder as ONNX, or the weights, checked before they are kept."""

import json
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from ae_run import models
from ae_run.atomic import write_bytes
from ae_run.config import Config
from ae_run.errors import RunFailed, UserError
from ae_run.job import Job
from ae_run.models import Autoencoder
from ae_run.randomness import generator
from ae_run.run_folder import RunFolder
from ae_run.training import checkpoints

FOLDER = "export"
_TOLERANCE = 1e-4
"""The largest difference from torch's output, in pixels of [0, 1] or shares of the largest code."""
_TRIED = 16
"""Images that the files are tried on."""


def export(job: Job) -> dict[str, Path]:
    """Export the job's run, and say how far the files differ from the model."""
    assert job.folder is not None
    files, lines = write(job.folder, job.config, job.config.format or "onnx")
    job.folder.say("\n".join(lines))
    return files


def write(
    folder: RunFolder, config: Config, kind: Literal["onnx", "safetensors"]
) -> tuple[dict[str, Path], list[str]]:
    """Write the run's model to `export/`.

    Returns:
        The files by name, and a line on each.

    Raises:
        UserError: a package is missing, or the run has no weights.
        RunFailed: a file does not give the model's numbers; nothing is kept.
    """
    if kind == "onnx":
        _check_packages()
    shape = tuple(folder.read_json("run.json")["data"]["image_shape"])
    model = models.build(config.model, shape)
    checkpoints.load_weights(folder, model)
    model = model.float().eval()
    with torch.no_grad():
        contents, lines = _onnx(model, _images(folder, shape)) if kind == "onnx" else _safe(model)
    contents["model.json"] = _facts(config, model, kind)
    with folder.lock():
        target = folder.file(FOLDER)
        target.mkdir(exist_ok=True)
        for name, content in contents.items():
            write_bytes(target / name, content)
    return {name: target / name for name in contents}, [*lines, f"exported {target}"]


def _images(folder: RunFolder, shape: tuple[int, int, int]) -> Tensor:
    """Test images (N, C, H, W) that the run keeps; noise if it was not scored."""
    if folder.has("artifacts.npz"):
        kept = folder.read_arrays("artifacts.npz").get("reconstruction_target")
        if kept is not None and kept.shape[1:] == shape and len(kept):
            return torch.from_numpy(kept[:_TRIED]).float() / 255
    return torch.rand(_TRIED, *shape, generator=generator(0, "export"))


class _Part(nn.Module):
    """A method of a model as a module of its own."""

    def __init__(self, model: Autoencoder, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, x: Tensor) -> Tensor:
        if self.method == "reconstruct":  # which may read the stage of training from a buffer
            return self.model.decode(self.model.encode(x))
        result: Tensor = getattr(self.model, self.method)(x)
        return result


def _onnx(model: Autoencoder, images: Tensor) -> tuple[dict[str, bytes], list[str]]:
    """Three graphs of any batch size, each compared with the model."""
    codes = model.encode(images)
    parts = {
        "encoder": ("encode", "images", "codes", images),
        "decoder": ("decode", "codes", "images", codes),
        "reconstruct": ("reconstruct", "images", "reconstructions", images),
    }
    contents, lines = {}, []
    for name, (method, given, made, x) in parts.items():
        part = _Part(model, method).eval()
        content = _graph(name, part, x, given, made)
        difference = _difference(content, getattr(model, method), x)
        if not difference <= _TOLERANCE:
            raise RunFailed(
                f"{name}.onnx: differs from the model by {difference:.2g}, more than "
                f"{_TOLERANCE:g}; nothing was exported"
            )
        contents[f"{name}.onnx"] = content
        size = f"{len(content) / 1e6:.2f} MB"
        lines.append(f"{name + '.onnx':<18}{size:>10}, differs from the model by {difference:.1e}")
    return contents, lines


def _graph(name: str, part: _Part, x: Tensor, given: str, made: str) -> bytes:
    """The graph of a part for any number of images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its own deprecations
        try:
            program = torch.onnx.export(
                part,
                (x,),
                input_names=[given],
                output_names=[made],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = next(iter(str(error.__cause__ or error).strip().splitlines()), "")
            raise RunFailed(f"{name}.onnx: {part.method} cannot be exported: {reason}") from error
    assert program is not None
    graph = program.model_proto
    if not graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise RunFailed(
            f"{name}.onnx: takes {len(x)} images only; write x.shape[0] where the model has len(x)"
        )
    content: bytes = graph.SerializeToString()
    return content


def _difference(content: bytes, part: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """The largest difference between onnxruntime's output and torch's, for N images and for one."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    largest = 0.0
    for batch in (x, x[:1]):
        expected = part(batch).numpy()
        (found,) = session.run(None, {given.name: batch.numpy()})
        if found.shape != expected.shape:
            return float("inf")
        scale = max(1.0, float(np.abs(expected).max()))
        largest = max(largest, float(np.abs(found - expected).max()) / scale)
    return largest


def _safe(model: Autoencoder) -> tuple[dict[str, bytes], list[str]]:
    """The weights as they are, without what training needs."""
    weights = {name: t.contiguous() for name, t in model.state_dict().items()}
    content = safetensors.torch.save(weights)
    again = safetensors.torch.load(content)
    if not all(torch.equal(again[name], t) for name, t in weights.items()):
        raise RunFailed("weights.safetensors: differs from the model; nothing was exported")
    size = f"{len(content) / 1e6:.2f} MB"
    return {"weights.safetensors": content}, [f"weights.safetensors {size}, {len(weights)} tensors"]


def _facts(config: Config, model: Autoencoder, kind: str) -> bytes:
    """What another program has to know: shapes, ranges, and the model's options."""
    images = ["batch", *model.image_shape]
    facts: dict[str, Any] = {
        "images": {"shape": images, "type": "float32", "range": [0, 1], "order": "N, C, H, W"},
        "codes": {"shape": ["batch", model.latent_dim], "type": "float32"},
        "model": config.model.model_dump(mode="json"),
        "data": config.data.name,
        "ae-run": version("ae-run"),
    }
    if kind == "safetensors":
        facts["weights"] = {name: list(t.shape) for name, t in model.state_dict().items()}
    return (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"format=onnx: needs {error.name}: pip install 'ae-run[export]'; "
            "format=safetensors needs nothing"
        ) from None
