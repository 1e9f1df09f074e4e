"""What belongs to no run and touches a path in one: who answered since when, exemptions, freezes, a restored backup.

1. The Responsible Individual in force stands on every record. How they came to be it is told by the newest registration
   or handover before the path begins; what changed later, up to its end, is told, too.
2. A freeze touches the path if it held something on it (the system, a node, an edge that was crossed) while the path
   was made.
3. A delegation by which somebody answered on it is told, and its end.
4. Where a request asked by rules of deciding that somebody accepted, the acceptance is told: of its approval the newest
   before it.
5. An exemption that let something pass is told with the record of its acceptance; a standing rule with those of its
   proposal, its approval and its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from answerable.tracing.evidence.lineage.facts import Fact
from answerable.tracing.freezes import WHOLE_SYSTEM
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.accepting import ApprovalAccepted, ApprovalDeclined, ExemptionAccepted
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from answerable.tracing.ledger.records.effects import EffectRecord
from answerable.tracing.ledger.records.people import HandoverAccepted, HandoverOffered, SystemRegistered
from answerable.tracing.ledger.records.ruling import RuleRecord
from answerable.tracing.ledger.records.steps import Crossed, StepStarted
from answerable.tracing.ledger.records.stops import FreezeQuiesced, Froze, Thawed
from answerable.tracing.ledger.records.store import StoreRestored
from answerable.tracing.ledger.records.votes import DelegationMade, DelegationRevoked


def touching(path: Sequence[Fact], around: Iterable[Placed]) -> list[Placed]:
    """Those of the records `around` that touch a path, in their order."""
    moments = [one.record.at for fact in path for one in fact.placed]
    if not moments:
        return []
    begin, end = min(moments), max(moments)
    targets = _targets(path)
    exempted = {(made.approval, made.by) for fact in path for made in fact.all(Decided) if made.outcome == "exempted"}
    rules = {made.rule for fact in path for made in fact.all(Decided) if made.rule}
    asked: dict[tuple[str, int], Placed] = {}  # approval and when it asked → the acceptance that it asked by
    asks = {(made.approval, made.at) for fact in path for made in fact.all(RequestMade)}
    acted = {getattr(one.record, "delegation", "") for fact in path for one in fact.placed} - {""}
    before: Placed | None = None  # what put the first RI in force
    found: list[Placed] = []
    freezes: dict[str, list[Placed]] = {}
    for one in around:
        match one.record:
            case SystemRegistered(at=at) | HandoverAccepted(at=at) if at <= begin:
                before = one
            case SystemRegistered(at=at) | HandoverAccepted(at=at) | HandoverOffered(at=at) | StoreRestored(at=at):
                if begin <= at <= end:
                    found.append(one)
            case ExemptionAccepted() as accepted if accepted.at <= end:
                if (accepted.approval, f"{accepted.exemption}@{accepted.version}") in exempted:
                    found.append(one)
            case ApprovalAccepted(approval=approval, at=at):
                asked |= {when: one for when in asks if when[0] == approval and at <= when[1]}
            case ApprovalDeclined(approval=approval, at=at):
                if begin <= at <= end and any(approval == asking for asking, _ in asks):
                    found.append(one)
            case RuleRecord(rule=rule, at=at) if rule in rules and at <= end:
                found.append(one)
            case DelegationMade(delegation=delegation, at=at) | DelegationRevoked(delegation=delegation, at=at):
                if delegation in acted and at <= end:
                    found.append(one)
            case Froze() as froze if froze.target in targets and froze.at <= end:
                freezes[froze.freeze] = [one]
            case FreezeQuiesced(freeze=freeze) | Thawed(freeze=freeze) if freeze in freezes:
                freezes[freeze].append(one)
    found += dict.fromkeys(asked.values())
    for about in freezes.values():
        lifted = about[-1].record
        if not isinstance(lifted, Thawed) or lifted.at >= begin:
            found += about
    return sorted([*([before] if before else []), *found], key=lambda one: one.seq)


def _targets(path: Iterable[Fact]) -> set[str]:
    """What a freeze would have to name to hold something on this path."""
    found = {WHOLE_SYSTEM}
    for fact in path:
        for one in fact.placed:
            match one.record:
                case Crossed() as sent:
                    found |= {f"edge:{sent.edge}", f"agent:{sent.target}", f"effect:{sent.target}"}
                case StepStarted(node=node):
                    found.add(f"agent:{node}")
                case EffectRecord(name=name):
                    found.add(f"effect:{name}")
    return found
