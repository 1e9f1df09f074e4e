"""A process that sends for as long as its standard input is open: `python -m benchmarks.sender STORE ORIGIN`.

Some runs side by side, again and again, each with one call that an accepted exemption lets through. It prints a line
when it begins. A run that is frozen is left, and another one is begun a moment later.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

from answerable import END, HOUR, POST, START, App, Call, Message, Receiver, Service, System, exemption, role

SYSTEM, RESPONSIBLE, GATE = "senders", "alice", "gate"
SIDE_BY_SIDE: Final = 4
PAUSE_SECONDS: Final = 0.01  # after a run that was frozen

receiver = Receiver("receiver", keeps_keys_for=24 * HOUR)


class Parcel(Message):
    """What is sent."""

    number: int


class Receipt(Message):
    """That it was taken."""

    number: int


@exemption(version=1)
def always(parcel: Parcel, given: Parcel) -> bool:
    """Nobody is asked."""
    return parcel == given


def sender() -> App[Parcel, Receipt]:
    """One agent, one approval that its exemption passes, one call."""
    system = System(SYSTEM, responsible=RESPONSIBLE)

    @system.agent(owner="team")
    async def pack(parcel: Parcel) -> Parcel:
        return parcel

    @system.effect("send", to=receiver, guarantee="idempotent")
    def send(parcel: Parcel) -> Call[Receipt]:
        yield POST("/parcels", json=parcel)
        return Receipt(number=parcel.number)

    gate = system.approval(GATE, of=Parcel, by=role("lead"), within=HOUR, exempt=always)
    system.edge(START, pack, purpose="pack it")
    system.edge(pack, gate, purpose="may it leave?")
    system.edge(gate, send, purpose="send it")
    system.edge(send, END, purpose="done")
    return system.build(Parcel, Receipt)


def connect(store: str, origin: str) -> Service[Parcel, Receipt]:
    """The service of a sender, on a store."""
    return sender().connect(store, origins={receiver: origin})


async def work(store: str, origin: str) -> None:
    """Send until the standard input ends."""
    async with connect(store, origin) as service:
        print("begun", flush=True)
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as lines:
            for number in range(SIDE_BY_SIDE):
                lines.create_task(_line(service, number, ended))
            await asyncio.to_thread(sys.stdin.read)
            ended.set()


async def _line(service: Service[Any, Any], number: int, ended: asyncio.Event) -> None:
    while not ended.is_set():
        run = await service.arun(Parcel(number=number), by="night-desk")
        if run.status == "frozen":
            await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
