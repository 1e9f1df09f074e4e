"""Drawings show every node and edge, and nothing that a name can break."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.cells import cell_len

from answerable.agents.nodes import END, START
from answerable.orchestrator.drawing import carried, mermaid, terminal
from tests.orchestrator.graphs import Bench, drafting, graph_of, nested, order_to_account, sending


def test_mermaid_of_a_system_with_an_effect() -> None:
    assert mermaid(graph_of(sending())) == (
        "flowchart TD\n"
        '  n0(["START"])\n'
        '  n1["pack"]\n'
        '  n2["report"]\n'
        '  n3{{"sign-off"}}\n'
        '  n4[["send"]]\n'
        '  n5(["END"])\n'
        '  n0 -->|"Order: test"| n1\n'
        '  n1 -->|"Bundle: test"| n3\n'
        '  n3 -->|"each Part of parts: test"| n4\n'
        '  n4 -->|"all Receipt: test"| n2\n'
        '  n3 -->|"Rejected #124; Expired: test"| n2\n'
        '  n2 -->|"Account: test"| n5\n'
    )


def test_mermaid_puts_loops_into_boxes_and_dashes_their_way_out() -> None:
    lines = mermaid(graph_of(nested())).splitlines()
    outer, inner = (next(n for n, line in enumerate(lines) if text in line) for text in ("at most 3", "at most 2"))
    plan, work = (next(n for n, line in enumerate(lines) if f'"{name}"' in line) for name in ("plan", "work"))
    assert outer < plan < inner < work
    assert [line.strip() for line in lines].count("end") == 2
    assert sum("-.->" in line and "used up" in line for line in lines) == 2


def test_a_purpose_cannot_break_out_of_its_label() -> None:
    bench = Bench()
    close = bench.agent(order_to_account, "close")
    bench.edge(START, close, purpose='say "hi"\n<b>; `x` | y')
    bench.edge(close, END)
    (line,) = [line for line in mermaid(graph_of(bench)).splitlines() if "hi" in line]
    assert line == '  n0 -->|"Order: say #34;hi#34;#10;#60;b#62;#59; #96;x#96; #124; y"| n1'


@pytest.mark.parametrize("make", [drafting, sending, nested])
def test_the_terminal_shows_every_node_and_edge(make: Callable[[], Bench]) -> None:
    graph = graph_of(make())
    lines = terminal(graph, width=200).plain.splitlines()
    assert lines[0] == "bench, answered for by alice"
    for name in ("START", *graph.nodes, "END"):
        assert sum(line.startswith((f"○ {name}  ", f"○ {name}")) and line.split()[1] == name for line in lines) == 1
    for edge in graph.edges:
        assert any(f"{carried(edge)} → {edge.target}  {edge.purpose}" in line for line in lines)
    assert sum(line.startswith("↻") for line in lines) == len(graph.loops)


@pytest.mark.parametrize("width", [12, 30, 60])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = terminal(graph_of(nested()), width=width).plain.splitlines()
    assert max(cell_len(line) for line in lines) <= width
    whole = terminal(graph_of(nested()), width=500).plain.splitlines()
    for line, long in zip(lines, whole, strict=True):
        assert line == long or line.endswith("…")


def test_the_terminal_shows_who_does_what() -> None:
    text = terminal(graph_of(sending()), width=200, states={"pack": "done", "sign-off": "waiting"}).plain
    assert "● pack  agent of team" in text
    assert "◆ sign-off  approval by role lead" in text
    assert "○ send  effect to carrier, idempotent" in text
    assert "╰─ denied: Rejected | Expired → report" in text
