import importlib.util
import os

import pytest


@pytest.fixture(scope="session")
def need():
    """need("package"): skips where an oracle is not installed; ./test sets TQ_REQUIRE_ORACLES and it fails instead."""
    def check(package):
        if importlib.util.find_spec(package) is None:
            message = f"{package} is not installed (tests/requirements.txt)"
            pytest.fail(message) if os.environ.get("TQ_REQUIRE_ORACLES") == "1" else pytest.skip(message)
    return check
