"""What people, systems and accepted exemptions are, by the records of no run."""

from __future__ import annotations

from typing import Final

from answerable.tracing.ledger.indexes.indexes import Indexes, Plain, Take, exemption_key


def _person(told: Indexes, record: Plain) -> None:
    told.rows["people"][record["person"]] = {"roles": list(record["roles"]), "teams": list(record["teams"])}


def _system(told: Indexes, record: Plain) -> None:
    told.rows["systems"][record["system"]] = {"responsible": record["responsible"], "successor": ""}


def _offered(told: Indexes, record: Plain) -> None:
    told.rows["systems"][record["system"]]["successor"] = record["successor"]
    told.suspended.update(record["suspended"])


def _accepted(told: Indexes, record: Plain) -> None:
    told.rows["systems"][record["system"]] = {"responsible": record["successor"], "successor": ""}
    told.suspended.difference_update(record["resumed"])


def _exemption(told: Indexes, record: Plain) -> None:
    key = exemption_key(record["system"], record["approval"], record["exemption"], record["version"])
    told.rows["exemptions"][key] = {"accepted_by": record["by"]}


def _person_erased(told: Indexes, record: Plain) -> None:
    told.erased.update(record["decisions"], record["messages"], record.get("votes", ()))
    told.rows["people"][record["person"]] = {"roles": [], "teams": []}


TAKEN: Final[dict[str, Take]] = {
    "person.added": _person,
    "system.registered": _system,
    "handover.offered": _offered,
    "handover.accepted": _accepted,
    "exemption.accepted": _exemption,
    "person.erased": _person_erased,
}
