"""Options that many commands share."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_STORE: Final = "sqlite:///answerable.db"
TOKEN: Final = "ANSWERABLE_TOKEN"  # noqa: S105 - the name of a variable, and of what was in it, in the context's meta


def store_option(command: F) -> F:
    """`--store URL`, as the argument `store`."""
    return click.option(
        "--store",
        metavar="URL",
        envvar="ANSWERABLE_STORE",
        default=DEFAULT_STORE,
        show_default=True,
        help="The store: sqlite:///FILE or postgresql://USER@HOST/DATABASE. Also: ANSWERABLE_STORE.",
    )(command)


def json_option(command: F) -> F:
    """`--json`, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def reader_option(command: F) -> F:
    """`--as PERSON`, optional, as the argument `by`: who reads evidence. Default: the login name of the user."""
    return click.option(
        "--as",
        "by",
        metavar="PERSON",
        envvar="ANSWERABLE_PERSON",
        default=_login_name,
        show_default="your login name",
        help="Who reads; it is recorded. Also: ANSWERABLE_PERSON.",
    )(command)


def reason_option(command: F) -> F:
    """`--reason TEXT`, required, as the argument `reason`."""
    return click.option("--reason", required=True, metavar="TEXT", help="Why, for whoever reads it later.")(command)


def budget_option(command: F) -> F:
    """`--budget N`, as the argument `budget`."""
    return click.option(
        "--budget",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        envvar="ANSWERABLE_BUDGET",
        help="How often one person decides in 24 hours before they have to say why; 0, the default: as often as they"
        " like. Also: ANSWERABLE_BUDGET.",
    )(command)


def service_option(command: F) -> F:
    """`--service MODULE:NAME`, as the argument `service`."""
    return click.option(
        "--service",
        metavar="MODULE:NAME",
        envvar="ANSWERABLE_SERVICE",
        default="",
        help="The program of the system: an App, or a function that makes a service from a store's URL. "
        "Default: the one that is installed under the system's name.",
    )(command)


def system_option(command: F) -> F:
    """`--system NAME`, as the argument `system`."""
    return click.option(
        "--system", metavar="NAME", default="", help="Which system.  [default: the only one of the store]"
    )(command)


def _login_name() -> str:
    """The login name of the operating system's user."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:  # a user without a name: a bare number in a container
        raise click.UsageError("say who reads, with --as PERSON: this user has no login name") from error
