"""`answerable demo logistics`: the storm, from its forecast to the decision and what it did to whom."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.prompt import Prompt
from rich.text import Text

from answerable.agents.texts import plain
from answerable.approvals.node import AS_PROPOSED
from answerable.commands.exits import INTERRUPTED, exit_code
from answerable.commands.live import watched
from answerable.commands.options import json_option, store_option
from answerable.commands.saying import command_line, say, say_command, say_json, short, table, to_stderr, to_stdout
from answerable.commands.showing import calls_text, options_table, status_text
from answerable.commands.traces import tree_of
from answerable.errors import DecisionRefused, InvalidInput
from answerable.orchestrator.documents import run_document
from answerable.orchestrator.reports import OpenRequest, Run
from answerable.orchestrator.service import Service
from answerable.tracing import ids
from answerable.tracing.people import authority

if TYPE_CHECKING:  # they bring the solvers along
    from answerable.examples.logistics.messages import Report, Storm

REJECT = "reject"
WAIT = "wait"


@click.group()
def demo() -> None:
    """Whole systems to try."""


@demo.command()
@click.option(
    "--decide",
    metavar="OPTION",
    help="How to decide, without asking: as-proposed, floor, tier-order, even-shares, reject, or wait (leave it open).",
)
@click.option("--as", "by", metavar="PERSON", default="", help="Who decides.  [default: dora, the dispatch lead]")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the record.")
@click.option(
    "--rule",
    is_flag=True,
    help="Have the standing rule medical-floor decide: alice proposes it, and dora approves it, if that was not done.",
)
@click.option("--seed", default=2015, show_default=True, help="Which orders, stock and fleet are made up.")
@store_option
@json_option
@click.pass_context
def logistics(
    ctx: click.Context, decide: str | None, by: str, reason: str, rule: bool, seed: int, store: str, as_json: bool
) -> None:
    """A logistics company's agents in a storm: somebody decides whether medicine waits."""
    try:
        from answerable.examples.logistics.options import EVEN_SHARES, FLOOR, TIER_ORDER
        from answerable.examples.logistics.people import DISPATCH_LEAD
        from answerable.examples.logistics.service import connect
        from answerable.examples.logistics.world import storm
    except ImportError as error:
        raise InvalidInput(
            f"the demo needs packages that are not installed ({error})", hint="pip install 'answerable[logistics]'"
        ) from error
    answers = (AS_PROPOSED, FLOOR, TIER_ORDER, EVEN_SHARES, REJECT, WAIT)
    if decide is not None and decide not in answers:
        raise click.BadParameter(f"{decide!r} is none of {', '.join(answers)}", param_hint="--decide")
    run_id = ids.fresh(ids.RUN)
    try:
        with connect(store) as service:
            told = Demo(service, storm(seed), run_id, store=store, by=by or DISPATCH_LEAD, quiet=as_json)
            told.run(decide, reason, rule=rule)
            code = told.account(as_json=as_json)
    except KeyboardInterrupt:
        to_stderr().print(
            Text(
                f"\nstopped; the run is kept. Go on with it:\n  {command_line('runs', 'resume', run_id, store=store)}"
            ),
            soft_wrap=True,
        )
        code = INTERRUPTED
    ctx.exit(code)


class Demo:
    """One telling of the storm. `quiet`: what is said on the way goes to stderr."""

    def __init__(
        self, service: Service[Storm, Report], storm: Storm, run_id: str, *, store: str, by: str, quiet: bool
    ) -> None:
        self.service = service
        self.storm = storm
        self.run_id = run_id
        self.store = store
        self.by = by
        self.console = to_stderr() if quiet else to_stdout()

    def run(self, decide: str | None, reason: str, *, rule: bool = False) -> None:
        """From the storm to its end, or to where it waits."""
        from answerable.examples.logistics.people import NIGHT_DESK

        self._introduce()
        if rule:
            self._give_force()
        with watched(self.service, self.run_id, self.console):
            run = self.service.run(self.storm, by=NIGHT_DESK, run_id=self.run_id)
        while run.status == "waiting" and run.waiting_for and decide != WAIT:
            if decide is not None:
                self._decide_or_tell(run, decide, reason)
            elif not self._ask(run.waiting_for[0]):
                return
            with watched(self.service, self.run_id, self.console):
                run = self.service.resume(self.run_id)

    def account(self, *, as_json: bool) -> int:
        """Say how it went; the exit code."""
        from answerable.examples.logistics.service import served

        run = self.service.get(self.run_id)
        graph = self.service.app.graph
        document = self._read(lambda tx: run_document(tx, self.run_id, graph=graph))
        document["served"] = served(self.storm, run)
        if as_json:
            say_json(document)
        else:
            self._report(run, document)
        return exit_code(run.status)

    def _read(self, work: Any) -> Any:
        return self.service.portal.call(self.service.store.read, work)

    def _introduce(self) -> None:
        from answerable.examples.logistics.people import EMPLOYEES
        from answerable.examples.logistics.system import sign_off

        service = self.service
        known = {person.handle for person in service.people.all() if person.roles or person.teams or person.name}
        for one in EMPLOYEES:
            if one.handle not in known:
                service.people.add(one.handle, name=one.name, roles=one.roles, teams=one.teams)
        system = service.app.graph.system
        in_force = self._read(lambda tx: authority(tx, system).responsible)
        responsible = next(person.handle for person in service.people.all() if person.id == in_force)
        service.accept_exemption(sign_off.name, by=responsible)
        today = self.storm.today
        self.console.print(
            Text.assemble(
                (plain(self.storm.name), "bold"),
                f": {today.weather.precipitation_mm:.0f} mm of rain, {sum(today.trucks.values())} trucks, "
                f"{sum(order.units for order in self.storm.orders)} pallets ordered.\n",
                f"Four agents plan the day, and {responsible} answers for them. Run {short(self.run_id)}\n",
            ),
            soft_wrap=True,
        )

    def _give_force(self) -> None:
        from answerable.examples.logistics.ruling import give_force

        rule = give_force(self.service)
        caps = "; ".join(f"{most:,} {of} per {per}" for of, most, per in rule.caps)
        self.console.print(
            Text(
                f"The standing rule {rule.head.label} may decide: it chooses {rule.body['option']}, at most {caps}.\n"
            ),
            soft_wrap=True,
        )

    def _decide(self, request: OpenRequest, decide: str, reason: str) -> None:
        if decide == REJECT:
            self.service.reject(request.id, by=self.by, reason=reason or "rejected in the demo")
        else:
            self.service.approve(request.id, option=decide, by=self.by, reason=reason)

    def _decide_or_tell(self, run: Run[Report], decide: str, reason: str) -> None:
        """Decide; where that is refused, say what the run waits for. Raises: DecisionRefused, InvalidInput."""
        try:
            self._decide(run.waiting_for[0], decide, reason)
        except (InvalidInput, DecisionRefused):
            lines = "".join(f"\n  {line}" for line, _ in self._next(run))
            to_stderr().print(Text(f"\nthe run waits, and nothing was sent. Go on with it:{lines}\n"), soft_wrap=True)
            raise

    def _ask(self, request: OpenRequest) -> bool:
        """Ask whoever sits here; False if nobody does, or they leave it open."""
        if not (sys.stdin.isatty() and self.console.is_terminal):
            return False
        console = self.console
        tiers = ", then ".join(self.service.app.graph.tiers)
        console.print(
            Text(
                f"\nThe agents' plan serves something while something more critical waits ({request.inversions} times)."
                f" The company ranks {tiers}.\nNothing has been sent. You are {self.by}. What shall be done?\n"
            )
        )
        console.print(options_table(request))
        console.print()
        while True:
            answer = _prompt("Decide", console=console, choices=[*request.options, REJECT, WAIT])
            if answer in (WAIT, ""):
                return False
            reason = _prompt("Why", console=console) if answer == REJECT else ""
            try:
                self._decide(request, answer, reason)
                return True
            except (InvalidInput, DecisionRefused) as error:
                console.print(Text(str(error), "red"))
                if isinstance(error, DecisionRefused):
                    return False

    def _report(self, run: Run[Report], document: Mapping[str, Any]) -> None:
        decided = "after the decision" if document["decisions"] else "so far"
        rows = []
        for tier, units in document["served"].items():
            governed = Text(str(units["governed"]), "green" if units["governed"] >= units["demand"] else "")
            ungoverned = Text(str(units["ungoverned"]), "green" if units["ungoverned"] >= units["demand"] else "")
            rows.append([tier, str(units["demand"]), ungoverned, governed])
        say(Text.assemble("\n", ("The storm  ", "bold"), status_text(run.status)))
        if rows:
            columns = ["tier", "ordered", "the agents alone", decided]
            say(table(*columns, rows=rows, right=columns[1:]))
        if run.detail:
            say(Text(plain(run.detail), "red"))
        if run.result is not None:
            alone, after = run.result.margin_cents_ungoverned / 100, run.result.margin_cents_governed / 100
            say(f"margin {alone:,.2f} alone, {after:,.2f} after the decision")
            if run.result.failed:
                say(Text(f"did not succeed: {plain(', '.join(run.result.failed))}", "red"))
        say(Text.assemble("\n", ("Who decided", "bold")))
        names = {person.handle: person.name for person in self.service.people.all()}
        for made in document["decisions"]:
            name = names.get(made["by"], made["by"])
            reason = f": {made['reason']}" if made["reason"] else ""
            say(plain(f"{name or 'nobody, in time'} — {made['outcome']} {made['option']}".rstrip() + reason))
            if made["outcome"] == "ruled":
                say(f"behind the rule: {plain('; '.join(names.get(one, one) for one in made['voters']))}")
        if not document["decisions"]:
            say("nobody was asked" if run.status == "done" else "nobody yet")
        say(f"started by {names.get(run.started_by)}; {names.get(run.responsible)} answers for all of it")
        say(Text.assemble("\n", ("Calls to carriers and warehouses  ", "bold"), calls_text(document)))
        say(Text.assemble("\n", ("What happened", "bold")))
        say(self._read(lambda tx: tree_of(tx, self.run_id)))
        say(Text.assemble("\n", ("Next", "bold")))
        for line, what in self._next(run):
            say_command(line, what)

    def _next(self, run: Run[Report]) -> list[tuple[str, str]]:
        from answerable.examples.logistics.options import FLOOR
        from answerable.examples.logistics.people import DISPATCH_LEAD

        if run.waiting_for:
            request = short(run.waiting_for[0].id)
            return [
                (self._line("show", request), "each call that an option would release"),
                (self._line("approve", request, "--option", FLOOR, "--as", DISPATCH_LEAD), "decide"),
                (self._line("runs", "resume", short(run.id)), "and have it done"),
                (self._line("serve", "--as", DISPATCH_LEAD), "or decide in a browser"),
            ]
        if run.status in ("waiting", "frozen"):
            return [
                (self._line("freezes"), "what is stopped, and by whom"),
                (self._line("effects", "list", "--in-doubt"), "calls of which nobody knows whether they happened"),
                (self._line("runs", "resume", short(run.id)), "go on"),
            ]
        return [
            (self._line("why", short(run.id)), "what led to this, who decided, and who answers for it"),
            (self._line("effects", "list", "--run", short(run.id)), "each call and its decision"),
            (
                self._line("bundle", short(run.id), "-o", "storm.zip"),
                "the evidence in one file, for an auditor",
            ),
            (self._line("ledger", "verify"), "whether anybody changed a record"),
        ]

    def _line(self, *words: str) -> str:
        return command_line(*words, store=self.store)


def _prompt(question: str, *, console: Console, choices: list[str] | None = None) -> str:
    """Ask on the terminal; "" if it was closed."""
    try:
        return Prompt.ask(question, console=console, choices=choices)
    except EOFError:
        return ""
