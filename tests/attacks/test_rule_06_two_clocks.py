"""Rule 6: time denies and never approves, however the clock jumps."""

from __future__ import annotations

from answerable.testing import FakeReceiver
from answerable.tracing.clock import micros
from tests.orchestrator.letters import CARRIER, Ask, kinder, letters, rows

YEARS = 100 * 365 * 24 * 3600
APP = letters(options=kinder, denied=True)


class Jumping:
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.at = 1_800_000_000_000_000

    def now(self) -> int:
        """Microseconds since the Unix epoch."""
        return self.at

    def jump(self, seconds: float) -> None:
        """Forwards, or back."""
        self.at += micros(seconds)


def test_a_clock_that_jumps_ahead_denies(store_url: str) -> None:
    clock = Jumping()
    with FakeReceiver() as receiver, APP.connect(store_url, origins={CARRIER: receiver.origin}, clock=clock) as service:
        run = service.run(Ask(), by="nils")
        clock.jump(YEARS)
        ended = service.resume(run.id)
        assert ended.result is not None and ended.result.text == "Expired"
        clock.jump(-YEARS)  # and back: what was denied stays denied
        assert service.resume(run.id).status == "done" and not receiver.received
        (decided,) = service.portal.call(rows, service, "decisions")
        assert (decided["outcome"], decided["by"]) == ("expired", "")


def test_a_clock_that_jumps_back_gives_no_grant_more_time(store_url: str) -> None:
    clock = Jumping()
    with FakeReceiver() as receiver, APP.connect(store_url, origins={CARRIER: receiver.origin}, clock=clock) as service:
        service.people.add("dora", roles=["lead"])
        run = service.run(Ask(), by="nils")
        service.approve(run.waiting_for[0].id, option="kinder", by="dora")
        clock.jump(2 * 24 * 3600)
        assert service.resume(run.id).status == "failed"  # too late to execute, however long ago it was approved
        clock.jump(-2 * 24 * 3600)
        service.resume(run.id)
        assert not receiver.received
