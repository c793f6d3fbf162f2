"""The config tree: every file composes and validates, and values live in one place only."""

import pytest
import yaml
from pydantic import BaseModel

from ae_run import components, config, schema
from ae_run.composition import compose
from ae_run.config import PLAIN_TASK, Config, validate
from ae_run.errors import UserError

CHOICES = [f"{group}={name}" for group in components.groups() for name in components.options(group)]
# These need a path from the user.
NEEDS = {"data=folder": "data.path=x", "data=npz": "data.path=x", "data=idx": "data.path=x"}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_option_composes_and_validates(choice):
    raw = compose(choice, *([NEEDS[choice]] if choice in NEEDS else []))
    assert isinstance(validate(raw), Config)


@pytest.mark.parametrize("choice", CHOICES)
def test_a_validated_config_dumps_to_what_was_compose(choice):
    raw = compose(choice, *([NEEDS[choice]] if choice in NEEDS else []))
    dumped = validate(raw).dump()
    raw |= PLAIN_TASK  # a run folder keeps what concerns the run
    assert yaml.safe_load(yaml.safe_dump(dumped)) == yaml.safe_load(yaml.safe_dump(raw))
    assert validate(dumped) == validate(raw)


@pytest.mark.parametrize("group", components.PACKAGES)
def test_every_component_file_has_a_yaml_and_the_other_way_round(group):
    named = set()
    for path in (components.conf_dir() / group).glob("*.yaml"):
        text = yaml.safe_load(path.read_text())
        if "name" in text:
            named.add(text["name"])
    assert named == set(components.files(group))


def schemas() -> list[type[BaseModel]]:
    values = (vars(schema) | vars(config)).values()
    found = [v for v in values if isinstance(v, type) and issubclass(v, schema.Schema)]
    for group in components.PACKAGES:
        found += [components.module(group, name).Config for name in components.files(group)]
    return found


@pytest.mark.parametrize("model", schemas(), ids=lambda s: f"{s.__module__}.{s.__name__}")
def test_values_live_in_yaml_only(model):
    defaults = [name for name, f in model.model_fields.items() if not f.is_required()]
    assert [name for name in defaults if name != "requires_corruption"] == []
    assert model.model_config["extra"] == "forbid"
    assert model.model_config["frozen"]
    assert model.model_config["strict"]
    assert not model.model_config["allow_inf_nan"]


def test_every_yaml_starts_with_a_line_that_describes_it():
    for group in components.groups():
        for path in sorted((components.conf_dir() / group).glob("*.yaml")):
            assert components.options(group)[path.stem], path


def test_nan_in_a_saved_config_is_refused():
    raw = compose()
    raw["train"]["weight_decay"] = float("nan")
    with pytest.raises(UserError, match=r"train\.weight_decay=nan: must be a finite number"):
        validate(raw)


def test_errors_name_path_value_and_rule():
    raw = compose()
    raw["train"]["batch_size"] = 0
    raw["extra"] = 1
    with pytest.raises(UserError) as caught:
        validate(raw)
    message = str(caught.value)
    assert "train.batch_size=0: must be greater than or equal to 1" in message
    assert "extra: no such key" in message


def test_a_denoising_model_needs_a_corruption():
    raw = compose("model=denoising")
    assert raw["corruption"]["name"] == "gaussian"
    assert compose("model=denoising", "corruption=occlusion")["corruption"]["name"] == "occlusion"
    with pytest.raises(UserError, match="corruption=none"):
        validate(compose("model=denoising", "corruption=none"))


def test_a_changed_config_keeps_what_is_not_named():
    before = validate(compose("model=vae", "run_dir=x"))
    after = before.changed({"train.epochs": 3, "model.channels.0": 5, "evaluate.latent": None})
    assert (after.train.epochs, after.model.channels[0]) == (3, 5)
    assert after.model.channels[1:] == before.model.channels[1:]
    assert after.evaluate.latent is None
    back = {
        "train.epochs": before.train.epochs,
        "model.channels": before.model.channels,
        "evaluate.latent": before.evaluate.latent.model_dump(),
    }
    assert after.changed(back) == before
    assert before.changed({}) == before


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("train.epoch", "train.epoch: no such key; did you mean 'train.epochs'?"),
        ("model.channels.99", "model.channels.99: no such key"),
        ("seed.x", "seed.x: no such key"),
        ("latent_dim", "latent_dim: no such key; did you mean 'model.latent_dim'?"),
    ],
)
def test_a_change_of_an_unknown_key_is_refused(key, message):
    with pytest.raises(UserError) as caught:
        validate(compose()).changed({key: 1})
    assert str(caught.value).startswith(message)


def test_a_change_to_a_value_out_of_bounds_is_refused():
    with pytest.raises(UserError, match=r"train\.epochs=0: must be greater"):
        validate(compose()).changed({"train.epochs": 0})


def test_what_cannot_be_composed_is_worded_as_on_the_command_line():
    with pytest.raises(UserError, match=r"^train\.epoch: no such key; did you mean"):
        compose("train.epoch=3")


def test_unchecked_components_keep_their_options():
    raw = compose("corruption=chain", "model=vae") | PLAIN_TASK
    raw["model"]["latent_dim"] = -1
    assert validate(raw, components_too=False).dump() == raw


def test_a_whole_number_may_be_written_as_1e3():
    lines = ("data.limit=1e3", "train.batch_size=2.56e2", "model.channels=[1e1,2e1,3e1]")
    config = validate(compose(*lines))
    assert (config.data.limit, config.train.batch_size) == (1000, 256)
    assert config.model.channels == (10, 20, 30)
    assert all(isinstance(n, int) for n in (config.data.limit, *config.model.channels))
    for line in ("data.limit=1.5", "train.batch_size=1e-3", "data.limit=.inf"):
        with pytest.raises(UserError, match="must be a valid integer"):
            validate(compose(line))


def test_an_error_about_a_value_of_several_lines_is_one_line():
    raw = compose()
    raw["model"]["dropout"] = "a\nb"
    with pytest.raises(UserError, match=r"^model\.dropout=a b: must be a valid number$"):
        validate(raw)
