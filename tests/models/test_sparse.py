"""The k-sparse autoencoder keeps k units, as its paper says which and when."""

import pytest
import torch
from command_line import FAST
from model_helpers import build, config, digits, train

from ae_run.errors import UserError
from ae_run.models import sparse

CHOICE = "model=sparse model.latent_dim=60 model.active=5 model.start_factor=4"


def active(codes: torch.Tensor) -> set[int]:
    """The numbers of nonzero values that codes have."""
    return set((codes != 0).sum(1).tolist())


def test_the_largest_values_stay_in_their_places_and_all_others_are_zero():
    z = torch.tensor([[3.0, -1.0, 2.0, 5.0], [-4.0, -1.0, -2.0, -3.0]])
    kept = [[3.0, 0.0, 0.0, 5.0], [0.0, -1.0, -2.0, 0.0]]
    assert sparse.largest(z, 2).tolist() == kept
    assert sparse.largest(z, 4, torch.tensor(2)).tolist() == kept
    assert torch.equal(sparse.largest(z, 4), z)


def test_of_equal_values_too_only_k_stay():
    assert active(sparse.largest(torch.ones(3, 10), 4)) == {4}


def test_only_kept_units_learn():
    z = torch.tensor([[3.0, 1.0, 2.0]], requires_grad=True)
    sparse.largest(z, 2).sum().backward()
    assert z.grad is not None
    assert z.grad.tolist() == [[1.0, 0.0, 1.0]]


@pytest.mark.parametrize(("factor", "kept"), [(1, 5), (3, 15), (100, 60)])
def test_outside_of_training_a_code_has_alpha_times_k_active_units(factor, kept):
    model = build(f"{CHOICE} model.test_factor={factor}").eval()
    assert model.active_dim == kept
    assert active(model.encode(digits(20))) == {kept}


def test_k_falls_linearly_over_the_steps_of_training_and_stays():
    model, x = build(f"{CHOICE} model.anneal_steps=3").train(), digits(20)
    (stage,) = model.stages()
    kept = []
    for _ in range(5):
        kept += active(model.encode(x))
        train(stage, x, 1)
    assert kept == [20, 15, 10, 5, 5]
    model.eval().loss(x, x)
    assert model.steps == 5, "scoring is no step of training"


def test_without_annealing_k_is_constant():
    model = build(f"{CHOICE} model.anneal_steps=0").train()
    assert active(model.encode(digits(20))) == {5}


def test_tied_weights_are_one_matrix_and_the_output_is_linear_in_the_code():
    model = build(CHOICE).eval()
    assert "decoder.weight" not in model.state_dict()
    z, x = torch.zeros(2, 60), digits(1)
    z[0, 7] = 0.1
    on, off = model.decode(z) - model.decoder.bias.detach().clamp(0, 1).view_as(x[0])
    column = model.encoder.weight[7].detach().view_as(off)
    inside = (model.decode(z)[0] > 0) & (model.decode(z)[1] > 0)
    torch.testing.assert_close(on[inside], 0.1 * column[inside])
    assert not off.any()


def test_it_is_compared_with_as_many_principal_components_as_units_are_active(cli):
    result = cli(*FAST, "model=sparse", "model.active=7")
    assert "PCA-7" in result.out
    assert "PCA-500" not in result.out


def test_more_active_units_than_there_are_is_refused():
    with pytest.raises(UserError, match=r"model\.active=61: must be at most model\.latent_dim=60"):
        config(f"{CHOICE} model.active=61")
