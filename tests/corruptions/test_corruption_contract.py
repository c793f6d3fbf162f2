"""What every corruption keeps to; a new YAML file is tested unasked."""

import pytest
from corruption_helpers import NAMES, SHAPES, apply, configured

from ae_run import corruptions
from ae_run.testing import corruptions as contract

pytestmark = pytest.mark.parametrize("name", NAMES)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "×".join(map(str, shape)))
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_a_corruption_keeps_its_contract(name, shape, check):
    check(configured(name), shape)


def test_a_higher_level_changes_more(name):
    images, config = contract.images((3, 28, 28), 40), configured(name)
    full = corruptions.level(config)
    changes = [
        (apply(corruptions.at_level(config, share * full), images) - images).square().mean().item()
        for share in (0.0, 0.25, 0.5, 1.0)
    ]
    assert changes == sorted(changes)
    assert changes[-1] > 0 or config.name == "none"
