"""What tests of `deploy/` may ask for: the programs that `scripts/services` builds. Without Go they are skipped."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def services() -> Path:
    """The folder with `collector` and `check`."""
    found = subprocess.run([ROOT / "scripts" / "services", "path"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip("there is no collector (`make setup` builds it where Go is installed)")
    return Path(found.stdout.strip())
