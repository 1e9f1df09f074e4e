"""How requests, votes and decisions are told: who was asked what, the options, who chose, what that meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from answerable.agents.people import Role, quorum_from
from answerable.tracing.evidence.telling.known import Known, Tally, Told, purpose_of, shares
from answerable.tracing.evidence.telling.words import Kind as PieceKind
from answerable.tracing.evidence.telling.words import Piece, Text, join, plural, text
from answerable.tracing.ledger.records.afterwards import DecisionRevoked, Escalated, Reviewed
from answerable.tracing.ledger.records.deciding import Decided, RequestMade, RequestWithdrawn
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.ledger.records.steps import Crossed
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.spans.tree import length

AS_PROPOSED: Final = "as-proposed"
_SINCE: Final = {
    "person": "the decision was taken back",
    "facts": "what the decision rests on had moved",
    "rule": "the rule that decided was revoked",
}


def tell_approval(record: Record, known: Known) -> Told | None:
    """The words for a record of an approval; None for others."""
    match record:
        case RequestMade():
            return Told("request", _asks(record, known), table=_options(record, known))
        case Voted():
            reason = _reason(record.vote, record.commitment, known)
            return Told("vote", _voted(record, known), (reason,) if reason else ())
        case Decided():
            return Told("decision", decides(record, known), meant(record, known))
        case Escalated(approval=approval, to=to):
            words = text("nobody had decided at ", Piece(approval, "node"), " in time: ", Piece(to, "strong"))
            return Told("escalated", text(words, " may decide as well from here on"))
        case Reviewed():
            good: PieceKind = "good" if record.verdict == "right" else "bad"
            what = "what was decided behind broken glass" if record.of == "break-glass" else "what a rule had decided"
            words = text(known.people.name(record.by), f" reviewed {what} at ", Piece(record.approval, "node"))
            verdict = text(": it was ", Piece(record.verdict, good), ": ", Piece(record.reason, "said"))
            return Told("reviewed", text(words, verdict))
        case DecisionRevoked():
            return Told("revoked", taken_back(record, known))
        case RequestWithdrawn(approval=approval, reason=reason):
            words = text("the request of ", Piece(approval, "node"), " was taken back: ", Piece(reason, "said"))
            return Told("withdrawn", words)
    return None


def decides(record: Decided, known: Known) -> Text:
    """Who decided what, where, and how long after they were asked."""
    waited = Piece(f", {length(record.at - record.asked_at)} after being asked", "quiet")
    node, who = Piece(record.approval, "node"), known.people.name(record.by) if record.by else Piece("nobody", "bad")
    match record.outcome:
        case "exempted":
            exemption = Piece(record.by, "strong")
            return text("the exemption ", exemption, " let it pass ", node, " without asking anybody")
        case "ruled":
            words = text("the standing rule ", Piece(record.by, "strong"), " ", Piece("chose", "good"), " ")
            *approvers, author = (text(known.people.name(one)) for one in record.voters)
            behind = text("; ", author, " wrote the rule, and ", join(approvers, ", "), " approved it")
            return text(words, Piece(record.option, "strong"), " at ", node, " without asking anybody", behind)
        case "expired":
            return text(who, " decided at ", node, " in time, which is a no", waited)
        case "approved" if record.broke_glass:
            glass = text(who, " ", Piece("broke the glass", "bad"), " and chose ", Piece(record.option, "strong"))
            words = text(glass, " alone at ", node)
        case "approved":
            words = text(who, " ", Piece("chose", "good"), " ", Piece(record.option, "strong"), " at ", node)
        case "edited":
            words = text(who, " edited what ", node, " asked about")
        case "rejected":
            words = text(who, " ", Piece("rejected", "bad"), " it at ", node)
        case _:
            words = text(who, " answered ", node, " with a text")
    words = text(words, _acting(record.for_person, known), _together(record, known))
    beyond = f", beyond their budget, after {record.beyond_budget} others that day" if record.beyond_budget else ""
    sure = f", identity {record.assurance}" if record.assurance else ""
    return text(words, waited, Piece(beyond, "bad"), Piece(sure, "quiet"))


def _voted(record: Voted, known: Known) -> Text:
    who, node = known.people.name(record.by), Piece(record.approval, "node")
    if record.answer == "approved":
        words = text(who, " voted for ", Piece(record.option, "strong"), " at ", node)
    else:
        words = text(who, " voted ", Piece("no", "bad"), " at ", node)
    own = ", which is their own: the declaration allows it" if record.own else ""
    return text(words, _acting(record.for_person, known), own, Piece(f", identity {record.assurance}", "quiet"))


def _acting(for_person: str, known: Known) -> Text:
    return text(" for ", known.people.name(for_person)) if for_person else ()


def _together(record: Decided, known: Known) -> Text:
    """Who else stands behind a decision, and whose own it is."""
    others = join([(known.people.name(one),) for one in record.voters])
    own = join([(known.people.name(one),) for one in record.own])
    told = text(" with ", others) if others else ()
    return text(told, ", which is the own of ", own, ": the declaration allows it") if own else told


def taken_back(record: DecisionRevoked, known: Known) -> Text:
    """Who or what made a decision void, and what of it had left before."""
    node = Piece(record.approval, "node")
    if record.cause == "facts":
        moved = Piece(", ".join(record.facts), "strong")
        words = text("what the decision at ", node, " rests on ", Piece("had moved", "bad"), " before sending: ", moved)
    elif record.cause == "rule":
        rule = text(" revoked the rule ", Piece(record.rule, "strong"), " that decided at ")
        words = text(known.people.name(record.by), rule, node, ": ", Piece(record.reason, "said"))
    else:
        back = text(" ", Piece("took back", "bad"), " what was decided at ", node)
        words = text(known.people.name(record.by), back, ": ", Piece(record.reason, "said"))
    left = f"; {plural(len(record.sent), 'call')} had left before, and stay what they are" if record.sent else ""
    return text(words, f"; {plural(len(record.withdrawn), 'call')} withdrawn{left}")


def _asks(record: RequestMade, known: Known) -> Text:
    shown = known.beside.requests.get(record.request)
    asks = _whom(shown.asked["by"]) if shown is not None and "by" in shown.asked else text(" asked for a decision")
    if shown is not None and shown.takes and all(one in shown.takes for one in record.calls):
        asks = text(" asked ", Piece(" or ".join(dict.fromkeys(map(_takes, shown.takes.values()))), "strong"))
    voided = [known.facts[one].last(DecisionRevoked) for one in known.caused.get(record.in_place_of, ())]
    why = next((_SINCE[one.cause] for one in voided if one is not None), _SINCE["person"])
    anew = f" anew, since {why}" if record.in_place_of else ""
    edited = text(", as ", known.people.name(record.edited_by), " edited it") if record.edited_by else ()
    if record.capped:
        edited = text(edited, "; the rule ", Piece(record.capped, "strong"), " would have decided, but for its cap")
    about = text(" about the ", Piece(record.message.type, "type"), _purpose(record, known), edited, anew)
    return text(Piece(record.approval, "node"), asks, about)


def _whom(plain: Sequence[Any]) -> Text:
    whom = quorum_from(plain)
    one = next(iter(whom.named), None)
    if isinstance(one, Role) and str(whom) == str(one):
        return text(" asked a ", Piece(one.name, "strong"))
    return text(" asked ", Piece(str(whom), "strong"))


def _takes(plain: Sequence[Any]) -> str:
    return str(quorum_from(plain))


def _purpose(record: RequestMade, known: Known) -> Text:
    step = known.facts.get(record.step)
    for cause in step.causes if step is not None else ():
        fact = known.facts.get(cause)
        if fact is not None and (sent := fact.last(Crossed)) is not None:
            return purpose_of(sent)
    return ()


def _options(record: RequestMade, known: Known) -> tuple[tuple[Text, ...], ...]:
    """The options side by side: how many calls each would release, and what it serves."""
    counted = {option: _counted(record, option, known) for option in record.calls}
    tiers = list(dict.fromkeys(tier for tally, _ in counted.values() for tier in tally))
    passing = [text("inversions")] if tiers else []
    shown = known.beside.requests.get(record.request)
    takes = shown.takes if shown is not None else {}
    others = [text("it takes")] if takes else []
    rows = [(text("option"), text("calls"), *(text(tier) for tier in tiers), *passing, *others)]
    for option, calls in record.calls.items():
        tally, inversions = counted[option]
        cells = shares(tally) if tally else [() for _ in tiers]
        count = text(Piece(str(inversions or 0), "bad" if inversions else "good")) if tally else ()  # never a guess
        rows.append((text(Piece(option, "strong")), text(str(len(calls))), *cells, *([count] if tiers else [])))
        if shown is not None and takes:
            rows[-1] += (text(_takes(takes.get(option, shown.asked["by"]))),)
    return tuple(rows)


def _counted(record: RequestMade, option: str, known: Known) -> tuple[Tally, int | None]:
    """What an option serves, as it was shown; else what the record says of the proposed one."""
    shown = known.beside.requests.get(record.request)
    for one in shown.options if shown is not None else ():
        if shown is not None and one["name"] == option and one["tiers"]:
            return {tier: one["tiers"][tier] for tier in shown.tiers if tier in one["tiers"]}, one["inversions"]
    return (record.tally or {}, record.inversions) if option == AS_PROPOSED else ({}, None)


def meant(record: Decided, known: Known) -> tuple[Text, ...]:
    """What a decision serves and releases, and the reason that was given."""
    lines: list[Text] = list(known.sums(record.message.id)) if record.message is not None else []
    if record.grants or record.withdrawn:
        gone = f"; {plural(len(record.withdrawn), 'other')} withdrawn" if record.withdrawn else ""
        lines.append(text(f"{plural(len(record.grants), 'call')} released{gone}"))
    reason = reason_of(record, known)
    return (*lines, reason) if reason else tuple(lines)


def reason_of(record: Decided, known: Known) -> Text:
    """Why they decided so, in their words; that there was a reason, if the words are gone."""
    return _reason(record.decision, record.commitment, known)


def _reason(id: str, commitment: str, known: Known) -> Text:
    if id in known.beside.reasons:
        return text("reason: ", Piece(known.beside.reasons[id], "said"))
    return text(Piece("a reason was given; its text is not here any more", "quiet")) if commitment else ()
