"""A step as a CUDA graph: the same numbers, whatever is replayed.

Without a GPU the recording is stood in for by one that keeps the function and runs it again at
each replay; fixed memory, batch sizes, epochs, learning rates and errors are the same.
"""

import pytest
import torch
from torch import Tensor
from training_runs import make

from ae_run.training import cuda_graph, fit, loop, optimizers
from ae_run.training.cuda_graph import GraphStep

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")


class Tape:
    """Records as `cuda_graph.record` does: nothing runs until the replay."""

    def __init__(self):
        self.replays = 0

    def __call__(self, function, _generators):
        output = torch.zeros(2)

        def replay():
            self.replays += 1
            output.copy_(function())

        return replay, output


def losses(rows):
    return [(row["train_total"], row["validation_mse"]) for row in rows]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("corruption=gaussian", "model.dropout=0.2"),
        ("data.binarize=sample",),
    ],
)
def test_replayed_steps_are_the_same_as_steps_taken_one_by_one(options, monkeypatch):
    plain = losses(fit(make("a", *options)))
    tape = Tape()
    monkeypatch.setattr(
        loop, "on_graph", lambda run, step, _: GraphStep(step, 32, run.folder.say, tape)
    )
    assert losses(fit(make("b", *options))) == plain
    # 80 images in batches of 32: two full ones in each of three epochs, the first three eager.
    assert tape.replays == 3 * 2 - cuda_graph.EAGER_STEPS


class Step:
    """Doubles what it is given."""

    generators = ()

    def __init__(self):
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.optimizer = torch.optim.SGD([self.weight], lr=0.1)

    def __call__(self, index: Tensor) -> Tensor:
        return 2 * index.float()


def test_positions_are_copied_into_fixed_memory():
    step = GraphStep(Step(), 2, print, Tape())
    found = [step(torch.tensor([i, i + 1])).tolist() for i in range(6)]
    assert found == [[2 * i, 2 * i + 2] for i in range(6)]


def test_where_a_capture_fails_the_step_runs_by_itself_and_says_why_once():
    said = []

    doubles = Step()

    def fails(_function, _generators):
        doubles.weight.grad = torch.full((1,), torch.nan)  # recorded, and never computed
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    step = GraphStep(doubles, 2, said.append, fails)
    for i in range(6):
        assert step(torch.tensor([i, i])).tolist() == [2 * i, 2 * i]
    assert doubles.weight.grad is None
    assert said == [
        "no CUDA graph for this model's step, so it runs eagerly: operation not permitted"
    ]


def test_the_learning_rate_of_a_captured_optimizer_stays_in_its_memory():
    weight = torch.nn.Parameter(torch.ones(1))
    rate = torch.tensor(0.5)
    optimizer = torch.optim.SGD([weight], lr=rate, fused=True)
    optimizers.set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25


def test_an_optimizers_options_are_the_devices_own_after_loading():
    config = make("a").config.train
    cpu = torch.device("cpu")
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = optimizers.build(config, [weight], cpu)
    weight.grad = torch.ones(2)
    optimizer.step()
    saved = optimizer.state_dict()
    saved["param_groups"][0] |= {"lr": torch.tensor(9.0), "capturable": True}
    other = optimizers.build(config, [weight], cpu)
    optimizers.load_state(other, saved)
    assert other.param_groups[0]["lr"] == config.lr
    assert other.param_groups[0]["capturable"] is False
    assert torch.equal(other.state[weight]["exp_avg"], optimizer.state[weight]["exp_avg"])


@needs_gpu
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("corruption=gaussian", "model.dropout=0.2"),
        ("model=vae",),
        ("data.binarize=sample", "model=vae", "model.objective=iwae", "model.importance_samples=3"),
        ("train.optimizer=sgd", "train.clip_norm=1"),
    ],
)
def test_on_a_gpu_the_graph_gives_the_losses_of_single_steps(options, monkeypatch):
    gpu = torch.device("cuda")
    said = []
    graphed = make("a", *options, device=gpu)
    monkeypatch.setattr(graphed.folder, "say", said.append)
    fast = losses(fit(graphed))
    monkeypatch.setattr(loop, "on_graph", lambda *parts: parts[1])
    slow = losses(fit(make("b", *options, device=gpu)))
    assert not [line for line in said if "no CUDA graph" in line]
    for one, other in zip(fast, slow, strict=True):
        assert one == pytest.approx(other, rel=1e-3)
