"""The logistics company as a service: its app, with the carrier and the warehouse running as long as it is open."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from answerable import App, Run, Service
from answerable.examples.logistics.messages import Plan, Report, Storm
from answerable.examples.logistics.outside import outside
from answerable.examples.logistics.result import served_table
from answerable.examples.logistics.system import carrier, system, warehouse

app: App[Storm, Report] = system.build(Storm, Report)


class Company:
    """A service of `app`, and the world outside; use it in `with`."""

    def __init__(self, store: str) -> None:
        self.app = app
        self._store = store
        self._opened = ExitStack()

    def __enter__(self) -> Service[Storm, Report]:
        with ExitStack() as opening:
            origins = opening.enter_context(outside(self._store))
            service = opening.enter_context(
                app.connect(self._store, origins={carrier: origins[carrier.name], warehouse: origins[warehouse.name]})
            )
            self._opened = opening.pop_all()
        return service

    def __exit__(self, *error: Any) -> bool | None:
        return self._opened.__exit__(*error)


def connect(store: str) -> Company:
    """The company on the store with this URL, not open yet."""
    return Company(store)


def served(storm: Storm, run: Run[Report]) -> dict[str, dict[str, int]]:
    """Tier → `demand`, `ungoverned` and `governed` units of a run; empty if it did not come as far as a plan."""
    if run.result is not None:
        return {
            line.tier: {"demand": line.demand, "ungoverned": line.ungoverned, "governed": line.governed}
            for line in run.result.tiers
        }
    if run.waiting_for:
        return served_table(storm, Plan.model_validate(run.waiting_for[0].message), None)
    return {}
