"""A service: an app connected to a store, with its worker-side dependencies.

Every verb is async, with an `a` before its name, as in LangGraph; the blocking verb beside it runs the same on the
service's own event loop, so it works in a script and in a notebook.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self

from answerable.agents.messages import Message
from answerable.agents.nodes import Receiver
from answerable.agents.texts import check_handle, check_text
from answerable.approvals.accepting.standing import Standing
from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.answering import Once
from answerable.approvals.deciding.answers import Answer, Given
from answerable.approvals.node import AS_PROPOSED, Approval
from answerable.approvals.revoking import Revoked
from answerable.approvals.who.identity import By, identified
from answerable.approvals.who.signatures import Signed
from answerable.errors import UnknownId
from answerable.orchestrator import engine, interventions
from answerable.orchestrator.blueprint import Blueprint, In, Out
from answerable.orchestrator.editing import edit_request
from answerable.orchestrator.office import Office
from answerable.orchestrator.opening import Opened, checked_origins, open_app
from answerable.orchestrator.portal import Portal, blocking
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.registry import People
from answerable.orchestrator.reports import OpenRequest, Run, run_report
from answerable.orchestrator.running.starting import start_run
from answerable.orchestrator.runs import all_runs, get_run
from answerable.tracing import freezes
from answerable.tracing.clock import Clock
from answerable.tracing.export.flow import Flow
from answerable.tracing.freezes import Freeze
from answerable.tracing.storage.store import Store

if TYPE_CHECKING:
    from answerable.orchestrator.compilation import CompiledGraph
    from answerable.orchestrator.runtime import Runtime
    from answerable.tracing.export.processor import OutboxSpanProcessor


_log = logging.getLogger(__name__)


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
        self._origins = checked_origins(origins)
        self._deps = deps
        self._clock = clock
        self._watchers: list[Callable[[Progress], None]] = [progress] if progress else []
        self.portal = Portal()
        self._opened: Opened | None = None
        self.people = People(self)

    # -- opening and closing ------------------------------------------------------------------------------------------

    async def aopen(self) -> None:
        """Connect: open the store, its key and its system. Raises: StoreError; RuntimeError if it is open already."""
        if self._opened is not None:
            raise RuntimeError("the service is open already: close it before you open it again")
        self._opened = await open_app(
            self.app, self.url, origins=self._origins, deps=self._deps, clock=self._clock, progress=self._tell
        )

    async def aclose(self) -> None:
        """Hand over what is left, and close, each part though another fails. Nothing is lost by not doing so."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

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
    def _open(self) -> Opened:
        if self._opened is None:
            raise RuntimeError("the service is not open: use `with app.connect(…) as service:`")
        return self._opened

    @property
    def office(self) -> Office:
        """What people do to the store, whatever the app."""
        return self._open.office

    @property
    def runtime(self) -> Runtime:
        """What runs the app here."""
        return self._open.runtime

    @property
    def flow(self) -> Flow:
        """What follows the ledger: sequencing, spans, their delivery."""
        return self._open.flow

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
