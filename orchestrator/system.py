"""A system as its user declares it.

1. A declaration that cannot be is refused at its own line; what only the whole can show is found by `build`.
2. A function that is declared becomes a typed node, so that a wrong edge is an error in the editor.
3. Nothing here runs a user's function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

from pydantic import BaseModel

from answerable.agents.calls import Call
from answerable.agents.hints import is_message, read_signature
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START, Agent, Effect, Node, Receiver, Source, Target
from answerable.agents.options import DAY, Retry
from answerable.agents.people import Whom
from answerable.agents.prioritization import Demand
from answerable.approvals.asking.quotas import DEFAULT_QUOTA, Quota
from answerable.approvals.node import Approval, BreakGlass, Exemption
from answerable.errors import DeclarationError
from answerable.orchestrator.app import App
from answerable.orchestrator.declaring.approvals import read_approval
from answerable.orchestrator.declaring.building import build_graph
from answerable.orchestrator.declaring.clocks import LONGEST_SECONDS
from answerable.orchestrator.declaring.declared import Declaration, DeclaredEdge, DeclaredLoop
from answerable.orchestrator.declaring.decorators import AgentDecorator, OpaqueEffectDecorator
from answerable.orchestrator.declaring.edges import read_edge
from answerable.orchestrator.declaring.functions import read_effect, read_opaque_effect, read_transactional_effect
from answerable.orchestrator.declaring.nodes import check_name, options_of
from answerable.orchestrator.graph import Demands

A = TypeVar("A")
I = TypeVar("I", bound=Message)  # noqa: E741 - the input, beside O, the output
O = TypeVar("O", bound=Message)  # noqa: E741 - the output, beside I, the input
M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Message)
T = TypeVar("T")


class System:
    """A named multi-agent system. `responsible` is the handle of its Responsible Individual.

    `tiers` are its criticality classes, from most to least critical. After a wait of more than `segment_after` seconds,
    a run goes on in a new trace; without it, each run is one trace.

    Raises: DeclarationError if the name is none, nobody is responsible, a tier is named twice, or the time is none.
    """

    def __init__(
        self, name: str, *, responsible: str, tiers: Sequence[str] = (), segment_after: float | None = None
    ) -> None:
        check_name(name, what="a system")
        if not responsible.strip():
            raise DeclarationError(f"system {name!r} has no Responsible Individual", hint="give responsible=, a handle")
        if isinstance(tiers, str) or len(set(tiers)) != len(tiers) or not all(tiers):
            raise DeclarationError(f"system {name!r}: {tiers!r} is no list of tiers", hint="name each tier once")
        if segment_after is not None and not 0 < segment_after <= LONGEST_SECONDS:
            raise DeclarationError(
                f"system {name!r}: segment_after is {segment_after!r}",
                hint="more than 0 seconds, a day for example: DAY",
            )
        self.name = name
        self.segment_after = segment_after
        self.responsible = responsible
        self.tier_order = tuple(tiers)
        self._nodes: dict[str, Node[Any, Any]] = {}
        self._gates: dict[str, Approval[Any]] = {}
        self._edges: list[DeclaredEdge] = []
        self._loops: list[DeclaredLoop] = []
        self._demands: Demands | None = None
        self._demands_of: type[Message] | None = None

    def agent(
        self,
        *,
        owner: str,
        retry: int | Retry = 1,
        timeout: float | None = None,
        limit: int = 16,
        name: str | None = None,
        acts_for: str = "",
    ) -> AgentDecorator:
        """Declare an agent: a function, async or plain, from one or more messages to one (or None).

        `owner` answers for its quality. `retry` is how many tries it has (or a `Retry`), `timeout` the time limit of a
        try in seconds, `limit` how many of its steps run side by side. `name` is the function's, if not given.
        `acts_for` is the handle of a person as whom it counts: they do not decide what it led to.
        """

        def declare(fn: Callable[..., Any]) -> Agent[Any, Any]:
            called = fn.__name__ if name is None else name
            what = f"agent {called!r}"
            if not owner.strip():
                raise DeclarationError(f"{what} has no owner", hint="give owner=, the handle of a person or team")
            signature = read_signature(fn, what=what)
            node: Agent[Any, Any] = Agent(
                called,
                fn,
                inputs=signature.inputs,
                outputs=signature.outputs,
                context=signature.context,
                optional=signature.optional,
                owner=owner,
                options=options_of(retry, timeout, limit, what=what),
                acts_for=acts_for,
            )
            self._add(node, what=what)
            return node

        return declare

    def effect(
        self,
        name: str,
        *,
        to: Receiver,
        guarantee: Literal["idempotent", "queryable", "at_most_once"],
        gate: Approval[Any] | None = None,
        retry: int | Retry = 3,
        timeout: float = 30,
        owner: str = "",
        query: Callable[[Any], Call[Any]] | None = None,
    ) -> Callable[[Callable[[A], Call[R]]], Effect[A, R]]:
        """Declare an outgoing call: a generator from a message that yields one request and reads its response.

        `guarantee` is what the receiver promises. `gate` is the approval that is put before it, where its edges do not
        come from one. `query`, for a `queryable` receiver, describes the call that asks what became of a first one.
        """
        what = f"effect {name!r}"
        if guarantee not in ("idempotent", "queryable", "at_most_once"):
            raise DeclarationError(f"{what}: {guarantee!r} is no guarantee that a receiver can give")
        if (query is not None) != (guarantee == "queryable"):
            raise DeclarationError(
                f"{what}: query= and guarantee='queryable' belong together",
                hint="say how to ask the receiver what became of a call, or declare a weaker guarantee",
            )

        def declare(fn: Callable[[A], Call[R]]) -> Effect[A, R]:
            taken, given = read_effect(fn, what=what)
            node: Effect[A, R] = Effect(
                name,
                fn,
                input=taken,
                output=given,
                receiver=to,
                guarantee=guarantee,
                gate=None if gate is None else gate.name,
                owner=owner,
                options=options_of(retry, timeout, 16, what=what),
                query=query,
            )
            self._add_effect(node, gate, what=what)
            return node

        return declare

    def opaque_effect(
        self,
        name: str,
        *,
        guarantee: Literal["at_most_once", "transactional"],
        gate: Approval[Any] | None = None,
        timeout: float | None = 30,
        owner: str = "",
    ) -> OpaqueEffectDecorator:
        """Declare an effect that does its own I/O, for a vendor's SDK or a database, from a message to a message.

        The function is async or plain; a transactional one is plain, and takes the store's open `Transaction` before
        its message. It is bound to its message and not to bytes: what is approved is the message, not what the function
        makes of it.
        """
        what = f"opaque effect {name!r}"
        if guarantee not in ("at_most_once", "transactional"):
            raise DeclarationError(f"{what}: {guarantee!r} is no guarantee that a function with I/O can give")

        def declare(fn: Callable[..., Any]) -> Effect[Any, Any]:
            read = read_transactional_effect if guarantee == "transactional" else read_opaque_effect
            taken, given = read(fn, what=what)
            node: Effect[Any, Any] = Effect(
                name,
                fn,
                input=taken,
                output=given,
                receiver=None,
                guarantee=guarantee,
                gate=None if gate is None else gate.name,
                owner=owner,
                options=options_of(1, timeout, 16, what=what),
            )
            self._add_effect(node, gate, what=what)
            return node

        return declare

    def approval(
        self,
        name: str,
        *,
        of: type[M],
        by: Whom,
        within: float,
        exempt: Exemption | None = None,
        options: Callable[[M, Any], Mapping[str, Message]] | None = None,
        context: Callable[[M, Any], BaseModel] | None = None,
        denials: int = 1,
        value: Callable[[M, Any], int] | None = None,
        above: Mapping[int, Whom] | None = None,
        may_decide_own: bool = False,
        requires: Literal["", "token", "oidc", "signed"] = "",
        fresh: int = 0,
        quota: Quota = DEFAULT_QUOTA,
        owner: str = "",
        execute_within: float = DAY,
        facts: Callable[[M, Any], Mapping[str, Any] | Awaitable[Mapping[str, Any]]] | None = None,
        escalate: Mapping[float, Whom] | None = None,
        break_glass: BreakGlass | None = None,
    ) -> Approval[M]:
        """Declare a node that a message passes only with a decision `by` somebody, `within` so many seconds.

        `by` names a role or a person, or says who it takes: `quorum(2, role("lead")) & role("pharmacist")`; `denials`
        is how many noes are final. `value` says what an option is worth, from its message and the run's input; `above`
        says who it takes instead where that is more than a limit.
        `exempt` may let a message pass without asking; `options` computes alternatives, from the message and the run's
        input, by name; `context` makes of each what standing rules see of it. `may_decide_own` allows a person to
        approve what they requested or caused; the record says so. `requires` is how sure we have to be, at least, of
        who decides; `fresh` how many seconds old their login may be. What asks more than the `quota` allows is frozen.
        What a decision releases is sent within `execute_within` seconds of it, or not at all. `facts` names what the
        message rests on, from it and the run's input: where that has moved before sending, it is asked anew.
        `escalate` says who may decide as well after so many seconds: `{1 * HOUR: role("ops-manager")}`; `break_glass`,
        who may approve alone at once, under lower caps, to be reviewed.
        """
        node = read_approval(
            name,
            of=of,
            by=by,
            within=within,
            exempt=exempt,
            options=options,
            context=context,
            denials=denials,
            value=value,
            above=above,
            may_decide_own=may_decide_own,
            requires=requires,
            fresh=fresh,
            quota=quota,
            owner=owner,
            execute_within=execute_within,
            facts=facts,
            escalate=escalate,
            break_glass=break_glass,
        )
        self._add(node, what=f"approval {name!r}")
        return node

    def tiers(
        self, input_type: type[I]
    ) -> Callable[[Callable[[I], Mapping[str, Demand]]], Callable[[I], Mapping[str, Demand]]]:
        """Declare the function that tells from the run's input which items there are, and the tier of each."""

        def declare(fn: Callable[[I], Mapping[str, Demand]]) -> Callable[[I], Mapping[str, Demand]]:
            if not self.tier_order:
                raise DeclarationError(f"system {self.name!r} has no tiers", hint="give System(…, tiers=[…])")
            if self._demands is not None:
                raise DeclarationError(f"system {self.name!r}: the tiers of its items are declared twice")
            self._demands = fn
            self._demands_of = input_type
            return fn

        return declare

    @overload
    def edge(
        self,
        source: Source[T],
        target: Target[T],
        *,
        purpose: str,
        to: str | None = None,
        when: Callable[[T], bool] | None = None,
    ) -> None: ...
    @overload
    def edge(
        self,
        source: Source[Any],
        target: Target[Any],
        *,
        purpose: str,
        carries: type[Message] | tuple[type[Message], ...],
        to: str | None = None,
        when: Callable[[Any], bool] | None = None,
    ) -> None: ...
    @overload
    def edge(
        self,
        source: Source[Any],
        target: Target[Any],
        *,
        purpose: str,
        each: str,
        carries: type[Message] | tuple[type[Message], ...] | None = None,
        to: str | None = None,
        when: Callable[[Any], bool] | None = None,
    ) -> None: ...
    @overload
    def edge(
        self,
        source: Source[Any],
        target: Target[Any],
        *,
        purpose: str,
        gather: Literal[True],
        carries: type[Message] | tuple[type[Message], ...] | None = None,
        to: str | None = None,
        when: Callable[[Any], bool] | None = None,
    ) -> None: ...
    def edge(
        self,
        source: Source[Any],
        target: Target[Any],
        *,
        purpose: str,
        carries: type[Message] | tuple[type[Message], ...] | None = None,
        to: str | None = None,
        when: Callable[[Any], bool] | None = None,
        each: str | None = None,
        gather: bool = False,
    ) -> None:
        """Declare that messages go from `source` to `target`, and for what `purpose`.

        `carries` and `to` (a parameter's name) say which type and input are meant, where that is not exactly one.
        `when` is a named condition on each message. `each` names the list that is taken apart, side by side;
        `gather` brings the results of one such list together again, as `list[Ended[T]]`.

        Raises: DeclarationError if it cannot be; whether it fits the rest is found by `build`.
        """
        what = f"edge {source!r} → {target!r}"
        if not isinstance(source, Source) or not isinstance(target, Target):
            raise DeclarationError(f"{what} goes between two nodes", hint="decorate the function with @system.agent(…)")
        self._check_mine(source.node, source, what=what)
        self._check_mine(target.node, target, what=what)
        self._edges.append(
            read_edge(
                source, target, purpose=purpose, carries=carries, to=to, when=when, each=each, gather=gather, what=what
            )
        )

    def loop(self, *nodes: Node[Any, Any], at_most: int, then: Target[Any]) -> None:
        """Declare that these nodes may repeat, `at_most` rounds for each message that enters.

        What would begin one round more goes to `then`, which lies outside of the loop.

        Raises: DeclarationError if there are no nodes, or no rounds.
        """
        what = f"loop {'+'.join(repr(node) for node in nodes)}"
        if not all(isinstance(node, Node) for node in nodes) or not isinstance(then, Target):
            raise DeclarationError(f"{what} is made of nodes", hint="name agents, approvals and effects of this system")
        if not nodes or len(set(nodes)) != len(nodes):
            raise DeclarationError(f"{what} must name each of its nodes once")
        for node in (*nodes, then):
            self._check_mine(node.node, node, what=what)
        if at_most < 1:
            raise DeclarationError(f"{what}: at_most={at_most} leaves no round", hint="allow at least 1")
        self._loops.append(DeclaredLoop(nodes=tuple(node.name for node in nodes), at_most=at_most, then=then))

    def build(self, input: type[I], output: type[O]) -> App[I, O]:
        """Check everything together and return the app that goes from `input` to `output`. No database is needed.

        Raises: GraphError with every mistake that was found.
        """
        for kind in (input, output):
            if not is_message(kind):
                raise DeclarationError(f"system {self.name!r}: {kind!r} is no message type")
        graph = build_graph(
            Declaration(
                system=self.name,
                responsible=self.responsible,
                tiers=self.tier_order,
                segment_after=self.segment_after,
                demands=self._demands,
                demands_of=self._demands_of,
                nodes=dict(self._nodes),
                gates=dict(self._gates),
                edges=tuple(self._edges),
                loops=tuple(self._loops),
                input_type=input,
                output_type=output,
            )
        )
        return App(graph)

    def _add(self, node: Node[Any, Any], *, what: str) -> None:
        check_name(node.name, what=what)
        if node.name in self._nodes:
            raise DeclarationError(
                f"{what}: system {self.name!r} has another node of that name", hint="give one of them another name"
            )
        self._nodes[node.name] = node

    def _add_effect(self, node: Effect[Any, Any], gate: Approval[Any] | None, *, what: str) -> None:
        if gate is not None:
            self._check_mine(gate.name, gate, what=what)
        self._add(node, what=what)
        if gate is not None:
            self._gates[node.name] = gate

    def _check_mine(self, name: str, end: Source[Any] | Target[Any], *, what: str) -> None:
        """Refuse a node, or a port of one, that another system declared."""
        node = self._nodes.get(name)
        mine: list[object] = [START, END, node]
        if isinstance(node, Approval):
            mine += [node.denied, node.response]
        if not any(end is known for known in mine if known is not None):
            raise DeclarationError(f"{what}: {end!r} is no node of system {self.name!r}")
