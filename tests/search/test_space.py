"""Search spaces: how they are written, and what is refused."""

import pytest
from command_line import Result
from helpers.configs import configured

from ae_run.errors import UserError
from ae_run.search.parameters import Choice, FloatRange, IntRange
from ae_run.search.space import overrides, parse, value_at

LINE = (
    "[train.lr=log(1e-4,1e-1), model.latent_dim=int(2,10),train.optimizer=choice(adam,sgd),"
    "train.momentum=float(0.5,0.9,step=0.1) if train.optimizer=sgd, model.channels.0=int(8,64,log)]"
)
YAML = {
    "train.lr": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "model.latent_dim": {"type": "int", "low": 2, "high": 10},
    "train.optimizer": {"type": "categorical", "choices": ["adam", "sgd"]},
    "train.momentum": {
        "type": "float",
        "low": 0.5,
        "high": 0.9,
        "step": 0.1,
        "when": "train.optimizer=sgd",
    },
    "model.channels.0": {"type": "int", "low": 8, "high": 64, "log": True},
    "train.weight_decay": None,
}


def test_yaml_and_command_line_say_the_same():
    assert parse(LINE) == parse(YAML)
    assert parse(LINE) == parse("[" + ",".join(f"{p.key}={p.summary()}" for p in parse(LINE)) + "]")


def test_conditions_come_after_what_they_depend_on():
    space = parse("[a.b=float(0,1) if c=y,c=choice(x,y)]")
    assert [p.key for p in space] == ["c", "a.b"]
    assert space[1].when == ("c", "y")


def test_values_reach_into_lists_and_become_overrides_that_hydra_reads():
    config = configured("model.channels=[8,16,32]")
    chosen = {"model.channels.1": 64, "train.lr": 3.364e-05, "train.init_from": "a b"}
    changed = config.changed(chosen)
    assert value_at(changed, "model.channels") == [8, 64, 32]
    assert value_at(changed, "model.channels.1") == 64
    assert value_at(config, "model.channels") == [8, 16, 32]
    assert overrides(changed, chosen) == [
        "model.channels=[8,64,32]",
        "train.lr=3.364e-05",
        "train.init_from='a b'",
    ]


def test_a_grid_has_every_value():
    assert IntRange(key="k", low=2, high=8, step=3).grid() == [2, 5, 8]
    assert FloatRange(key="k", low=0.0, high=0.3, step=0.1).grid() == pytest.approx(
        [0, 0.1, 0.2, 0.3]
    )
    with pytest.raises(UserError, match="a grid needs step"):
        FloatRange(key="k", low=0.0, high=1.0).grid()


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("[]", "is empty"),
        ("[train.lr]", "not readable"),
        ("[train.lr=lgo(1,2)]", "did you mean 'log'"),
        ("[train.lr=log(1)]", "two bounds"),
        ("[train.lr=log(0,1)]", "low=0: must be above 0"),
        ("[train.lr=float(2,1)]", "must not be above"),
        ("[model.latent_dim=int(2,2.5)]", "high=2.5: must be an integer"),
        ("[model.latent_dim=int(2,many)]", "high=many: must be an integer"),
        ("[train.lr=float(0,1,stpe=1)]", "stpe: no such option of float; did you mean 'step'"),
        ("[a=int(1,2),a=int(1,3)]", "stands twice"),
        ("[a=int(1,2) if b=x]", "b is not searched itself"),
        ("[a=int(1,2) if b=z,b=choice(x,y)]", "values are x, y"),
        ("[a=choice(x,y) if b=x,b=choice(x,y) if a=x]", "circle"),
    ],
)
def test_unreadable_spaces_are_refused(line, part):
    with pytest.raises(UserError, match=r"search\.space") as caught:
        parse(line)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (5, "5: must be a mapping such as {type: int, low: 2, high: 10}"),
        ({"low": 1, "high": 2}, "type=None: must be one of float, int, categorical"),
        ({"type": "itn", "low": 1}, "type=itn: must be one of float, int, categorical"),
        ({"type": "int", "low": 1}, "high: missing; give it a value"),
        ({"type": "int", "low": True, "high": 3}, "low=True: must be an integer"),
        ({"type": "float", "low": 0, "high": float("inf")}, "high=inf: must be a finite number"),
        ({"type": "float", "low": 0, "high": 1, "log": 1}, "log=1: must be true or false"),
        ({"type": "float", "low": 1, "high": 2, "step": 0.5, "log": True}, "step=0.5: does not go"),
        ({"type": "float", "low": 1, "high": 2, "step": 0}, "step=0: must be greater than 0"),
        ({"type": "int", "low": 1, "high": 3, "when": "b"}, "when=b: must be KEY=VALUE"),
        ({"type": "int", "low": 1, "high": 3, "choices": [1]}, "choices: no such option of int"),
        ({"type": "categorical", "choices": []}, "choices: must list at least one value"),
        ({"type": "categorical", "choices": [1, [2]]}, "choices=[1, [2]]: each must be a number"),
    ],
)
def test_invalid_entries_of_a_preset_are_named_with_their_rule(entry, told):
    with pytest.raises(UserError) as caught:
        parse({"model.latent_dim": entry})
    assert str(caught.value).startswith(f"search.space: model.latent_dim: {told}")
    assert "\n" not in str(caught.value)


def test_choices_keep_their_types():
    (parameter,) = parse("[k=choice(1,1.0,true,null,1e-4,'x')]")
    assert isinstance(parameter, Choice)
    assert [type(c) for c in parameter.choices] == [int, float, bool, type(None), float, str]


BAD = {
    "search.space=[train.lrr=log(1e-4,1)]": "train.lrr: no such key; did you mean 'train.lr'?",
    "search.space=[train.lr=float(0,1)]": "train.lr=0.0: must be greater than 0",
    "search.space=[model.latent_dim=int(0,4)]": "model.latent_dim=0: must be greater than or equal",
    "search.space=[model.latent_dim=float(2,4)]": "model.latent_dim=2.0: must be a valid integer",
    "search.space=[train.optimizer=choice(adam,adamm)]": "train.optimizer=adamm",
    "search.space=[model.channels=int(2,4)]": "search one of them, as model.channels.0",
    "search.space=[model.channels.7=int(2,4)]": "model.channels.7: no such key",
    "search.space=[train.monitor=choice(mse,nelbo)]": "train.monitor: cannot be searched",
    "search.sampler=tpee": "did you mean 'tpe'?",
    "search.pruner=medium": "did you mean 'median'?",
    "search.n_trials=0": "search.n_trials=0: must be greater than or equal to 1",
    "search.workers=0": "search.workers=0: must be auto",
    "search.workers=two": "search.workers=two: must be auto",
    "search.name=a/b": "search.name=a/b",
    "search.direction=maximize": "must be minimize",
    "search.also_minimize=[parameters]": "search.pruner=median",
    "search.objective=probe search.direction=maximize search.refit=none": "run=RUN_DIR",
    "search.sampler=grid": "needs step",
    "search.storage=sqlite:///x.db search.workers=2": "search.workers=2; leave search.storage out",
    "search.storage=mysql://x/y": "must be postgresql://",
    "data.validation_fraction=0": "data.validation_fraction=0: a search compares",
    "run=nowhere": "run=nowhere",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_searches_get_one_message_and_leave_nothing(line, cli, tmp_path):
    result: Result = cli("task=search", "data.limit=80", *line.split())
    assert result.code == 2
    assert BAD[line] in result.err
    assert result.err.startswith("ae-run: ")
    assert result.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []
