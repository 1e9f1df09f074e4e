"""What the crash tests share: a warm parent of workers, a receiver, and how the run ends when nothing disturbs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.crash.trials import Stages, Trial, parcels_trial, stages_of
from tests.support.fixtures import forks, receiver
from tests.support.forks import Forks
from tests.support.receiver import Receiver

__all__ = ["forks", "receiver"]


@pytest.fixture
def trial(forks: Forks, receiver: Receiver, tmp_path: Path) -> Callable[[str], Trial]:
    """Begin a trial with this name."""
    return lambda name: parcels_trial(name, forks, receiver, tmp_path)


@pytest.fixture(scope="session")
def stages(forks: Forks, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """Where an undisturbed run stands before each of its processes."""
    folder = tmp_path_factory.mktemp("stages")
    return stages_of(lambda name: parcels_trial(name, forks, receiver, folder))


@pytest.fixture(scope="session")
def undisturbed(forks: Forks, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The canonical form of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    calm = parcels_trial("calm", forks, receiver, folder)
    calm.complete()
    form = calm.form()
    assert form["status"] == "done"
    assert [effect["state"] for effect in form["effects"]].count("done") == 3
    return form
