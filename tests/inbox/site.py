"""An inbox over a store of letters, as its clients reach it, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from fastapi.testclient import TestClient

from answerable.inbox.app import inbox
from answerable.inbox.desk import Desk
from answerable.inbox.sessions import make_link
from answerable.orchestrator.app import App
from answerable.orchestrator.reports import OpenRequest
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, FakeReceiver
from tests.orchestrator.letters import CARRIER, Ask, kinder, letters

ORIGIN = "http://127.0.0.1:8765"
API = "/api/v1"


LETTERS: App[Any, Any] = letters(options=kinder, denied=True)


@dataclass(frozen=True, kw_only=True)
class Site:
    """`client` has no credential; `token` makes one of a person's."""

    service: Service[Any, Any]
    client: TestClient
    receiver: FakeReceiver
    clock: FakeClock

    def asked(self, text: str = "ann") -> OpenRequest:
        """A request of a run that "nils" began."""
        (request,) = self.service.run(Ask(text=text), by="nils").waiting_for
        return request

    def token(self, person: str, *, seconds: float = 3600) -> str:
        """The secret of a new token."""
        _, secret = self.service.portal.call(self.service.office.people.make_token, person, seconds=seconds)
        return secret

    def headers(self, person: str) -> dict[str, str]:
        """What a program of a person sends."""
        return {"Authorization": f"Bearer {self.token(person)}"}

    def link(self, person: str) -> str:
        """The secret of a one-time link."""
        office = self.service.office
        secret: str = self.service.portal.call(office.act, lambda tx, now: make_link(tx, office.key, person, at=now))
        return secret

    def is_untouched(self, request: str) -> bool:
        """Whether it is open as it was, and nothing left."""
        return self.service.request(request).state == "open" and not self.receiver.received

    def browser(self, person: str) -> Browser:
        """A browser in which a person entered by their link."""
        entered = self.client.post("/enter", data={"secret": self.link(person)}, headers={"Origin": ORIGIN})
        assert (entered.status_code, entered.headers["location"]) == (303, "/requests"), entered.text
        self.client.cookies.clear()
        return Browser(site=self, cookie=entered.headers["set-cookie"].partition(";")[0])

    def shown(self, request: str, person: str = "dora") -> dict[str, Any]:
        """A request as the API shows it to a person."""
        found = self.client.get(f"{API}/requests/{request}", headers=self.headers(person))
        assert found.status_code == 200, found.text
        document: dict[str, Any] = found.json()
        return document

    def decide(self, request: str, person: str = "dora", /, *, key: str = "", **body: Any) -> Any:
        """The response to an answer; the digest is the one that is shown, unless it is given."""
        said = {"digest": self.service.request(request).digest, **body}
        headers = {**self.headers(person), **({"Idempotency-Key": key} if key else {})}
        return self.client.post(f"{API}/requests/{request}/decisions", json=said, headers=headers)


@dataclass(frozen=True, kw_only=True)
class Browser:
    """A person's browser, signed in: it sends its cookie, and says which page a form comes from."""

    site: Site
    cookie: str

    def get(self, path: str) -> Any:
        """A page."""
        return self.site.client.get(path, headers={"Cookie": self.cookie})

    def post(self, path: str, said: dict[str, str], **headers: str) -> Any:
        """A form, sent as it stands."""
        sent = {"Cookie": self.cookie, "Origin": ORIGIN, **headers}
        return self.site.client.post(path, data=said, headers=sent)

    def form(self, path: str, action: str) -> dict[str, str]:
        """What the form with this action says on a page, as it is sent if nobody touches it."""
        page = self.get(path)
        assert page.status_code == 200, page.text
        return fields_of(page.text, action)

    def answer(self, request: str) -> dict[str, str]:
        """The form that approves a request's kinder option."""
        path = f"/requests/{request}"
        return self.form(path, f"{path}/decisions") | {"answer": "approve:kinder"}


def fields_of(text: str, action: str) -> dict[str, str]:
    """The fields of the form with this action, by name."""
    parser = _Fields(action)
    parser.feed(text)
    assert parser.seen, f"no form for {action}"
    return parser.fields


class _Fields(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.action, self.inside, self.seen, self.area = action, False, False, ""
        self.select = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        said = dict(pairs)
        if tag == "form":
            self.inside = said.get("action") == self.action
            self.seen = self.seen or self.inside
        elif self.inside and tag == "input" and said.get("type") != "checkbox":
            self.fields[said.get("name") or ""] = said.get("value") or ""
        elif self.inside and tag == "textarea":
            self.area = said.get("name") or ""
            self.fields[self.area] = ""
        elif self.inside and tag == "select":
            self.select = said.get("name") or ""

    def handle_data(self, data: str) -> None:
        if self.inside and self.area:
            self.fields[self.area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "textarea":
            self.area = ""


@contextmanager
def standing(
    url: str, *, app: App[Any, Any] = LETTERS, program: bool = True, clock: FakeClock | None = None, **of_desk: Any
) -> Iterator[Site]:
    """A site on the store at `url`; without its `program`, it has the office only."""
    clock = clock or FakeClock()
    with FakeReceiver() as receiver, app.connect(url, origins={CARRIER: receiver.origin}, clock=clock) as service:
        service.people.add("dora", roles=["lead"])
        service.people.add("emil", roles=["lead"])
        services = {app.graph.system: service} if program else {}
        service.office.budget = of_desk.pop("budget", 0)
        desk = Desk(office=service.office, services=services, origins=(ORIGIN, "http://localhost:8765"), **of_desk)
        made = TestClient(
            inbox(desk),
            base_url=ORIGIN,
            client=("127.0.0.1", 50_000),
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        with made as client:
            yield Site(service=service, client=client, receiver=receiver, clock=clock)


def problem(response: Any) -> tuple[int, str]:
    """The status and our code of a refusal."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert document["status"] == response.status_code and document["detail"]
    return response.status_code, document["code"]
