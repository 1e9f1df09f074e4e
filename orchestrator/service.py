"""A service: an app connected to a store, with its worker-side dependencies.

Every verb is async, with an `a` before its name, as in LangGraph; the blocking verb beside it runs the same on the
service's own event loop, so it works in a script and in a notebook.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import socket
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, Protocol, Self, TypeVar

from answerable.agents.messages import Message
from answerable.agents.nodes import Receiver
from answerable.agents.texts import check_handle, check_text
from answerable.approvals.accepting.accepting import declare
from answerable.approvals.accepting.standing import Standing, said_of
from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.answering import Once
from answerable.approvals.deciding.answers import Answer, Given
from answerable.approvals.node import AS_PROPOSED, Approval
from answerable.approvals.revoking import Revoked
from answerable.approvals.sealing.keys import open_key
from answerable.approvals.voting.delegations import Delegation
from answerable.approvals.who.identity import By, identified
from answerable.approvals.who.signatures import Signed
from answerable.errors import DeclarationError, StoreError, UnknownId
from answerable.orchestrator import engine, interventions
from answerable.orchestrator.blueprint import Blueprint, In, Out
from answerable.orchestrator.editing import edit_request
from answerable.orchestrator.office import Office
from answerable.orchestrator.places import rules_declared
from answerable.orchestrator.portal import Portal
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.reports import OpenRequest, Run, run_report
from answerable.orchestrator.running.starting import start_run
from answerable.orchestrator.running.worker import Worker
from answerable.orchestrator.runs import all_runs, get_run
from answerable.orchestrator.workers import worker_name
from answerable.tracing import freezes, people
from answerable.tracing.clock import Clock
from answerable.tracing.export.flow import Flow
from answerable.tracing.failpoints import failpoint
from answerable.tracing.freezes import Freeze
from answerable.tracing.people import PersonRow
from answerable.tracing.storage.store import Store, Tx, open_store

if TYPE_CHECKING:
    from answerable.orchestrator.compilation import CompiledGraph
    from answerable.orchestrator.runtime import Runtime
    from answerable.tracing.export.meters import Meters
    from answerable.tracing.export.processor import OutboxSpanProcessor

T = TypeVar("T")
P = ParamSpec("P")

_log = logging.getLogger(__name__)


def host_of_this_process() -> str:
    """NAME/ADDRESS of this machine, for the resources of spans; the loopback's address where it has no other."""
    name = platform.node()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = "127.0.0.1"
    return f"{name}/{address}"


def _checked(origins: Mapping[Receiver, str]) -> dict[str, str]:
    """Origins by the name of their receiver. Raises: DeclarationError."""
    from answerable.orchestrator.running.http import check_origin

    if not isinstance(origins, Mapping) or not all(
        isinstance(receiver, Receiver) and isinstance(origin, str) for receiver, origin in origins.items()
    ):
        raise DeclarationError(
            "origins= says where each receiver is, by its Receiver", hint="connect(…, origins={carrier: 'https://…'})"
        )
    return {receiver.name: check_origin(receiver.name, origin) for receiver, origin in origins.items()}


class HasPortal(Protocol):
    """What has blocking verbs."""

    portal: Portal


def blocking(
    verb: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """The blocking form of an async verb: the same, on the service's own event loop."""

    @wraps(verb)
    def call(self: HasPortal, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.portal.call(verb, self, *args, **kwargs)

    return call


class Service(Generic[In, Out]):
    """An app on a store; made by `App.connect`, used as a context manager, blocking or async."""

    def __init__(
        self,
        app: Blueprint[In, Out],
        url: str,
        *,
        origins: Mapping[Receiver, str],
        deps: Callable[[], Any] | None,
        clock: Clock | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.app = app
        self.url = url
        self._origins = _checked(origins)
        self._deps = deps
        self._clock = clock
        self._watchers: list[Callable[[Progress], None]] = [progress] if progress else []
        self.portal = Portal()
        self._runtime: Runtime | None = None
        self._office: Office | None = None
        self._flow: Flow | None = None
        self._flowing: asyncio.Task[None] | None = None
        self._meters: Meters | None = None
        self.people = People(self)

    # -- opening and closing ------------------------------------------------------------------------------------------

    async def aopen(self) -> None:
        """Connect: open the store, its key and its system. Raises: StoreError; RuntimeError if it is open already."""
        # What these load (LangGraph, OpenTelemetry's SDK) is for a service that is open: docs/decisions/0033-start.md
        from answerable.orchestrator.runtime import Runtime
        from answerable.tracing.export.meters import open_meters

        if self._office is not None:
            raise RuntimeError("the service is open already: close it before you open it again")
        store = open_store(self.url, clock=self._clock)
        try:
            graph, name = self.app.graph, worker_name()
            self._flow, key = Flow(store), await open_key(store)
            worker = Worker(
                graph=graph,
                store=store,
                key=key,
                name=name,
                host=host_of_this_process(),
                deps=self._deps() if self._deps else None,
                origins=self._origins,
                types=self.app.message_types,
                progress=self._tell,
                sampled=self._flow.settings.samples,
                committed=self._flow.nudge,
            )
            version, now, declared = self.app.version, store.clock.now(), rules_declared(graph)

            def register(tx: Tx) -> list[str]:
                people.register_system(tx, graph.system, responsible=graph.responsible, version=version, at=now)
                waiting = declare(tx, key, graph.system, declared, version=version, at=now)
                failpoint("connect:before-commit")
                return [said_of(tx, one, declared[one.approval]) for one in waiting]

            for said in await store.write(register, durable=True):
                _log.warning("%s", said)
            failpoint("connect:after-commit")
            self._meters = await open_meters(store, self._flow.settings)
        except BaseException:
            store.close()
            raise
        self._office = Office(store, key, committed=self._flow.nudge)
        self._runtime = Runtime(worker, self.app.version)
        self._flowing = asyncio.create_task(self._flow.run())

    async def aclose(self) -> None:
        """Hand over what is left, and close, each part though another fails. Nothing is lost by not doing so."""
        async with AsyncExitStack() as closing:  # the last one first
            if self._office is not None:
                closing.callback(self._office.store.close)
            if self._meters is not None:
                closing.push_async_callback(self._meters.aclose)
            if self._runtime is not None:
                closing.push_async_callback(self._runtime.close)
            if self._flow is not None and self._flowing is not None:
                closing.push_async_callback(self._hand_over, self._flow, self._flowing)
        self._office = self._runtime = self._flow = self._flowing = self._meters = None

    async def _hand_over(self, flow: Flow, flowing: asyncio.Task[None]) -> None:
        flow.close()
        with suppress(StoreError):  # of a store that is full or gone; another process hands over what it holds
            await flow.drain(30.0, patience_seconds=5.0)
        flowing.cancel()
        await asyncio.gather(flowing, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.aopen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        self.portal.start()
        try:
            self.portal.call(self.aopen)
        except BaseException:
            self.portal.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.portal.running:
            return
        try:
            self.portal.call(self.aclose)
        finally:
            self.portal.stop()

    @property
    def origins(self) -> Mapping[str, str]:
        """Where its receivers are, by name."""
        return self._origins

    @property
    def store(self) -> Store:
        """The open store."""
        return self.office.store

    @property
    def office(self) -> Office:
        """What people do to the store, whatever the app."""
        if self._office is None:
            raise RuntimeError("the service is not open: use `with app.connect(…) as service:`")
        return self._office

    @property
    def runtime(self) -> Runtime:
        """What runs the app here."""
        if self._runtime is None:
            raise RuntimeError("the service is not open: use `with app.connect(…) as service:`")
        return self._runtime

    @property
    def flow(self) -> Flow:
        """What follows the ledger: sequencing, spans, their delivery."""
        if self._flow is None:
            raise RuntimeError("the service is not open: use `with app.connect(…) as service:`")
        return self._flow

    def span_processor(self) -> OutboxSpanProcessor:
        """For `TracerProvider.add_span_processor`: other libraries' spans within a step go through our outbox."""
        from answerable.tracing.export.processor import OutboxSpanProcessor

        return OutboxSpanProcessor(self.flow)

    @property
    def langgraph(self) -> CompiledGraph:
        """The compiled graph, for LangGraph's own drawing and streaming. A run's id is its thread id."""
        return self.runtime.langgraph

    @contextmanager
    def watching(self, watcher: Callable[[Progress], None]) -> Iterator[None]:
        """Have `watcher` told, on the service's loop, what happens in runs here, as long as the context lasts."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    # -- runs ---------------------------------------------------------------------------------------------------------

    async def arun(self, run_input: In, *, by: str, run_id: str | None = None) -> Run[Out]:
        """Begin a run for the person or process `by`, and return when it is done, or waits for a person.

        Raises: InvalidMessage, StoreError; RunBusy if a run of that id is being worked on elsewhere.
        """
        check_handle(by)
        run = await start_run(self.runtime.worker, self.app.version, run_input, by=by, run_id=run_id)
        return await self.aresume(run)

    async def aresume(self, run: str) -> Run[Out]:
        """Go on with a run as far as it goes. Raises: RunBusy, VersionGone, UnknownId, StoreError."""
        await self.runtime.advance(run)
        return await self.aget(run)

    async def aserve(self) -> None:
        """Work until cancelled: whatever run of this app is decided, overdue or left behind is advanced here."""
        await engine.serve(self.runtime)

    async def aget(self, run: str) -> Run[Out]:
        """A run as it stands. Raises: UnknownId."""
        return await self.store.read(lambda tx: run_report(tx, get_run(tx, run), self.runtime.worker))

    async def aruns(self) -> list[Run[Out]]:
        """All runs of this system, oldest first."""
        system, worker = self.app.graph.system, self.runtime.worker
        return await self.store.read(
            lambda tx: [run_report(tx, row, worker) for row in all_runs(tx) if row.system == system]
        )

    async def acancel(self, run: str, *, by: By, reason: str) -> None:
        """End a run: nothing of it is begun or sent any more. Raises: UnknownId, InvalidInput if it is over."""
        await self.office.cancel(run, by=by, reason=reason)

    async def aretry(self, run: str, step: str, *, by: By, reason: str) -> Run[Out]:
        """Have a recorded step run anew, with everything that followed from it, and go on.

        Raises: UnknownId, InvalidInput if something that followed was sent already.
        """
        who = identified(by)
        await self.office.act_as(
            who, reason, lambda tx, now: interventions.retry(tx, run, step, by=who.handle, reason=reason, at=now)
        )
        return await self.aresume(run)

    async def amigrate(self, run: str, *, by: By, reason: str) -> None:
        """Move a run to this version of the app, by a named decision. Raises: UnknownId, InvalidInput."""
        graph, version, who = self.app.graph, self.app.version, identified(by)
        await self.office.act_as(
            who,
            reason,
            lambda tx, now: interventions.migrate(
                tx, graph, run, version=version, by=who.handle, reason=reason, at=now
            ),
        )

    async def asettle(
        self,
        effect: str,
        *,
        outcome: Literal["done", "failed", "again"],
        by: By,
        reason: str,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what became of a call in doubt: "done" (with what it answered), "failed", or "again".

        Raises: UnknownId, InvalidInput, InvalidMessage.
        """
        graph, who = self.app.graph, identified(by)
        await self.office.act_as(
            who,
            reason,
            lambda tx, now: interventions.settle(
                tx, graph, effect, outcome=outcome, by=who.handle, reason=reason, result=result, at=now
            ),
        )

    # -- decisions ----------------------------------------------------------------------------------------------------

    async def arequests(self, *, open_only: bool = True) -> list[OpenRequest]:
        """Requests, the soonest deadline first; or all, oldest first."""
        return await self.office.requests(open_only=open_only)

    async def arequest(self, request: str) -> OpenRequest:
        """One request. Raises: UnknownId."""
        return await self.office.request(request)

    async def aapprove(
        self, request: str, *, option: str = AS_PROPOSED, by: By, reason: str = "", for_person: str = ""
    ) -> Given:
        """Choose an option: the decision, or a vote that waits for others; `for_person` is whose delegate acts, if any.

        Raises: NotEligible, AlreadyDecided, NotOpen, InvalidInput, UnknownId.
        """
        return await self.office.approve(request, option=option, by=by, reason=reason, for_person=for_person)

    async def areject(self, request: str, *, by: By, reason: str, code: str = "", for_person: str = "") -> Given:
        """Say no, with a code of `approvals.reasons.CODES`: the decision, or a vote where it takes several noes.

        Raises: NotEligible, AlreadyDecided, NotOpen, InvalidInput, UnknownId.
        """
        return await self.office.reject(request, by=by, reason=reason, code=code, for_person=for_person)

    async def abreak_glass(self, request: str, *, option: str = AS_PROPOSED, by: By, code: str, reason: str) -> Given:
        """Choose an option alone, in an emergency, as somebody who may break the glass. It is reviewed.

        Raises: NotEligible, AlreadyDecided, NotOpen, InvalidInput, UnknownId.
        """
        return await self.office.break_glass(request, option=option, by=by, code=code, reason=reason)

    async def arespond(self, request: str, text: str, *, by: By, seen: str = "", once: Once | None = None) -> Given:
        """Answer with a text, which leaves by `approval.response`. `seen` and `once` as in `Office.decide`.

        Raises: NotEligible, AlreadyDecided, NotOpen, InvalidInput (also where no edge takes it), UnknownId.
        """
        row = await self.store.read(lambda tx: get_request(tx, request))
        interventions.check_response(self.app.graph, row.approval)
        return await self.office.decide(request, Answer(outcome="answered", reason=text), by=by, seen=seen, once=once)

    async def aedit(
        self,
        request: str,
        message: Message | Mapping[str, Any],
        *,
        by: By,
        reason: str = "",
        seen: str = "",
        once: Once | None = None,
        signed: Signed | None = None,
    ) -> OpenRequest:
        """Propose another message instead: a new request, for somebody else to decide.

        `seen` and `once` as in `Office.decide`; `signed` is the person's own signature of it.

        Raises: InvalidMessage, NotEligible, AlreadyDecided, NotOpen, NotAsShown, UnknownId.
        """
        check_text("the reason", reason)
        await self.office.escalate_due()
        made = await edit_request(
            self.runtime,
            request,
            message,
            by=identified(by),
            reason=reason,
            seen=seen,
            once=once,
            signed=signed,
            budget=self.office.budget,
        )
        return await self.arequest(made)

    async def arevoke(self, decision: str, *, code: str, by: By, reason: str) -> Revoked:
        """Make void what a decision released and was not sent; where nothing was, it is asked anew on `resume`.

        `code` is one of `approvals.reasons.CODES`. Raises: InvalidInput, UnknownId, NotEligible, NotOpen.
        """
        return await self.office.revoke(decision, code=code, by=by, reason=reason)

    async def aaccept_exemption(self, approval: str, *, by: By) -> None:
        """The RI lets the exemption of an approval, in its present version, be used. Raises: NotEligible, UnknownId."""
        node, system = self.app.graph.nodes.get(approval), self.app.graph.system
        if not isinstance(node, Approval):
            raise UnknownId(f"{system!r} has no approval {approval!r}")
        await self.office.accept_exemption(system, node, by=by)

    async def aaccept_approval(self, approval: str, *, by: By, digest: str = "") -> Standing:
        """The RI puts the rules of deciding in force that are proposed for an approval; of several, those of `digest`.

        Raises: NotEligible, NotSureEnough, InvalidInput, NotAsShown, UnknownId.
        """
        return await self.office.accept_approval(self.app.graph.system, approval, by=by, digest=digest)

    async def adecline_approval(self, approval: str, *, by: By, reason: str, digest: str = "") -> Standing:
        """The RI declines the rules of deciding that are proposed for an approval; of several, those of `digest`.

        Raises: NotEligible, InvalidInput, NotAsShown, AlreadyDecided, UnknownId.
        """
        return await self.office.decline_approval(self.app.graph.system, approval, by=by, reason=reason, digest=digest)

    # -- stops and handovers ------------------------------------------------------------------------------------------

    async def afreeze(self, target: str = freezes.WHOLE_SYSTEM, *, by: By, reason: str) -> Freeze:
        """Stop new steps and sends of "system", "agent:NAME", "edge:ID" or "effect:NAME".

        Raises: InvalidInput, UnknownId.
        """
        interventions.check_target(self.app.graph, target)
        return await self.office.freeze(self.app.graph.system, target, by=by, reason=reason)

    async def afreeze_state(self, freeze: str) -> Freeze:
        """A freeze as it stands: committed, quiesced or lifted, and the calls that it still waits for."""
        return await self.office.freeze_state(freeze)

    async def afreezes(self) -> list[Freeze]:
        """The freezes that were not lifted."""
        return await self.office.freezes(self.app.graph.system)

    async def athaw(self, freeze: str, *, by: By, reason: str) -> None:
        """Lift a freeze. Runs go on when they are resumed. Raises: UnknownId, InvalidInput."""
        await self.office.thaw(freeze, by=by, reason=reason)

    async def ahandover(self, *, to: str, by: By, reason: str) -> None:
        """The RI offers the system; nothing is sent until the successor accepts. Raises: NotEligible, UnknownId."""
        await self.office.handover(self.app.graph.system, to=to, by=by, reason=reason)

    async def aaccept_handover(self, *, by: By) -> None:
        """The successor answers for the system from here on. Raises: NotEligible, UnknownId."""
        await self.office.accept_handover(self.app.graph.system, by=by)

    def _tell(self, progress: Progress) -> None:
        for watcher in tuple(self._watchers):
            try:
                watcher(progress)
            except Exception:  # noqa: BLE001 - who looks on never stops a run, least of all between commit and call
                _log.exception("a watcher raised at %s %s of %s", progress.node, progress.state, progress.run)

    # -- the same, blocking -------------------------------------------------------------------------------------------

    run, resume, get, runs = blocking(arun), blocking(aresume), blocking(aget), blocking(aruns)
    serve = blocking(aserve)
    cancel, retry, migrate, settle = blocking(acancel), blocking(aretry), blocking(amigrate), blocking(asettle)
    requests, request = blocking(arequests), blocking(arequest)
    approve, reject = blocking(aapprove), blocking(areject)
    respond, edit, revoke = blocking(arespond), blocking(aedit), blocking(arevoke)
    break_glass = blocking(abreak_glass)
    accept_exemption, accept_approval = blocking(aaccept_exemption), blocking(aaccept_approval)
    decline_approval = blocking(adecline_approval)
    freeze, thaw = blocking(afreeze), blocking(athaw)
    freezes, freeze_state = blocking(afreezes), blocking(afreeze_state)
    handover, accept_handover = blocking(ahandover), blocking(aaccept_handover)


class People:
    """The registry of people, as a service's user reaches it."""

    def __init__(self, service: Service[Any, Any]) -> None:
        self._service = service
        self.portal = service.portal

    async def aadd(
        self, handle: str, *, name: str = "", contact: str = "", roles: Iterable[str] = (), teams: Iterable[str] = ()
    ) -> PersonRow:
        """Register a person, or give a registered one other roles and teams. Raises: InvalidInput."""
        return await self._service.office.people.add(handle, name=name, contact=contact, roles=roles, teams=teams)

    async def aall(self) -> list[PersonRow]:
        """Everybody, by handle."""
        return await self._service.office.people.all()

    async def adelegate(
        self, *, by: By, to: str, seconds: float, system: str = "", approval: str = "", reason: str
    ) -> Delegation:
        """The person `by` lets `to` decide in their place: everywhere, in a system, or at one approval of it.

        Raises: UnknownId, InvalidInput, NotAuthenticated.
        """
        where = {"system": system, "approval": approval}
        return await self._service.office.people.delegate(by=by, to=to, seconds=seconds, reason=reason, **where)

    async def adelegations(self) -> list[Delegation]:
        """Every delegation that was made, oldest first."""
        return await self._service.office.people.delegations()

    async def arevoke_delegation(self, delegation: str, *, by: By, reason: str) -> Delegation:
        """End a delegation at once. Raises: UnknownId, NotEligible, InvalidInput, NotAuthenticated."""
        return await self._service.office.people.revoke_delegation(delegation, by=by, reason=reason)

    add, all = blocking(aadd), blocking(aall)
    delegate, delegations, revoke_delegation = (
        blocking(adelegate),
        blocking(adelegations),
        blocking(arevoke_delegation),
    )
