"""The config tree: every file composes and validates, and values live in one place only."""

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from pydantic import BaseModel

from ae_run import components, config
from ae_run.config import Config, validate
from ae_run.errors import UserError


def composed(*overrides: str) -> dict:
    with initialize_config_dir(str(components.conf_dir()), version_base="1.3"):
        return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)


CHOICES = [f"{group}={name}" for group in components.groups() for name in components.options(group)]
# These need a path from the user.
NEEDS = {"data=folder": "data.path=x", "data=npz": "data.path=x", "data=idx": "data.path=x"}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_option_composes_and_validates(choice):
    raw = composed(choice, *([NEEDS[choice]] if choice in NEEDS else []))
    assert isinstance(validate(raw), Config)


@pytest.mark.parametrize("choice", CHOICES)
def test_a_validated_config_dumps_to_what_was_composed(choice):
    raw = composed(choice, *([NEEDS[choice]] if choice in NEEDS else []))
    dumped = validate(raw).dump()
    raw["search"] = None  # a run folder keeps what concerns the run
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
    found = [
        value
        for value in vars(config).values()
        if isinstance(value, type) and issubclass(value, config.Schema)
    ]
    for group in components.PACKAGES:
        found += [components.module(group, name).Config for name in components.files(group)]
    return found


@pytest.mark.parametrize("schema", schemas(), ids=lambda s: f"{s.__module__}.{s.__name__}")
def test_values_live_in_yaml_only(schema):
    defaults = [name for name, f in schema.model_fields.items() if not f.is_required()]
    assert [name for name in defaults if name != "requires_corruption"] == []
    assert schema.model_config["extra"] == "forbid"
    assert schema.model_config["frozen"]
    assert schema.model_config["strict"]
    assert not schema.model_config["allow_inf_nan"]


def test_every_yaml_starts_with_a_line_that_describes_it():
    for group in components.groups():
        for path in sorted((components.conf_dir() / group).glob("*.yaml")):
            assert components.options(group)[path.stem], path


def test_nan_in_a_saved_config_is_refused():
    raw = composed()
    raw["train"]["weight_decay"] = float("nan")
    with pytest.raises(UserError, match=r"train\.weight_decay=nan: must be a finite number"):
        validate(raw)


def test_errors_name_path_value_and_rule():
    raw = composed()
    raw["train"]["batch_size"] = 0
    raw["extra"] = 1
    with pytest.raises(UserError) as caught:
        validate(raw)
    message = str(caught.value)
    assert "train.batch_size=0: must be greater than or equal to 1" in message
    assert "extra: no such key" in message


def test_a_denoising_model_needs_a_corruption():
    raw = composed("model=denoising")
    assert raw["corruption"]["name"] == "gaussian"
    assert composed("model=denoising", "corruption=occlusion")["corruption"]["name"] == "occlusion"
    with pytest.raises(UserError, match="corruption=none"):
        validate(composed("model=denoising", "corruption=none"))
