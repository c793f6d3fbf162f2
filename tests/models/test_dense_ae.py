"""The dense autoencoder: the zoo report's nets, tied weights, layer-wise pretraining."""

from itertools import pairwise

import pytest
import torch
from model_helpers import build, config, digits, train

TIED = "model=dense_ae model.widths=[30,20] model.tied=true"
PRETRAINED = "model=dense_ae model.widths=[30,20] model.pretrain_epochs=3"


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("zoo_shallow", [784, 200]), ("zoo_deep", [784, 500, 200, 100, 10])],
)
def test_the_zoo_reports_nets(name, sizes):
    model = build(f"experiment={name}")
    pairs = list(pairwise(sizes))
    assert [(m.in_features, m.out_features) for m in model.encoder] == pairs
    assert [(m.out_features, m.in_features) for m in model.decoder] == pairs
    with torch.no_grad():
        assert model.encode(digits(8)).min() == 0  # ReLU on the code


def test_tied_weights_are_one_tensor_that_learns_from_both_sides():
    model, x = build(TIED), digits(8)
    free = build(TIED.replace("true", "false"))
    down = sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in model.parameters())
    assert down == 784 * 30 + 30 * 20 + 20 * 10
    # The same net with the transposes written out gives the same images …
    with torch.no_grad():
        for up, down_tied, down_free, up_free in zip(
            model.encoder, model.decoder, free.decoder, free.encoder, strict=True
        ):
            up_free.load_state_dict(up.state_dict())
            down_free.weight.copy_(up.weight.T)
            down_free.bias.copy_(down_tied.bias)
    torch.testing.assert_close(model.reconstruct(x), free.reconstruct(x))
    # … and its two gradients add up to the tied one.
    for net in (model, free):
        net.loss(x, x).total.mean().backward()
    for up, up_free, down_free in zip(model.encoder, free.encoder, free.decoder, strict=True):
        both = up_free.weight.grad + down_free.weight.grad.T
        torch.testing.assert_close(up.weight.grad, both)


@pytest.mark.parametrize("tied", ["false", "true"])
def test_a_pretraining_stage_changes_its_own_layers_only(tied):
    model, x = build(f"{PRETRAINED} model.tied={tied}"), digits(16)
    names = []
    for level, stage in enumerate(model.stages()):
        names.append(stage.name)
        stage.begin()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        train(stage, x, 2)
        changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
        if stage.name != "train":
            assert stage.epochs == 3
            assert changed
            own = (f"encoder.{level}.", f"decoder.{level}.")
            assert all(key.startswith(own) for key in changed)
    assert names == ["pretrain 1", "pretrain 2", "pretrain 3", "train"]
    assert changed == {key for key in before if key != "levels"}


def test_without_pretraining_there_is_one_stage():
    assert [stage.name for stage in build("model=dense_ae").stages()] == ["train"]


def test_while_pretraining_scores_come_from_the_layers_trained_so_far():
    model, x = build(f"{PRETRAINED} model.activation=elu"), digits(64)
    left = []
    for stage in model.stages():
        train(stage, x, 200)
        left.append(model.scores(x, x)["mse"].mean().item())
    one, two, three, joint = left
    assert one < two < three  # each further layer is a narrower one
    assert joint < three  # all together do better than each for itself
    assert three < (x - x.mean(0)).square().mean()


def test_the_first_layers_pretraining_is_the_shallow_autoencoders_training():
    model, x = build(PRETRAINED), digits(8)
    stage = model.stages()[0]
    shallow = build("model=dense_ae model.widths=[] model.latent_dim=30 model.code_activation=relu")
    shallow.encoder[0].load_state_dict(model.encoder[0].state_dict())
    shallow.decoder[0].load_state_dict(model.decoder[0].state_dict())
    torch.testing.assert_close(stage.loss(x, x).total, shallow.loss(x, x).total)


def test_dropout_stays_away_from_what_a_layer_is_pretrained_on():
    model, x = build(f"{PRETRAINED} model.dropout=0.5").train(), digits(8)
    first, second, third, _ = model.stages()
    torch.manual_seed(0)
    noisy = [stage.loss(x, x).total for stage in (first, second, first, second)]
    assert not torch.equal(noisy[0], noisy[2])
    assert not torch.equal(noisy[1], noisy[3])
    # The last layer's code has no dropout, nor do the finished layers below it.
    assert torch.equal(third.loss(x, x).total, third.loss(x, x).total)


def test_the_corrupted_image_goes_in_and_the_clean_one_is_the_target():
    model, x = build(PRETRAINED), digits(16)
    noisy = (x + 0.3 * torch.rand_like(x)).clamp(0, 1)
    for stage in model.stages():
        assert not torch.equal(stage.loss(noisy, x).total, stage.loss(noisy, noisy).total)


def test_options_out_of_bounds_are_refused():
    for wrong in ("model.widths=[0]", "model.dropout=1.0", "model.pretrain_epochs=-1"):
        with pytest.raises(Exception, match=wrong.split("=")[0]):
            config(f"model=dense_ae {wrong}")
