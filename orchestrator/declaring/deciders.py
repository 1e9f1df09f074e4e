"""What an approval declares of who decides: who from which value on, how many noes are final, how much may be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from answerable.agents.people import Person, Quorum, Whom, as_quorum
from answerable.approvals.asking.quotas import Quota
from answerable.approvals.rules.contexts import LARGEST
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


def thresholds(value: object, above: Mapping[int, Whom] | None, *, used: bool, what: str) -> dict[int, Quorum]:
    """Whom it asks above which values; `used` says that something else rests on the value. Raises: DeclarationError."""
    if (value is None and above) or (value is not None and not above and not used):
        raise DeclarationError(
            f"{what}: value= and above= belong together",
            hint="value=worth, above={10_000: quorum(2, role('lead'))}",
        )
    for limit in above or ():
        if isinstance(limit, bool) or not isinstance(limit, int) or abs(limit) > LARGEST:
            raise DeclarationError(f"{what}: {limit!r} is no whole number that a value could be above")
    return {limit: as_quorum(whom) for limit, whom in sorted((above or {}).items())}
