"""Random worlds for hypothesis: `valid_worlds` are meant to be right, `changed_worlds` have something changed in them.

A valid world grows region by region. A region is a part of the system whose messages have scopes of one shape: the
whole run, the items of one scatter, the rounds of one loop. What is open in it are *outlets*: outputs that may be tied
to what comes next, in this region or in one inside of it. A region is closed when nothing is left that has to be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from hypothesis import strategies as st

from answerable.agents.messages import Message
from answerable.agents.outcomes import Expired, Rejected, Response
from answerable.approvals.node import DENIED, RESPONSE
from answerable.orchestrator.graph import END_NAME, START_NAME
from tests.reference.specs import (
    AgentSpec,
    ApprovalSpec,
    EdgeSpec,
    EffectSpec,
    Kinds,
    LoopSpec,
    Takes,
    World,
)
from tests.reference.systems import Again, Batch, Item

Shape: TypeAlias = tuple[str, ...]
NodeSpec: TypeAlias = AgentSpec | ApprovalSpec | EffectSpec

OPERATIONS = ("agent", "join", "join", "scatter", "scatter", "loop", "loop", "approval", "effect")
DEEPEST = 3
INPUTS: list[type[Message]] = [Item, Batch]
OUTPUTS: list[Kinds] = [(Item,), (Item,), (Batch,), (Item, Batch)]


@dataclass(eq=False)
class Outlet:
    """An output of a node: what may be tied to it crosses with scopes of this shape. `needed` until something is."""

    source: str
    kinds: Kinds
    shape: Shape
    port: str = ""
    needed: bool = True


@dataclass
class Region:
    """A part of the system. `loop` is its header if it is a loop; `in_loop` says that it is one or lies in one."""

    shape: Shape
    outlets: list[Outlet]
    outer: Region | None = None
    header: str = ""
    answers: bool = False  # whether the header takes responses
    in_loop: bool = False
    returns: list[Outlet] = field(default_factory=list)  # what else begins another round of the loop
    passed_on: Kinds = ()  # what loops inside give to the header when their budget is used up

    def visible(self) -> list[Outlet]:
        """The outlets of this region and of those around it."""
        return [*self.outlets, *(self.outer.visible() if self.outer else [])]


class Grower:
    """A world in growth."""

    def __init__(self, draw: st.DrawFn, *, most_nodes: int) -> None:
        self.draw = draw
        self.left = most_nodes
        self.nodes: list[NodeSpec] = []
        self.edges: list[EdgeSpec] = []
        self.loops: list[LoopSpec] = []

    def grow(self) -> World:
        seed = self.draw(st.integers(0, 2**16))
        kind: type[Message] = self.draw(st.sampled_from(INPUTS))
        root = Region(shape=(), outlets=[Outlet(START_NAME, (kind,), (), needed=False)])
        self.fill(root)
        self.finish(root)
        return World(seed=seed, input=kind, nodes=tuple(self.nodes), edges=tuple(self.edges), loops=tuple(self.loops))

    # regions

    def fill(self, region: Region) -> None:
        """Let a region grow by a few operations."""
        for _ in range(self.draw(st.integers(2, 5)) - len(region.shape)):
            if self.left <= 0:
                return
            getattr(self, self.draw(st.sampled_from(OPERATIONS)))(region)

    def finish(self, root: Region) -> None:
        """Lead something to END, and the rest to sinks."""
        results = [outlet for outlet in root.outlets if Item in outlet.kinds and outlet.port in ("", "split")]
        if not results:
            results = [self.agent(root, outputs=(Item,))]
        chosen = self.some(results, most=2)
        for outlet in chosen:
            self.tie(outlet, END_NAME, "result", (Item,))
        self.sink(root)

    def sink(self, region: Region) -> None:
        """Give to one agent, which returns nothing, whatever is left and has to be used."""
        left = [outlet for outlet in region.outlets if outlet.needed]
        if left:
            self.new_agent(region, {"rest": left}, outputs=(), optional=True)

    # operations

    def agent(self, region: Region, outputs: Kinds | None = None) -> Outlet:
        """An agent with one input."""
        return self.new_agent(region, {"a": self.some(region.outlets, most=2)}, outputs)[0]

    def join(self, region: Region) -> None:
        """An agent with two or three inputs; one at least is of this region."""
        inputs = {"a": self.some(region.outlets, most=2)}
        for name in ("b", "c")[: self.draw(st.integers(1, 2))]:
            first = self.one(region.visible())
            beside = [outlet for outlet in region.visible() if outlet.shape == first.shape and outlet is not first]
            several = bool(beside) and self.rarely(6)
            inputs[name] = [first, self.one(beside)] if several else [first]
        self.new_agent(region, inputs)

    def scatter(self, region: Region) -> None:
        """Take a batch apart, do something with the items, and mostly bring them together."""
        if len(region.shape) >= DEEPEST:
            return
        batch = self.batch(region)
        inner = Region(shape=(*region.shape, self.name("items")), outlets=[], outer=region, in_loop=region.in_loop)
        self.new_agent(inner, {"item": [batch]}, each=True)
        self.fill(inner)
        needed = [outlet for outlet in inner.outlets if outlet.needed]
        if inner.in_loop and len(needed) > 2:
            self.new_agent(inner, {"a": needed}, outputs=(Item,))
            needed = [outlet for outlet in inner.outlets if outlet.needed]
        if not inner.in_loop and self.rarely(5):
            needed = []
        elif not inner.in_loop:
            needed = self.some(inner.outlets, most=2)
        for outlet in needed:
            kinds = tuple(kind for kind in outlet.kinds if kind in (Item, Batch)) or outlet.kinds
            for kind in kinds if inner.in_loop else kinds[:1]:
                self.gather(region, outlet, kind)
        if not inner.in_loop:
            self.sink(inner)

    def gather(self, region: Region, outlet: Outlet, kind: type[Message]) -> None:
        """Bring together what comes from an outlet of a scatter."""
        name = self.name("gather")
        inputs = {"ended": Takes(gathers=kind)}
        beside: list[Outlet] = []
        if self.rarely(4):
            beside = [self.one(region.visible())]
            inputs["beside"] = Takes(kinds=beside[0].kinds)
        self.add_agent(region, name, inputs)
        self.tie(outlet, name, "ended", (kind,), gather=True)
        for other in beside:
            self.tie(other, name, "beside", other.kinds)

    def approval(self, region: Region) -> None:
        """An approval of whatever is there."""
        candidates = [(outlet, kind) for outlet in region.outlets for kind in outlet.kinds if kind in (Item, Batch)]
        if candidates:
            self.new_approval(region, *self.draw(st.sampled_from(candidates)))

    def effect(self, region: Region) -> None:
        """An effect behind an approval: of one message, or of each item of a batch."""
        candidates = [(outlet, kind) for outlet in region.outlets for kind in outlet.kinds if kind in (Item, Batch)]
        if not candidates or len(region.shape) >= DEEPEST:
            return
        outlet, kind = self.draw(st.sampled_from(candidates))
        if self.rarely(5) and not region.in_loop:
            gate, name = self.add_approval(kind), self.name("effect")
            self.nodes.append(EffectSpec(name=name, of=kind, gate=gate))
            self.tie(outlet, name, None, (kind,))
            self.ports_of(region, gate, ())
            region.outlets.append(Outlet(name, (Item,), region.shape, needed=region.in_loop))
            return
        passed = self.new_approval(region, outlet, kind)
        name = self.name("effect")
        each = kind is Batch and self.draw(st.booleans())
        self.nodes.append(EffectSpec(name=name, of=Item if each else kind))
        self.tie(passed, name, None, (kind,), each=each)
        if not each:
            region.outlets.append(Outlet(name, (Item,), region.shape, needed=region.in_loop))
            return
        inner = Region(shape=(*region.shape, name), outlets=[], outer=region, in_loop=region.in_loop)
        done = Outlet(name, (Item,), inner.shape, needed=region.in_loop)
        inner.outlets.append(done)
        self.gather(region, done, Item)

    def loop(self, region: Region) -> None:
        """A header, something that repeats, and a judge who says whether it does."""
        if len(region.shape) >= DEEPEST or self.left < 3:
            return
        header, judge = self.name("header"), self.name("judge")
        entries = self.some(region.outlets, most=2)
        answers = self.draw(st.booleans())
        inner = Region(
            shape=(*region.shape, header), outlets=[], outer=region, header=header, answers=answers, in_loop=True
        )
        began = len(self.nodes)
        task: Kinds = (*kinds_of(entries), Again)
        if answers:
            task = (*task, Response)
        self.add_agent(inner, header, {"task": Takes(kinds=tuple(dict.fromkeys(task)))})
        for outlet in entries:
            self.tie(outlet, header, "task", outlet.kinds)
        self.fill(inner)
        waiting = [outlet for outlet in inner.outlets if outlet.needed] or [inner.outlets[0]]
        self.judge(judge, header, {"a": waiting[:1], **({"b": waiting[1:]} if len(waiting) > 1 else {})})
        for outlet in inner.returns:
            self.edges.append(EdgeSpec(source=outlet.source, port=outlet.port, target=header, to="task"))
        around = region
        if self.left > 3 and self.rarely(4):
            around = Region(shape=(*region.shape, judge), outlets=[], outer=region, in_loop=True)
        returned: Kinds = (Again, *kinds_of(inner.returns), *inner.passed_on)
        self.close_loop(header, began, self.way_out(around, tuple(dict.fromkeys(returned))))
        done = Outlet(judge, (Item,), region.shape)
        if around is not region:  # a second loop with the same header around the first
            second = self.name("judge")
            self.judge(second, header, {"a": [done, *around.outlets]})
            self.close_loop(header, began, self.way_out(region, (Again,)))
            done = Outlet(second, (Item,), region.shape)
        region.outlets.append(done)
        for outlet in inner.outlets:
            if outlet.source in self.loops[-1].nodes and self.rarely(4):
                region.outlets.append(replace(outlet, shape=region.shape, needed=False))

    def judge(self, name: str, header: str, inputs: dict[str, list[Outlet]]) -> None:
        """An agent that ends a round of a loop, or begins another one."""
        takes = {input: Takes(kinds=kinds_of(outlets)) for input, outlets in inputs.items()}
        self.nodes.append(AgentSpec(name=name, inputs=takes, outputs=(Item, Again), fails=self.fails()))
        for input, outlets in inputs.items():
            for outlet in outlets:
                self.tie(outlet, name, input, outlet.kinds)
        self.edges.append(EdgeSpec(source=name, target=header, to="task", carries=(Again,), crossing=(Again,)))

    def close_loop(self, header: str, began: int, then: str) -> None:
        """Declare a loop of those of the nodes since `began` that repeat."""
        body = self.on_cycles(header, [node.name for node in self.nodes[began:]])
        self.loops.append(LoopSpec(nodes=body, at_most=self.draw(st.integers(1, 3)), then=then))

    def way_out(self, region: Region, kinds: Kinds) -> str:
        """Where a loop in `region` leads when its budget is used up: to the loop around it, or to an agent."""
        may_repeat = region.header and (region.answers or Response not in kinds)
        if may_repeat and self.rarely(3):
            region.passed_on += kinds
            return region.header
        name = self.name("way-out")
        self.add_agent(region, name, {"task": Takes(kinds=kinds)})
        return name

    # nodes

    def new_agent(
        self,
        region: Region,
        inputs: dict[str, list[Outlet]],
        outputs: Kinds | None = None,
        *,
        optional: bool | None = None,
        each: bool = False,
    ) -> list[Outlet]:
        """An agent that is tied to these outlets, input by input."""
        name = self.name("agent" if outputs != () else "sink")
        takes = {input: Takes(kinds=(Item,) if each else kinds_of(outlets)) for input, outlets in inputs.items()}
        made = self.add_agent(region, name, takes, outputs, optional=optional)
        for input, outlets in inputs.items():
            for outlet in outlets:
                self.tie(outlet, name, input, (Batch,) if each else outlet.kinds, each=each)
        return made

    def add_agent(
        self,
        region: Region,
        name: str,
        takes: dict[str, Takes],
        outputs: Kinds | None = None,
        *,
        optional: bool | None = None,
    ) -> list[Outlet]:
        """An agent that nothing is tied to yet; its outlets."""
        gives: Kinds = self.draw(st.sampled_from(OUTPUTS)) if outputs is None else outputs
        if optional is None:
            optional = self.rarely(8)
        self.nodes.append(
            AgentSpec(name=name, inputs=takes, outputs=gives, optional=optional, fails=self.fails() if gives else 0)
        )
        split = len(gives) > 1 and self.draw(st.booleans())
        groups: list[Kinds] = [(kind,) for kind in gives] if split else [gives] if gives else []
        made = [Outlet(name, group, region.shape, "split" if split else "") for group in groups]
        region.outlets += made
        return made

    def new_approval(self, region: Region, outlet: Outlet, kind: type[Message]) -> Outlet:
        """An approval of what comes from an outlet; what it lets through."""
        name = self.add_approval(kind)
        self.tie(outlet, name, None, (kind,))
        return self.ports_of(region, name, (kind,))

    def add_approval(self, kind: type[Message]) -> str:
        name = self.name("approval")
        self.nodes.append(ApprovalSpec(name=name, of=kind, options=self.rarely(3), exempt=self.rarely(4)))
        return name

    def ports_of(self, region: Region, approval: str, kinds: Kinds) -> Outlet:
        """The outlets of an approval: what it lets through, and, often, what it denies or has answered."""
        passed = Outlet(approval, kinds, region.shape)
        if kinds:
            region.outlets.append(passed)
        if self.draw(st.booleans()):
            region.outlets.append(Outlet(approval, (Rejected, Expired), region.shape, DENIED, needed=False))
        if region.header and region.answers:
            region.returns.append(Outlet(approval, (Response,), region.shape, RESPONSE))
        return passed

    # edges

    def tie(
        self, outlet: Outlet, target: str, input: str | None, kinds: Kinds, *, each: bool = False, gather: bool = False
    ) -> None:
        """An edge from an outlet, which then is used, if it has been tied with all that it gives."""
        crossing: Kinds = (Item,) if each else kinds
        self.edges.append(
            EdgeSpec(
                source=outlet.source,
                port="" if outlet.port == "split" else outlet.port,
                target=target,
                to=input,
                carries=kinds,
                each="items" if each else None,
                gather=gather,
                when=self.rarely(8),
                crossing=crossing,
            )
        )
        if set(kinds) >= set(outlet.kinds):
            outlet.needed = False
        else:
            outlet.kinds = tuple(kind for kind in outlet.kinds if kind not in kinds) if outlet.needed else outlet.kinds

    def batch(self, region: Region) -> Outlet:
        """An outlet of this region that gives batches."""
        found = [outlet for outlet in region.outlets if Batch in outlet.kinds]
        if found:
            return self.one(found)
        return self.new_agent(region, {"a": [self.one(region.outlets)]}, outputs=(Batch,))[0]

    def on_cycles(self, header: str, names: Sequence[str]) -> tuple[str, ...]:
        """Those of the nodes that `header` leads to and that lead back to it."""
        arrows = {(edge.source, edge.target) for edge in self.edges}
        arrows |= {(node, loop.then) for loop in self.loops for node in loop.nodes}
        forward = closure({header}, arrows)
        backward = closure({header}, {(target, source) for source, target in arrows})
        return tuple(name for name in names if name in forward & backward)

    # choices

    def name(self, kind: str) -> str:
        self.left -= 1
        return f"{kind}-{len(self.nodes)}"

    def one(self, outlets: Sequence[Outlet]) -> Outlet:
        """One of them, the newest most easily."""
        return self.draw(st.sampled_from(outlets[::-1]))

    def some(self, outlets: Sequence[Outlet], most: int) -> list[Outlet]:
        """One of them, or seldom more."""
        first = self.one(outlets)
        if most > 1 and len(outlets) > 1 and self.rarely(5):
            return [first, self.one([outlet for outlet in outlets if outlet is not first])]
        return [first]

    def rarely(self, times: int) -> bool:
        """True once in so many times."""
        return self.draw(st.integers(0, times - 1)) == times - 1

    def fails(self) -> int:
        """On how many of 16 inputs an agent fails."""
        return self.draw(st.sampled_from([0, 0, 0, 0, 2, 5]))


def kinds_of(outlets: Sequence[Outlet]) -> Kinds:
    """Everything that comes from these outlets."""
    return tuple(dict.fromkeys(kind for outlet in outlets for kind in outlet.kinds))


def closure(nodes: set[str], arrows: set[tuple[str, str]]) -> set[str]:
    """`nodes`, and everything that arrows lead to from there."""
    found = set(nodes)
    while more := {target for source, target in arrows if source in found} - found:
        found |= more
    return found


@st.composite
def valid_worlds(draw: st.DrawFn, most_nodes: int = 14) -> World:
    """Worlds whose systems are meant to be right."""
    return Grower(draw, most_nodes=most_nodes).grow()


@st.composite
def changed_worlds(draw: st.DrawFn, most_nodes: int = 10) -> World:
    """Worlds with one or two random changes, most of which make a system wrong."""
    world = Grower(draw, most_nodes=most_nodes).grow()
    for _ in range(draw(st.integers(1, 2))):
        world = _changed(draw, world)
    return world


def _changed(draw: st.DrawFn, world: World) -> World:
    change = draw(st.sampled_from([_feed, _feed, _feed, _swap, _swap, _drop, _take_apart, _gather, _loop, _body]))
    return change(draw, world)


def _feed(draw: st.DrawFn, world: World) -> World:
    """Bring to an input what another output gives as well."""
    edge, other = _one_of(draw, world.edges), _one_of(draw, world.edges)
    kinds = tuple(kind for kind in other.carries or () if kind in edge.crossing)
    if not kinds:
        return world
    fed = replace(other, target=edge.target, to=edge.to, carries=kinds, each=None, gather=edge.gather, when=False)
    return replace(world, edges=(*world.edges, fed))


def _swap(draw: st.DrawFn, world: World) -> World:
    """Let two edges end where the other one did."""
    one, other = _one_of(draw, world.edges), _one_of(draw, world.edges)
    swapped = {
        one: replace(one, target=other.target, to=other.to),
        other: replace(other, target=one.target, to=one.to),
    }
    return replace(world, edges=tuple(swapped.get(edge, edge) for edge in world.edges))


def _drop(draw: st.DrawFn, world: World) -> World:
    gone = _one_of(draw, world.edges)
    return replace(world, edges=tuple(edge for edge in world.edges if edge is not gone))


def _take_apart(draw: st.DrawFn, world: World) -> World:
    """Take apart what was sent whole, or the other way round."""
    return _replaced(
        world, edge := _one_of(draw, world.edges), replace(edge, each=None if edge.each else "items", when=False)
    )


def _gather(draw: st.DrawFn, world: World) -> World:
    """Gather what was sent one by one, or the other way round."""
    return _replaced(world, edge := _one_of(draw, world.edges), replace(edge, gather=not edge.gather))


def _loop(draw: st.DrawFn, world: World) -> World:
    """Declare some nodes a loop."""
    names = [node.name for node in world.nodes]
    body = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
    loop = LoopSpec(nodes=tuple(body), at_most=draw(st.integers(1, 3)), then=draw(st.sampled_from(names)))
    return replace(world, loops=(*world.loops, loop))


def _body(draw: st.DrawFn, world: World) -> World:
    """Change what a loop consists of, or where it leads."""
    if not world.loops:
        return world
    loop, name = draw(st.sampled_from(world.loops)), draw(st.sampled_from([node.name for node in world.nodes]))
    body = tuple(node for node in loop.nodes if node != name) if name in loop.nodes else (*loop.nodes, name)
    changed = draw(st.sampled_from([replace(loop, nodes=body), replace(loop, then=name)]))
    return replace(world, loops=tuple(changed if each is loop else each for each in world.loops))


def _one_of(draw: st.DrawFn, edges: Sequence[EdgeSpec]) -> EdgeSpec:
    return draw(st.sampled_from(edges))


def _replaced(world: World, edge: EdgeSpec, other: EdgeSpec) -> World:
    return replace(world, edges=tuple(other if each is edge else each for each in world.edges))
