"""Who works here: the people, teams and roles that the logistics system and its demo need in the registry.

The one who answers for the system is neither the one who starts a run nor the one who decides about it, and nobody who
owns an agent signs off on what it made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RESPONSIBLE: Final = "alice"
NIGHT_DESK: Final = "nils"
DISPATCH_LEAD: Final = "dora"


@dataclass(frozen=True, kw_only=True)
class Employee:
    """One person, by handle, with a name, roles, and the teams that they belong to."""

    handle: str
    name: str
    roles: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()


EMPLOYEES: Final = (
    Employee(handle=RESPONSIBLE, name="Alice Adeyemi, head of logistics"),
    Employee(handle=NIGHT_DESK, name="Nils Nordin, night desk", roles=("night-desk",)),
    Employee(handle=DISPATCH_LEAD, name="Dora Duarte, dispatch lead", roles=("dispatch-lead",)),
    Employee(handle="femi", name="Femi Falana, demand", teams=("demand-team",)),
    Employee(handle="ada", name="Ada Aalto, allocation", teams=("allocation-team",)),
    Employee(handle="rui", name="Rui Rocha, routing", teams=("routing-team",)),
    Employee(handle="eve", name="Eve Eriksen, dispatch", teams=("dispatch-team",)),
)
