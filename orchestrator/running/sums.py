"""Sums: what a prioritization means, counted against the run's input, never by what it says of itself."""

from __future__ import annotations

from answerable.agents.messages import Message
from answerable.agents.prioritization import Prioritization, Tally, tally, wrong_sums
from answerable.errors import InvalidMessage
from answerable.orchestrator.graph import Graph


def count(graph: Graph, message: Message, run_input: Message | None) -> Tally | None:
    """What a prioritization means, counted against the run's input; None for other messages."""
    if not isinstance(message, Prioritization) or graph.demands is None:
        return None
    return tally(message, graph.demands(run_input), graph.tiers)


def check_sums(graph: Graph, message: Message, run_input: Message | None) -> None:
    """Raises: InvalidMessage where a prioritization serves what cannot be, held against the run's input."""
    if isinstance(message, Prioritization) and graph.demands is not None:
        wrong = wrong_sums(message, graph.demands(run_input))
        if wrong:
            more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise InvalidMessage(
                f"this {type(message).__name__} does not add up: {'; '.join(wrong[:5])}{more}",
                hint="correct these numbers and try again",
            )


def tally_of(counted: Tally | None) -> dict[str, tuple[int, int]] | None:
    """A tally as records hold it: tier → (demand, served)."""
    return {line.tier: (line.demand, line.served) for line in counted.tiers} if counted else None
