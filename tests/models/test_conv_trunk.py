"""The convolutional trunk: the reports' nets to the number, and sizes that come back exactly."""

import itertools

import pytest
import torch
from model_helpers import build, config
from torch import nn

from ae_run import models
from ae_run.errors import UserError
from ae_run.models import conv_ae

MAPS = (nn.Conv2d, nn.MaxPool2d, nn.ConvTranspose2d)


def on_meta(choice, shape=(1, 28, 28)):
    """A model without memory for its weights."""
    with torch.device("meta"):
        return models.build(config(choice).model, shape)


def maps(model, shape=(1, 28, 28)) -> list[tuple[int, ...]]:
    """(C, H, W) after each convolution and pooling, through encoder and decoder."""
    seen = []
    for module in model.modules():
        if isinstance(module, MAPS):
            module.register_forward_hook(lambda *args: seen.append(tuple(args[2].shape[1:])))
    with torch.no_grad():
        model.eval().reconstruct(torch.empty(1, *shape, device="meta"))
    return seen


def dense(model) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]


def weights(model) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_lab_net():
    model = on_meta("model=conv_ae")
    assert maps(model) == [
        (8, 14, 14),
        (16, 7, 7),
        (32, 3, 3),
        (16, 7, 7),
        (8, 14, 14),
        (1, 28, 28),
    ]
    assert dense(model) == [(288, 64), (64, 10), (10, 64), (64, 288)]
    encoder = 8 * 9 + 8 + 16 * 8 * 9 + 16 + 32 * 16 * 9 + 32 + 288 * 64 + 64 + 640 + 10
    decoder = 640 + 64 + 288 * 64 + 288 + 16 * 32 * 9 + 16 + 8 * 16 * 9 + 8 + 8 * 9 + 1
    assert weights(model) == encoder + decoder == 50_315


def test_the_notmnist_reports_net():
    model = on_meta("experiment=notmnist_ae")
    assert maps(model)[:3] == [(64, 14, 14), (128, 7, 7), (128, 3, 3)]
    assert dense(model) == [(1152, 128), (128, 10), (10, 128), (128, 1152)]
    convolutions = 64 * 9 + 64 + 128 * 64 * 9 + 128 + 128 * 128 * 9 + 128
    mirrored = 128 * 128 * 9 + 128 + 128 * 64 * 9 + 64 + 64 * 9 + 1
    linear = 1152 * 128 + 128 + 128 * 10 + 10
    assert weights(model) == convolutions + mirrored + linear + 1280 + 128 + 128 * 1152 + 1152


def test_the_notmnist_reports_vae():
    model = on_meta("experiment=notmnist_vae")
    assert maps(model) == [(200, 14, 14), (400, 7, 7), (200, 14, 14), (1, 28, 28)]
    # One layer of 20 outputs is two heads of 10.
    assert dense(model) == [(19600, 20), (10, 19600)]
    assert [m.p for m in model.encoder if isinstance(m, nn.Dropout)] == [0.3, 0.3]


def test_the_zoo_reports_shallow_convolution():
    model = on_meta("experiment=zoo_conv")
    assert maps(model) == [(20, 28, 28), (20, 14, 14), (1, 28, 28)]
    assert dense(model) == [(3920, 100), (100, 3920)]
    # Pooling is undone by a transposed convolution of 2×2 with stride 2.
    assert model.decoder[-1].kernel_size == model.decoder[-1].stride == (2, 2)
    assert isinstance(model.encoder[-1], nn.ReLU)
    assert weights(model) == 20 * 9 + 20 + 392_000 + 100 + 392_000 + 3920 + 20 * 4 + 1


def test_the_zoo_reports_deep_convolutions():
    pooled = on_meta("experiment=zoo_deep_conv_pool")
    assert maps(pooled) == [
        (10, 28, 28),
        (10, 14, 14),
        (20, 14, 14),
        (50, 14, 14),
        (50, 7, 7),
        (20, 14, 14),
        (10, 14, 14),
        (1, 28, 28),
    ]
    assert dense(pooled) == [(2450, 1225), (1225, 100), (100, 1225), (1225, 2450)]
    flat = on_meta("experiment=zoo_deep_conv")
    assert maps(flat) == [(c, 28, 28) for c in (10, 20, 50, 20, 10, 1)]
    assert dense(flat)[0] == (39_200, 1225)


@pytest.mark.parametrize("name", ["colored_ae", "colored_ae_dropout"])
def test_the_colored_reports_net_has_its_feature_map_as_code(name):
    model = on_meta(f"experiment={name}", (3, 28, 28))
    assert maps(model, (3, 28, 28)) == [
        (128, 14, 14),
        (64, 7, 7),
        (32, 4, 4),
        (16, 2, 2),
        (32, 4, 4),
        (64, 7, 7),
        (128, 14, 14),
        (3, 28, 28),
    ]
    assert dense(model) == []
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    drops = sum(isinstance(m, nn.Dropout) for m in model.modules())
    assert (norms, drops) == ((7, 7) if name == "colored_ae_dropout" else (0, 0))


def test_a_flat_code_must_have_the_size_of_the_map():
    with pytest.raises(UserError, match=r"model.latent_dim=64: must be 16 .* 16×1×1 feature map"):
        build("experiment=colored_ae", (1, 8, 8))
    with pytest.raises(UserError, match=r"model.widths=\[64\]: must be \[\]"):
        config("model=conv_ae model.flat_code=true")


@pytest.mark.parametrize("pools", [(1, 1), (2, 1), (1, 2), (2, 2), (3, 2)], ids=str)
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_every_image_size_comes_back_whatever_the_layers(kernel, pools):
    base = config("model=conv_ae").model.model_dump() | {"channels": (2, 3), "widths": ()}
    for stride, padding in itertools.product((1, 2, 3), (0, 1, 2)):
        options = {"kernel": kernel, "strides": (stride, 1), "pools": pools}
        model = conv_ae.Config(**base | options | {"paddings": (padding, padding)})
        for size in ((28, 28), (8, 8), (20, 23), (5, 1)):
            with torch.device("meta"):
                net = models.build(model, (2, *size))
                assert net.decode(net.encode(torch.empty(3, 2, *size))).shape == (3, 2, *size)


def test_lists_of_another_length_than_the_convolutions_are_refused():
    with pytest.raises(UserError, match=r"model.strides=\[2, 2\]: must have one entry per conv"):
        config("model=conv_ae model.strides=[2,2]")
