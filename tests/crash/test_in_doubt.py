"""A receiver that does not honour keys: what a worker sent before it died is not sent again, but listed and settled."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.crash.trials import Trial, parcels_trial
from tests.support.forks import KILLED, Forks
from tests.support.parcels_jobs import DONE, WAITING
from tests.support.receiver import Receiver

AROUND_A_CALL = ("send:before-commit", "send:after-commit", "send:after-response", "effect:before-finish")
SENT = ("send:after-commit", "send:after-response", "effect:before-finish")  # from here on nobody knows


def begin(name: str, guarantee: str, forks: Forks, receiver: Receiver, folder: Path) -> Trial:
    """A run whose request is decided: what is left to do is sending."""
    begun = parcels_trial(name, forks, receiver, folder, guarantee)
    assert begun.live({"verb": "run"}) == [WAITING]
    assert begun.live({"verb": "decide"}) == [DONE]
    return begun


@pytest.fixture(params=["at_most_once", "queryable"])
def guarantee(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def calm(guarantee: str, forks: Forks, receiver: Receiver, tmp_path: Path) -> dict[str, Any]:
    """The run when nothing disturbs it."""
    trial = begin("calm", guarantee, forks, receiver, tmp_path)
    trial.complete()
    return trial.form()


@pytest.mark.parametrize("name", AROUND_A_CALL)
def test_no_call_is_repeated(
    name: str, guarantee: str, calm: dict[str, Any], forks: Forks, receiver: Receiver, tmp_path: Path
) -> None:
    for count in itertools.count(1):
        trial = begin(str(count), guarantee, forks, receiver, tmp_path)
        if trial.live({"verb": "run", "failpoint": f"{name}:{count}"}) != [KILLED]:
            assert count > 1, f"{name} is never reached"
            return
        unanswered = {effect.id for effect in trial.effects("sent")}
        came = [arrival.key for arrival in trial.arrivals()]
        assert (name not in SENT) or unanswered
        trial.live({"verb": "run"})
        doubtful = {effect.id for effect in trial.effects("in-doubt")}
        assert not trial.effects("sent")
        if guarantee == "at_most_once":
            assert doubtful == unanswered
        else:  # it is asked, and knows what came
            assert doubtful == {effect.id for effect in trial.effects("in-doubt") if effect.idempotency_key not in came}
        trial.complete()
        assert trial.form() == calm, trial.story
        arrived = [arrival.key for arrival in trial.arrivals()]
        assert len(arrived) == len(set(arrived)), trial.story


@pytest.mark.parametrize("name", ["doubt:before-commit", "doubt:after-commit"])
def test_killed_while_doubt_is_recorded(
    name: str, guarantee: str, calm: dict[str, Any], forks: Forks, receiver: Receiver, tmp_path: Path
) -> None:
    trial = begin("disturbed", guarantee, forks, receiver, tmp_path)
    assert trial.live({"verb": "run", "failpoint": "send:after-commit:1"}) == [KILLED]
    assert trial.live({"verb": "run", "failpoint": f"{name}:1"}) == [KILLED]
    trial.complete()
    assert trial.form() == calm, trial.story


@pytest.mark.parametrize("point", ["intervention:before-commit:1", "intervention:after-commit:1"])
def test_killed_while_doubt_is_settled(
    point: str, calm: dict[str, Any], guarantee: str, forks: Forks, receiver: Receiver, tmp_path: Path
) -> None:
    trial = begin("disturbed", guarantee, forks, receiver, tmp_path)
    trial.live({"verb": "run", "failpoint": "send:after-commit:1"})
    assert trial.live({"verb": "run"}) == [WAITING]
    assert trial.live({"verb": "settle", "outcome": "done", "failpoint": point}) == [KILLED]
    trial.complete()
    assert trial.form() == calm, trial.story


def test_sent_again_by_a_person(
    calm: dict[str, Any], guarantee: str, forks: Forks, receiver: Receiver, tmp_path: Path
) -> None:
    trial = begin("disturbed", guarantee, forks, receiver, tmp_path)
    trial.live({"verb": "run", "failpoint": "send:after-commit:1"})
    assert trial.live({"verb": "run"}) == [WAITING]
    (doubtful,) = trial.effects("in-doubt")
    trial.live({"verb": "settle", "outcome": "again"})
    assert trial.live({"verb": "run"}) == [DONE]
    assert trial.form() == calm, trial.story
    assert [arrival.key for arrival in trial.arrivals()].count(doubtful.idempotency_key) == 1
