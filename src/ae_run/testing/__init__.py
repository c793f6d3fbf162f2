"""Contract tests for your own components, to be called from yours.

    def test_my_net():
        ae_run.testing.check_model("model=my_net", "code=my_code")

Each raises `Broken`, an `AssertionError`, that says what a component does wrong. The program's own
components pass the same checks.
"""

from ae_run.testing.corruptions import check_corruption
from ae_run.testing.data import check_data
from ae_run.testing.models import check_model
from ae_run.testing.setup import Broken

__all__ = ["Broken", "check_corruption", "check_data", "check_model"]
