"""Rendering: templates, and what every text on a page goes through.

1. Everything that a template prints is escaped by Jinja and made visible here: control and bidirectional characters
   appear as what they are, so no text of an agent reads otherwise than it is written.
2. A value that is not there is an error, not an empty place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from answerable.agents.texts import plain
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError
from answerable.inbox.entering import the_desk
from answerable.inbox.problems import status_of
from answerable.tracing.clock import to_the_second
from answerable.tracing.evidence.story.page import TEMPLATES

HERE: Final = Path(__file__).parent.parent
SHOWN_CHARACTERS: Final = 20_000


def visible(value: Any) -> Any:
    """A text with its control and bidirectional characters made visible; newlines and tabs stay."""
    if isinstance(value, str) and not isinstance(value, Markup) and not (value.isascii() and value.isprintable()):
        return "\n".join("\t".join(plain(part) for part in line.split("\t")) for line in value.split("\n"))
    return value


def when(at: int | None) -> str:
    """A time, in the time zone of the server, which is said."""
    return "" if at is None else datetime.fromtimestamp(at / 1e6, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def span(micros: int) -> str:
    """A duration in its two largest units: `3 h 20 min`."""
    seconds = abs(micros) // 1_000_000
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def body_text(body: bytes) -> tuple[str, int]:
    """The bytes of a call as text (as hexadecimal digits, if they are none), and how many characters are not shown."""
    try:
        text = bytes(body).decode()
    except UnicodeDecodeError:
        text = bytes(body).hex(" ")
    return text[:SHOWN_CHARACTERS], max(0, len(text) - SHOWN_CHARACTERS)


def pretty(value: Any) -> str:
    """JSON, for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def sentence(text: str) -> str:
    """A text with a capital letter in front, unless it begins with an address or an id; the rest can be copied."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].strip(",:;").isalpha() else text


_environment = Environment(
    loader=ChoiceLoader([FileSystemLoader(HERE / "templates"), TEMPLATES]),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=visible,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    when=when,
    span=span,
    body_text=body_text,
    pretty=pretty,
    sentence=sentence,
    plain=plain,
    to_the_second=to_the_second,
)


def page(
    request: Request,
    template: str,
    *,
    who: Identity | None,
    code: int = 200,
    trouble: AnswerableError | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page. `who` is signed in, or nobody is; `trouble` is what was just tried in vain, and makes its status."""
    if trouble is not None:
        code = status_of(trouble)
    desk = the_desk(request)
    csrf = "" if who is None else csrf_of(request, who)
    shared: Mapping[str, Any] = {"who": who, "csrf": csrf, "now": desk.now, "path": request.url.path}
    return HTMLResponse(
        _environment.get_template(template).render(**shared, trouble=trouble, **values), status_code=code
    )


def csrf_of(request: Request, who: Identity) -> str:
    """What a form of this session has to say: another site can neither read nor guess it."""
    return the_desk(request).office.key.mac("csrf", who.credential)
