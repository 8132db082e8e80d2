"""The virtual display and the viewer on it, as in the tests of the window."""

import importlib.util
from pathlib import Path

_PATH = Path(__file__).resolve().parents[1] / "window" / "conftest.py"
_specification = importlib.util.spec_from_file_location("window_fixtures", _PATH)
_fixtures = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(_fixtures)

display = _fixtures.display
open_viewer = _fixtures.open_viewer
