"""What the storm did to whom, with and without somebody who answers for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from answerable.agents.outcomes import Ended, Expired, Rejected
from answerable.agents.prioritization import Prioritization
from answerable.examples.logistics.execution import margin
from answerable.examples.logistics.messages import Dispatched, Outcome, Plan, Released, Report, Storm, TierReport
from answerable.examples.logistics.tiers import tally_of


def served_table(storm: Storm, proposed: Prioritization, final: Prioritization | None) -> dict[str, dict[str, int]]:
    """Tier → `demand`, `ungoverned` and `governed`, in units.

    `proposed` is the agents' own plan and `final` what was decided, or None if nothing was sent.
    """
    governed = {} if final is None else {line.tier: line.served for line in tally_of(final, storm).tiers}
    return {
        line.tier: {"demand": line.demand, "ungoverned": line.served, "governed": governed.get(line.tier, 0)}
        for line in tally_of(proposed, storm).tiers
    }


def outcome_of(dispatched: Sequence[Ended[Dispatched]], released: Sequence[Ended[Released]]) -> Outcome:
    """Which calls succeeded."""
    return Outcome(
        dispatched=[ended.index for ended in dispatched if ended.result is not None],
        released=[ended.index for ended in released if ended.result is not None],
    )


def account(storm: Storm, proposed: Plan, approved: Plan, outcome: Outcome) -> Report:
    """The report of a run that was decided.

    A truck has left if its carrier and its depot's warehouse both said yes; only what it carries counts as served.
    """
    trucks = {approved.dispatches[place].truck for place in outcome.dispatched}
    depots = {approved.releases[place].depot for place in outcome.released}
    gone = [order for order in approved.dispatches if order.truck in trucks and order.depot in depots]
    left = Counter[str]()
    for dispatch in gone:
        for stop in dispatch.stops:
            left[stop.order] += stop.units
    failed = [
        *(f"carrier {order.truck}" for order in approved.dispatches if order.truck not in trucks),
        *(f"warehouse {order.depot}" for order in approved.releases if order.depot not in depots),
    ]
    return _report(storm, proposed, Prioritization(served=dict(left)), trucks=len(gone), failed=failed)


def account_of_denial(storm: Storm, proposed: Plan, denied: Rejected | Expired) -> Report:
    """The report of a run in which nothing was sent."""
    if isinstance(denied, Rejected):
        return _report(storm, proposed, None, refused=f"rejected: {denied.reason}")
    return _report(storm, proposed, None, refused=f"nobody decided in {denied.waited_seconds:.0f} s")


def _report(
    storm: Storm,
    proposed: Plan,
    final: Prioritization | None,
    *,
    trucks: int = 0,
    failed: Sequence[str] = (),
    refused: str = "",
) -> Report:
    return Report(
        storm=storm.name,
        tiers=[TierReport(tier=tier, **units) for tier, units in served_table(storm, proposed, final).items()],
        margin_cents_ungoverned=margin(storm, proposed.served),
        margin_cents_governed=0 if final is None else margin(storm, final.served),
        trucks=trucks,
        failed=list(failed),
        refused=refused,
    )
