"""What an approval declares of those who decide: how many noes are final, and how much may be asked of them."""

from __future__ import annotations

from collections.abc import Iterable

from answerable.agents.people import Person, Quorum
from answerable.approvals.asking.quotas import Quota
from answerable.errors import DeclarationError


def check_denials(denials: object, asked: Iterable[Quorum], *, what: str) -> None:
    """Raises: DeclarationError for no number of noes, or more than all whom it ever asks could say."""
    if isinstance(denials, bool) or not isinstance(denials, int) or denials < 1:
        raise DeclarationError(f"{what}: denials={denials!r} is no number of noes", hint="1: the first no is final")
    named = {one for whom in asked for one in whom.named}
    most = len(named) + 1
    if denials > most and all(isinstance(one, Person) for one in named):
        raise DeclarationError(
            f"{what}: denials={denials}, and {most} people at most could say no to it",
            hint="those who are named, and the Responsible Individual",
        )


def check_quota(quota: object, *, what: str) -> None:
    """Raises: DeclarationError for what is none, or one that lets nothing ask."""
    limits = (quota.open, quota.per_hour) if isinstance(quota, Quota) else ()
    if not limits or not all(isinstance(one, int) and not isinstance(one, bool) for one in limits):
        raise DeclarationError(f"{what}: quota={quota!r} is none", hint="Quota(open=1_000, per_hour=5_000)")
    if min(limits) < 1:
        raise DeclarationError(f"{what}: a quota of {limits[0]} open, {limits[1]} an hour lets nothing ask")
