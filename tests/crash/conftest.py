"""What the crash tests share: a warm parent of workers, a receiver, and how the run ends when nothing disturbs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.crash.trials import Trial
from tests.support.fixtures import forks, receiver
from tests.support.forks import Forks
from tests.support.receiver import Receiver

__all__ = ["forks", "receiver"]


@pytest.fixture
def trial(forks: Forks, receiver: Receiver, tmp_path: Path) -> Callable[[str], Trial]:
    """Begin a trial with this name."""
    return lambda name: Trial(name=f"{tmp_path.name}-{name}", forks=forks, receiver=receiver, folder=tmp_path)


@pytest.fixture(scope="session")
def undisturbed(forks: Forks, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The canonical form of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    calm = Trial(name="undisturbed", forks=forks, receiver=receiver, folder=folder)
    calm.complete()
    form = calm.form()
    assert form["status"] == "done"
    assert [effect["state"] for effect in form["effects"]].count("done") == 3
    return form
