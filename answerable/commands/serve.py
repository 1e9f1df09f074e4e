"""`answerable serve`: the inbox as a server, and the systems whose program is at hand at work beside it."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from answerable.commands.options import budget_option, service_option, store_option
from answerable.commands.programs import find_program
from answerable.commands.reaching import check_there, read
from answerable.commands.saying import say
from answerable.commands.work import until_told
from answerable.errors import InvalidInput
from answerable.orchestrator.service import Service
from answerable.tracing.people import all_systems, get_person

if TYPE_CHECKING:
    from answerable.inbox.oidc.asking import Settings


@click.command()
@click.option("--as", "by", metavar="PERSON", default="", help="Print a one-time link for PERSON to enter with.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--origin", "origins", multiple=True, metavar="URL", help="An address by which people reach it.")
@click.option("--jaeger", default="", metavar="URL", help="Jaeger's page, for links to traces.")
@click.option("--notify", metavar="FILE", default="", help="Tell people elsewhere: the targets, as TOML.")
@budget_option
@click.option("--statistics-per-person", is_flag=True, help="Count by person, too: ask those whom it is about.")
@click.option("--oidc-issuer", default="", metavar="URL", help="An OpenID provider that people sign in with.")
@click.option("--oidc-client", default="", metavar="ID", help="Who this server is to it.")
@click.option(
    "--oidc-secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file with the client's secret. Also: ANSWERABLE_OIDC_SECRET.",
)
@click.option("--oidc-audience", default="", metavar="TEXT", help="Whom its access tokens for the API are for.")
@click.option("--oidc-match-email", is_flag=True, help="Bind a login to the person whose contact is its address.")
@service_option
@store_option
def serve(
    by: str,
    host: str,
    port: int,
    origins: tuple[str, ...],
    jaeger: str,
    notify: str,
    budget: int,
    statistics_per_person: bool,
    service: str,
    store: str,
    **oidc: Any,
) -> None:
    """Serve the API and the pages of the inbox, and work for the systems whose program is at hand."""
    try:
        from answerable.inbox.notices.targets import read_targets
        from answerable.inbox.server import addresses, listening, serve_inbox
    except ImportError as error:
        raise InvalidInput(f"the inbox is not installed: {error}", hint="pip install 'answerable[inbox]'") from error
    check_there(store)
    _check_jaeger(jaeger)
    targets = read_targets(Path(notify)) if notify else ()
    provider = _provider(secret=os.environ.pop("ANSWERABLE_OIDC_SECRET", ""), **oidc)
    if by:
        read(store, lambda tx: get_person(tx, by))
    with until_told(), listening(host, port) as on, ExitStack() as opened:
        own = addresses(host, on.getsockname()[1], origins)
        services = _services(service, store, opened)
        asyncio.run(
            serve_inbox(
                store,
                services,
                on=on,
                origins=own,
                jaeger=jaeger.rstrip("/"),
                targets=targets,
                budget=budget,
                statistics_per_person=statistics_per_person,
                person=by if own[0].startswith("http://") else "",
                provider=provider,
                ready=lambda address, link: _say_ready(address, link, by, list(services)),
            )
        )


def _check_jaeger(address: str) -> None:
    """Raises: InvalidInput if a page cannot link to it."""
    try:
        parts = urlsplit(address)
        right = not address or (parts.scheme in ("http", "https") and bool(parts.netloc))
    except ValueError:  # half an IPv6 address
        right = False
    if not right:
        raise InvalidInput(f"{address!r} is no address of Jaeger's page", hint="for example http://127.0.0.1:16686")


def _provider(
    *,
    secret: str,
    oidc_issuer: str,
    oidc_client: str,
    oidc_secret_file: Path | None,
    oidc_audience: str,
    oidc_match_email: bool,
) -> Settings | None:
    """How we are known to the provider that was named, if one was. Raises: InvalidInput."""
    from answerable.inbox.oidc.asking import Settings

    if not oidc_issuer:
        if oidc_client or oidc_secret_file or oidc_audience or oidc_match_email:
            raise InvalidInput("which provider? no --oidc-issuer was named", hint="for example https://login.example")
        return None
    return Settings(
        issuer=oidc_issuer,
        client=oidc_client,
        secret=oidc_secret_file.read_text(encoding="utf-8").strip() if oidc_secret_file else secret,
        audience=oidc_audience,
        match_email=oidc_match_email,
    )


def _services(service: str, store: str, opened: ExitStack) -> dict[str, Service[Any, Any]]:
    """The services of the store's systems, each opened; those whose program is not at hand are named."""
    systems = read(store, all_systems)
    if service:
        found = opened.enter_context(find_program(service, "", store))
        return {found.app.graph.system: found}
    services = {}
    for system in systems:
        try:
            program = find_program("", system, store)
        except InvalidInput as error:
            say(f"{system} is not worked for here: {error.message}")
            continue
        services[system] = opened.enter_context(program)
    return services


def _say_ready(address: str, link: str, by: str, systems: list[str]) -> None:
    say(f"serving {address}/" + (f", working for {', '.join(systems)}" if systems else ""))
    if link:
        say(f"{by} can enter once, within a minute: {link}")
    else:
        say(f"sign in with a token: {address}/sign-in")
