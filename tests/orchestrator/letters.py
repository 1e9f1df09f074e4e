"""The small system that the tests of the runtime share: somebody writes a letter, somebody signs it, and it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from answerable.agents.calls import POST, Call
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START, Receiver
from answerable.agents.options import DAY, HOUR, Retry
from answerable.agents.outcomes import Ended, Expired, Rejected
from answerable.agents.people import role
from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.node import exemption
from answerable.orchestrator.app import App
from answerable.orchestrator.reports import Run
from answerable.orchestrator.service import Service
from answerable.orchestrator.system import System
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.tables.store import metadata

R = TypeVar("R", bound=Record)

CARRIER = Receiver("carrier", keeps_keys_for=DAY)
LEAD = role("lead")
QUICKLY = Retry(attempts=3, pause_seconds=0.001)


class Ask(Message):
    text: str = "a"


class Letter(Message):
    text: str = ""


class Batch(Message):
    letters: list[Letter] = []


class Receipt(Message):
    text: str = ""


class Account(Message):
    lines: list[str] = []


def write(ask: Ask) -> Letter:
    return Letter(text=f"dear {ask.text}")


def post(letter: Letter) -> Call[Receipt]:
    response = yield POST("/letters", json=letter)
    return Receipt(text=response.json()["text"])


def kinder(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"kinder": Letter(text=f"{letter.text}, with love")}


def length(letter: Letter, ask: Ask) -> int:
    return len(letter.text)


@exemption(version=1)
def always(letter: Letter, ask: Ask) -> bool:
    return True


def letters(
    *,
    writer: Callable[..., Any] = write,
    poster: Callable[..., Any] = post,
    to: Receiver = CARRIER,
    guarantee: Any = "idempotent",
    retry: int | Retry = QUICKLY,
    timeout: float = 60,
    query: Callable[..., Any] | None = None,
    denied: bool = False,
    within: float = HOUR,
    owner: str = "writers",
    responsible: str = "alice",
    by: Any = LEAD,
    named: str = "sign",
    **approval: Any,
) -> App[Ask, Receipt]:
    """START → write → sign → post → END; with `denied`, sign.denied → explain → END."""
    system = System("letters", responsible=responsible)
    writing = system.agent(owner=owner, name="write")(writer)
    sign = system.approval(named, of=Letter, by=by, within=within, **approval)
    posting: Any = system.effect("post", to=to, guarantee=guarantee, retry=retry, timeout=timeout, query=query)(poster)
    system.edge(START, writing, purpose="somebody asks")
    system.edge(writing, sign, purpose="may it be sent?")
    system.edge(sign, posting, purpose="send it")
    system.edge(posting, END, purpose="the receipt")
    if denied:

        @system.agent(owner="writers")
        def explain(no: Rejected | Expired) -> Receipt:
            return Receipt(text=type(no).__name__)

        system.edge(sign.denied, explain, purpose="say why")
        system.edge(explain, END, purpose="no receipt")
    return system.build(Ask, Receipt)


def batches(*, count: int = 3, each_signed: bool = True, **approval: Any) -> App[Ask, Account]:
    """A batch is taken apart, each letter is signed for itself (or the batch as one) and sent; the account gathers."""
    system = System("batches", responsible="alice")

    @system.agent(owner="writers")
    def write(ask: Ask) -> Batch:
        return Batch(letters=[Letter(text=f"{ask.text}{number}") for number in range(count)])

    of: Any = Letter if each_signed else Batch
    sign: Any = system.approval("sign", of=of, by=LEAD, within=HOUR, **approval)
    posting: Any = system.effect("post", to=CARRIER, guarantee="idempotent", retry=QUICKLY)(post)

    @system.agent(owner="writers")
    def account(ended: list[Ended[Receipt]]) -> Account:
        return Account(
            lines=[one.result.text if one.result is not None else type(one.outcome).__name__ for one in ended]
        )

    system.edge(START, write, purpose="somebody asks")
    if each_signed:
        system.edge(write, sign, each="letters", purpose="may it be sent?")
        system.edge(sign, posting, purpose="send it")
    else:
        system.edge(write, sign, purpose="may they be sent?")
        system.edge(sign, posting, each="letters", purpose="send them")
    system.edge(posting, account, gather=True, purpose="what became of each")
    system.edge(account, END, purpose="the account")
    return system.build(Ask, Account)


@asynccontextmanager
async def serving(
    app: App[Any, Any], url: str, origin: str | None = None, *, people: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[Service[Any, Any]]:
    """A service in which "dora" is a lead, and each of `people` has the role beside the handle."""
    origins = {CARRIER: origin} if origin is not None else {}
    async with app.connect(url, origins=options.pop("origins", origins), **options) as service:
        for handle, name in {"dora": "lead", **(people or {})}.items():
            await service.people.aadd(handle, roles=[name])
        yield service


async def signed(service: Service[Any, Any], run_input: Ask | None = None) -> Run[Any]:
    """A run that "nils" begins and "dora" approves, as far as it goes."""
    run = await service.arun(run_input or Ask(), by="nils")
    for request in run.waiting_for:
        await service.aapprove(request.id, by="dora")
    return await service.aresume(run.id)


async def recorded(service: Service[Any, Any], run: str, kind: type[R]) -> list[R]:
    """The records of one kind, in the order in which they were written."""
    entries = await service.store.read(lambda tx: records_of(tx, run))
    return [entry.record for entry in entries if isinstance(entry.record, kind)]


async def rows(service: Service[Any, Any], table: str) -> list[dict[str, Any]]:
    """All rows of a table."""
    found = await service.store.read(lambda tx: tx.all(Statement(metadata.tables[table].select())))
    names = metadata.tables[table].columns.keys()
    return [dict(zip(names, row, strict=True)) for row in found]


async def tamper(service: Service[Any, Any], table: str, **values: Any) -> None:
    """Change every row of a table by hand."""
    changed = Statement(metadata.tables[table].update().values(values))
    await service.store.write(lambda tx: tx.run(changed))


async def insert(service: Service[Any, Any], table: str, **values: Any) -> None:
    """Write a row by hand."""
    made = Statement(metadata.tables[table].insert().values(values))
    await service.store.write(lambda tx: tx.run(made))


async def faults(service: Service[Any, Any]) -> list[Any]:
    """What the rows of a store do not say as its records do."""
    key = service.office.key
    return await service.store.read(lambda tx: list(faults_of_tables(tx, key)))
