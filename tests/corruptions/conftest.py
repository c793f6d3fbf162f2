"""Fixtures of the corruption tests."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ae_run import components


@pytest.fixture
def raw_config():
    """Compose a config to plain containers."""

    def composed(*overrides):
        with initialize_config_dir(str(components.conf_dir()), version_base="1.3"):
            return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)

    return composed
