"""The contract of a model."""

import copy
from collections.abc import Callable, Sequence

import safetensors.torch
import torch
from torch import Tensor

from ae_run import models
from ae_run.models import Autoencoder, LossTerms, Stage
from ae_run.schema import ModelConfig
from ae_run.testing.setup import SHAPES, Shape, check_each, configured, require

_TOLERANCE = 1e-5
_MEAN = 0.31
"""Of the pixels of handwritten digits."""


def check_model(*overrides: str, shapes: Sequence[Shape] = SHAPES) -> None:
    """Try a model in every way in which training, evaluation and search use it.

    Args:
        overrides: of a command line: `"model=my_net"`, `"code=my_code"`, `"model.latent_dim=8"`.
        shapes: (C, H, W) of the images to try it on.

    Raises:
        Broken: it does not keep the contract; says for which images, and how.
        UserError: it cannot be configured or imported.
    """
    with configured(*overrides) as config:
        check_each(CHECKS, config.model, shapes)


def build(config: ModelConfig, shape: Shape, seed: int = 0) -> Autoencoder:
    """A model with weights of a seed."""
    torch.manual_seed(seed)
    return models.build(config, shape, _MEAN)


def images(shape: Shape, count: int = 4) -> Tensor:
    """Random images (N, C, H, W)."""
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


def train(
    stage: Stage, x: Tensor, steps: int, lr: float = 5e-3, target: Tensor | None = None
) -> list[float]:
    """Take steps of a stage on one batch, or its closed form; return the losses."""
    target = x if target is None else target
    stage.begin()
    if stage.solve is not None:
        with torch.no_grad():
            stage.solve(lambda: iter([(x, target)]), lambda: iter([(x, target)]))
            return [stage.loss(x, target).total.mean().item()]
    optimizer = torch.optim.Adam(stage.parameters, lr)
    losses = []
    for _ in range(steps):
        total = stage.loss(x, target).total.mean()
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(total.item())
    return losses


def _trained(config: ModelConfig, shape: Shape) -> tuple[Autoencoder, Tensor]:
    model, x = build(config, shape), images(shape)
    for stage in model.stages():
        train(stage, x, 1)
    return model, x


def trains_and_keeps_shapes(config: ModelConfig, shape: Shape) -> None:
    """Two steps of every stage are finite; codes, images and scores have their shapes."""
    model, x = build(config, shape).train(), images(shape)
    for stage in model.stages():
        losses = torch.tensor(train(stage, x, 2))
        require(bool(losses.isfinite().all()), f"the loss of stage {stage.name} is not finite")
    model.eval()
    count = len(x)
    with torch.no_grad():
        codes = model.encode(x)
        wanted = (count, config.latent_dim)
        require(codes.shape == wanted, f"encode gives {tuple(codes.shape)}; must be {wanted}")
        for name, output in (("decode", model.decode(codes)), ("reconstruct", model(x))):
            given = tuple(output.shape)
            require(output.shape == x.shape, f"{name} gives {given}; must be {tuple(x.shape)}")
            within = bool(output.min() >= 0 and output.max() <= 1)
            require(within, f"{name} gives pixels outside of [0, 1]")
        scores = model.scores(x, x)
    named = set(scores) == model.score_names()
    require(named, f"scores gives {sorted(scores)}; score_names says {sorted(model.score_names())}")
    require(model.monitor in scores, f"monitor is {model.monitor}, which is none of its scores")
    for name, value in scores.items():
        fine = value.shape == (count,) and bool(value.isfinite().all())
        require(fine, f"score {name} must be finite, one per image")


def has_losses_per_image_with_gradients(config: ModelConfig, shape: Shape) -> None:
    """The last stage gives `LossTerms` of one value per image, from which gradients follow."""
    model, x = build(config, shape).train(), images(shape)
    *_, stage = model.stages()
    stage.begin()
    losses = stage.loss(x, x)
    require(isinstance(losses, LossTerms), f"loss gives {type(losses).__name__}, no LossTerms")
    for name, value in {**losses.terms, "total": losses.total}.items():
        given = tuple(value.shape)
        require(value.shape == (len(x),), f"loss term {name} is {given}; must be one per image")
    if stage.solve is None:
        losses.total.mean().backward()  # type: ignore[no-untyped-call]
        fine = all(p.grad is not None and p.grad.isfinite().all() for p in stage.parameters)
        require(fine, f"a parameter of stage {stage.name} has no finite gradient")


def comes_back_from_a_file_of_weights(config: ModelConfig, shape: Shape) -> None:
    """Saved weights, loaded into a new model, reconstruct the same."""
    model, x = _trained(config, shape)
    content = safetensors.torch.save(model.state_dict())  # refuses tensors that share memory
    other = build(config, shape, seed=1)
    other.load_state_dict(safetensors.torch.load(content))
    with torch.no_grad():
        same = torch.equal(other.eval().reconstruct(x), model.eval().reconstruct(x))
    require(same, "the saved weights give other reconstructions: register what is missing there")


def reconstructs_by_encoding_and_decoding(config: ModelConfig, shape: Shape) -> None:
    """Reconstructions repeat, and are decoded codes."""
    model, x = _trained(config, shape)
    model.eval()
    with torch.no_grad():
        first, again, parts = model.reconstruct(x), model(x), model.decode(model.encode(x))
    same = torch.equal(first, again)
    require(same, "in evaluation mode, reconstruct gives something else each time")
    close = bool((first - parts).abs().max() < _TOLERANCE)
    require(close, "reconstruct differs from decode(encode(x))")


def runs_in_float64_and_as_a_copy(config: ModelConfig, shape: Shape) -> None:
    """A copy in float64 trains, with losses in float64."""
    model, x = copy.deepcopy(build(config, shape)).double(), images(shape).double()
    for stage in model.stages():
        train(stage, x, 1)
        kind = stage.loss(x, x).total.dtype
        require(kind == torch.float64, f"a float64 model has losses of {kind}")


def trains_under_bfloat16_autocast(config: ModelConfig, shape: Shape) -> None:
    """Losses are float32 under autocast, and can be differentiated."""
    model, x = build(config, shape), images(shape)
    for stage in model.stages():
        stage.begin()
        with torch.autocast("cpu", torch.bfloat16):
            losses = stage.loss(x, x)
        kinds = {value.dtype for value in [*losses.terms.values(), losses.total]}
        what = "under autocast losses must be float32: sum with models.at_least_float32"
        require(kinds == {torch.float32}, what)
        losses.total.mean().backward()  # type: ignore[no-untyped-call]


CHECKS: tuple[Callable[[ModelConfig, Shape], None], ...] = (
    trains_and_keeps_shapes,
    has_losses_per_image_with_gradients,
    reconstructs_by_encoding_and_decoding,
    comes_back_from_a_file_of_weights,
    runs_in_float64_and_as_a_copy,
    trains_under_bfloat16_autocast,
)
