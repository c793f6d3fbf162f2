"""Decoders as lists of layers, which the page of a run executes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_helpers import Linear
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from model_helpers import CHOICES, SHAPES, build

from ae_run.evaluation.decoder_export import LIMIT_BYTES, Unsupported, export, trace
from ae_run.evaluation.decoder_layers import run
from ae_run.models._activations import ACTIVATIONS

ACTIVATED = [f"model=conv_ae model.activation={name}" for name in ACTIVATIONS]


class Decoding(Linear):
    """A model of four dimensions, 8 × 8 pixels, and any decoder."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__(latent_dim=4)
        self.decoder = decoder

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)


class Function(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def decoding(*layers: nn.Module) -> Decoding:
    torch.manual_seed(0)
    return Decoding(nn.Sequential(*layers)).eval()


def codes(d: int = 4) -> Tensor:
    return torch.randn(20, d, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def largest_difference(model, z: Tensor) -> float:
    return (run(export(model, z), z) - model.decode(z)).abs().max().item()


@pytest.mark.parametrize("choice", CHOICES + ACTIVATED)
def test_the_layers_of_every_model_decode_like_the_model(choice):
    for shape in SHAPES:
        model = build(choice, shape).eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        assert largest_difference(model, codes(model.latent_dim)) < 1e-3


def test_layers_that_our_models_do_not_use_are_known_too():
    model = decoding(
        nn.Linear(4, 32, bias=False),
        nn.BatchNorm1d(32),
        nn.Softplus(),
        nn.Unflatten(1, (8, 2, 2)),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 6, 3, padding=1, bias=False),
        nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(6, 1, 4, stride=2, padding=1),
        nn.Hardtanh(),
        Function(lambda x: (x + 1) / 2 * 0.5 - 0.25 + torch.linspace(0, 0.5, 8)),
    )
    assert largest_difference(model, codes()) < 1e-5
    kinds = [layer.kind for layer in export(model, codes())]
    assert {"upsample", "conv", "conv_transpose", "affine", "clamp", "softplus"} <= set(kinds)


def test_a_functional_decoder_needs_no_modules():
    weight = torch.randn(64, 4)

    def decode(z: Tensor) -> Tensor:
        return torch.sigmoid(nn.functional.gelu(z @ weight.T, approximate="tanh")).view(-1, 1, 8, 8)

    layers = trace(decode, codes()[:1])
    assert [layer.kind for layer in layers] == ["linear", "gelu", "sigmoid", "reshape"]
    torch.testing.assert_close(run(layers, codes()), decode(codes()))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([nn.Linear(4, 64), nn.Softmax(1), nn.Unflatten(1, (1, 8, 8))], "its operation _softmax"),
        ([Function(lambda x: x + x.relu()), nn.Linear(4, 64)], "it has branches"),
        ([Function(lambda x: torch.cat([x, x], 1)), nn.Linear(8, 64)], "its output is not"),
        ([Function(lambda x: x.T @ x)], "its operation"),
        ([nn.Linear(4, 800_000)], "its 4.0 million weights are too many"),
    ],
)
def test_a_decoder_without_layers_says_why(layers, words):
    with pytest.raises(Unsupported, match=words):
        export(decoding(*layers), codes())


def test_a_decoder_that_does_more_than_it_shows_is_found_out():
    # What is computed outside of torch is taken for a constant.
    model = decoding(nn.Linear(4, 64), Function(lambda x: x * float(x.numpy().max())))
    with pytest.raises(Unsupported, match="its layers differ from the model by"):
        export(model, codes())


def test_weights_over_the_limit_are_halved_where_that_keeps_the_pixels():
    wide = LIMIT_BYTES // 4 // 68 + 1
    small = decoding(nn.Linear(4, wide), nn.Linear(wide, 64), nn.Sigmoid())
    layers = export(small, codes())
    assert {array.dtype for layer in layers for array in layer.arrays.values()} == {
        np.dtype("float16")
    }
    assert sum(layer.nbytes for layer in layers) <= LIMIT_BYTES
    with torch.no_grad():
        small.decoder[1].weight *= 300  # too steep for sixteen bits
    with pytest.raises(Unsupported, match="its layers differ"):
        export(small, codes())


def test_exporting_leaves_the_model_as_it_was():
    model = build("model=conv_ae").double().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    export(model, codes(model.latent_dim))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
