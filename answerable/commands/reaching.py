"""How commands reach what they work on: the store alone, or a service of a system's app; and things by their ids.

1. A command does not make a store by the way: a file that is not there is an error, not an empty store.
2. An id may be given by its beginning, as long as that is unique.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Integer, bindparam, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from answerable.agents.texts import check_handle
from answerable.commands.programs import Program, find_program
from answerable.commands.saying import to_stderr
from answerable.errors import InvalidInput, StoreUnavailable, UnknownId
from answerable.orchestrator.office import Office, open_office
from answerable.orchestrator.runs import get_run
from answerable.tracing.evidence.handing.readings import record_reading
from answerable.tracing.ledger.checkpointing import Checkpointing
from answerable.tracing.people import all_systems
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx, open_store
from answerable.tracing.storage.tables.approvals import decisions, delegations, requests, reviews
from answerable.tracing.storage.tables.people import credentials
from answerable.tracing.storage.tables.rules import rules
from answerable.tracing.storage.tables.runs import effects, runs, steps
from answerable.tracing.storage.tables.stops import freezes, holds

T = TypeVar("T")

_SHOWN: Final = 5
_BY_PREFIX: Final = {
    what: Statement(
        select(column)
        .where(func.substr(column, 1, bindparam("length", type_=Integer)) == bindparam("prefix"))
        .order_by(column)
        .limit(_SHOWN + 1)
    )
    for what, column in {
        "run": runs.c.id,
        "request": requests.c.id,
        "decision": decisions.c.id,
        "delegation": delegations.c.id,
        "effect": effects.c.id,
        "freeze": freezes.c.id,
        "review": reviews.c.id,
        "hold": holds.c.id,
        "rule": rules.c.id,
        "step": steps.c.id,
        "token": credentials.c.id,
        "binding": credentials.c.id,
    }.items()
}
_LISTED_BY: Final = {
    "run": "`answerable runs list` lists them",
    "request": "`answerable inbox --all` lists them",
    "effect": "`answerable effects list` lists them",
    "delegation": "`answerable delegations list --all` lists them",
    "freeze": "`answerable freezes` lists them",
    "review": "`answerable reviews list` lists them",
    "hold": "`answerable holds list` lists them",
    "rule": "`answerable rules list` lists them",
    "token": "`answerable token list` lists them",
    "binding": "`answerable people bindings` lists them",
    "step": "`answerable runs show RUN` lists them",
}


def at_office(store: str, work: Callable[[Office], Awaitable[T]], *, make: bool = False) -> T:
    """Do `work` at the office of the store at this URL; `make` it if it is not there. Raises: StoreError."""
    if not make:
        check_there(store)

    async def go() -> T:
        async with open_office(store) as office:
            return await work(office)

    return asyncio.run(go())


def read(store: str, work: Callable[[Tx], T]) -> T:
    """What `work` reads in the store at this URL. Raises: StoreError."""
    return at_office(store, lambda office: office.store.read(work))


def read_only(store: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do `work`, which only reads, on the store at this URL; a copy will do. Needs no key. Raises: StoreError."""
    check_there(store)

    async def go() -> T:
        opened = open_store(f"{store}?mode=ro" if store.startswith("sqlite:") and "?" not in store else store)
        try:
            return await work(opened)
        finally:
            opened.close()

    return asyncio.run(go())


def sign_store(store: str) -> None:
    """Sign and anchor what the store at this URL has, as far as it can be written and its key is here."""
    check_there(store)

    async def go() -> None:
        opened = open_store(store)
        try:
            await Checkpointing(opened).at_once()
        finally:
            opened.close()

    asyncio.run(go())


def read_evidence(store: str, work: Callable[[Tx], tuple[T, Iterable[str]]], *, by: str, what: str, form: str) -> T:
    """What `work` reads in the store at this URL, recorded as read by `by` (a handle) before it is returned.

    `work` returns it with the ids that it is about; `what` is the command, `form` how it will be shown. Needs no key.
    Raises: StoreError, InvalidInput.
    """
    check_there(store)
    check_handle(by)

    async def go() -> tuple[T, bool]:
        opened = open_store(store)
        try:
            found, about = await opened.read(work)
            recorded = await record_reading(opened, by=by, what=what, about=about, form=form)
            if recorded:
                await Checkpointing(opened).at_once()
            return found, recorded
        finally:
            opened.close()

    found, recorded = asyncio.run(go())
    if not recorded:
        to_stderr().print("this store cannot be written: that you read this is not recorded", soft_wrap=True)
    return found


def program_of_run(service: str, store: str, run: str) -> tuple[Program, str]:
    """The program of a run's system, not opened yet, and the run's whole id. Raises: UnknownId, InvalidInput."""
    row = read(store, lambda tx: get_run(tx, whole_id(tx, "run", run)))
    return find_program(service, row.system, store), row.id


def check_there(store: str) -> None:
    """Raises: StoreUnavailable if `store` is a file that is not there, or is empty."""
    try:
        url = make_url(store)
    except ArgumentError:
        return  # `open_store` says it
    file = url.database or ""
    if url.get_backend_name() == "sqlite" and file not in ("", ":memory:") and not _is_store(Path(file)):
        raise StoreUnavailable(
            f"there is no store at {file}",
            hint="name it with --store sqlite:///FILE, or make one: `answerable demo logistics`",
        )


def _is_store(file: Path) -> bool:
    """Whether there is anything; an empty file was cut, or touched: opening it would make a store in it."""
    try:
        return file.is_dir() or file.stat().st_size > 0
    except OSError:
        return False


def whole_id(tx: Tx, what: str, given: str) -> str:
    """The id of the one `what` (run, request, effect …) whose id begins with `given`. Raises: UnknownId."""
    found = [str(row[0]) for row in tx.all(_BY_PREFIX[what], prefix=given, length=len(given))] if given else []
    if given in found or len(found) == 1:
        return given if given in found else found[0]
    if not found:
        raise UnknownId(f"there is no {what} {given}", hint=_LISTED_BY.get(what, ""))
    more = ", …" if len(found) > _SHOWN else ""
    raise UnknownId(
        f"more than one {what} begins with {given}: {', '.join(found[:_SHOWN])}{more}", hint="give more of its id"
    )


def one_system(tx: Tx, given: str) -> str:
    """The system that is meant: the one that was given, or the only one there is. Raises: InvalidInput, UnknownId."""
    known = all_systems(tx)
    if given:
        if given not in known:
            raise UnknownId(f"this store has no system {given!r}", hint=f"it has: {', '.join(known) or 'none'}")
        return given
    if len(known) != 1:
        raise InvalidInput(
            f"which system? this store has {', '.join(known) or 'none yet'}", hint="name it with --system NAME"
        )
    return known[0]
