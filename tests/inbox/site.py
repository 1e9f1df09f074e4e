"""An inbox over a store of letters, as its clients reach it, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient

from answerable.inbox.app import inbox
from answerable.inbox.desk import Desk
from answerable.orchestrator.app import App
from answerable.orchestrator.reports import OpenRequest
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, FakeReceiver
from tests.orchestrator.letters import CARRIER, Ask, Letter, letters

ORIGIN = "http://127.0.0.1:8765"
API = "/api/v1"


def kinder(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"kinder": Letter(text=f"{letter.text}, with love")}


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
        _, secret = self.service.portal.call(self.service.office.make_token, person, seconds=seconds)
        return secret

    def headers(self, person: str) -> dict[str, str]:
        """What a program of a person sends."""
        return {"Authorization": f"Bearer {self.token(person)}"}

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


@contextmanager
def standing(url: str, *, app: App[Any, Any] = LETTERS, program: bool = True) -> Iterator[Site]:
    """A site on the store at `url`; without its `program`, it has the office only."""
    clock = FakeClock()
    with FakeReceiver() as receiver, app.connect(url, origins={CARRIER: receiver.origin}, clock=clock) as service:
        service.people.add("dora", roles=["lead"])
        service.people.add("emil", roles=["lead"])
        services = {app.graph.system: service} if program else {}
        desk = Desk(office=service.office, services=services, origins=(ORIGIN, "http://localhost:8765"))
        with TestClient(inbox(desk), base_url=ORIGIN, raise_server_exceptions=False) as client:
            yield Site(service=service, client=client, receiver=receiver, clock=clock)


def problem(response: Any) -> tuple[int, str]:
    """The status and our code of a refusal."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert document["status"] == response.status_code and document["detail"]
    return response.status_code, document["code"]
