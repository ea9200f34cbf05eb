"""What is done to calexnet on purpose: damaged data, kills, long use. Not installed."""

import sys
from pathlib import Path
from types import ModuleType

# What the tests have made by hand serves here too. Some packages leave a `tests` of their own
# beside theirs, which would be found instead.
_tests = ModuleType("tests")
_tests.__path__ = [str(Path(__file__).parents[1] / "tests")]
sys.modules.setdefault("tests", _tests)
