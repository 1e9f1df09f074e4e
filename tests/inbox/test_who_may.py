"""Who may do what: every operation of the API and every page, by everybody. A new one without its row fails.

The operations come from the API's own document, the pages from the application's routers; the rows say who may. Whoever
may not is told so, and nothing is written.
"""

from __future__ import annotations

import pkgutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.routing import APIRoute
from sqlalchemy import func, select

from answerable.agents.options import DAY, HOUR, MINUTE
from answerable.agents.people import role
from answerable.approvals.node import BreakGlass, exemption
from answerable.approvals.who.signatures import prove_possession
from answerable.inbox import pages
from answerable.orchestrator.reports import OpenRequest
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.tables.ledger import records
from tests.inbox.site import API, ORIGIN, Site, fields_of, standing
from tests.inbox.test_rules import RULE
from tests.orchestrator.letters import CARRIER, Ask, Letter, kinder, letters

NOBODY = frozenset({"nobody", "garbage", "revoked", "session"})  # who shows no token that is good
EVERYBODY = ("olaf", "nils", "dora", "alice")  # no role; a lead who started the runs; a lead; who answers
SLOWLY = 6.0  # seconds from one try to the next: no limit hides what is behind it
_COUNT = Statement(select(func.count()).select_from(records))


def long(letter: Letter, ask: Ask) -> bool:
    return len(letter.text) > 1000


SHARED: dict[str, Any] = {
    "options": kinder,
    "denied": True,
    "exempt": exemption(version=1)(long),
    "break_glass": BreakGlass(by=role("duty"), per_day=1000),
}


@dataclass
class World:
    """A site where everything is there that can be acted upon, and made anew for each try."""

    site: Site
    url: str
    count: int = 0
    shown: dict[str, dict[str, str]] = field(default_factory=dict)  # what each sends along

    def call(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        return self.site.service.portal.call(lambda: verb(*args, **kwargs))

    def request(self) -> OpenRequest:
        self.count += 1
        return self.site.asked(f"ann {self.count}")

    def decided(self) -> str:
        request = self.request()
        self.site.service.approve(request.id, by="dora")
        made = self.site.service.request(request.id).decision
        assert made is not None
        return made.id

    def review(self) -> str:
        request = self.request()
        asked = {"answer": "break-glass", "option": "as-proposed", "code": "urgent", "reason": "the dam breaks"}
        assert self.site.decide(request.id, "dirk", **asked).status_code == 201
        return str(self.call(self.site.service.office.reviews)[-1].id)

    def proposed(self) -> str:
        """The digest of other rules of deciding, which a new version of the system declares."""
        self.count += 1
        app = letters(**SHARED, within=HOUR + self.count * MINUTE)
        with app.connect(self.url, origins={CARRIER: self.site.receiver.origin}, clock=self.site.clock):
            pass
        (one,) = self.call(self.site.service.office.approvals)
        return str(list(one.proposed)[-1])

    def rule(self, author: str = "eve") -> str:
        self.count += 1
        never = RULE.replace("post == 1", "post == 7").replace("post = 1", "post = 7")  # what is asked stays asked
        return never.replace("one-letter", f"letter-{self.count}").replace('"eve"', f'"{author}"')

    def stored_rule(self) -> dict[str, str]:
        made = self.site.client.post(f"{API}/rules", json={"file": self.rule()}, headers=self.site.headers("eve"))
        return dict(made.json())

    def key(self, who: str) -> dict[str, Any]:
        private, now = Ed25519PrivateKey.generate(), self.site.clock.now()
        me = self.site.client.get(f"{API}/me", headers=self.site.headers(who if who in EVERYBODY else "olaf"))
        public = b64encode(private.public_key().public_bytes_raw()).decode()
        return {"public": public, "proof": prove_possession(private, me.json()["id"], at=now), "at": now}

    def frozen(self) -> str:
        made = self.site.service.freeze("agent:explain", by="emil", reason="stop")
        return str(self.site.service.freeze_state(made.id).id)  # quiesced, as it is at the first look

    def written(self) -> int:
        return int(self.site.service.portal.call(self.site.service.store.read, lambda tx: tx.one(_COUNT))[0])


Asking = Callable[[World, str], tuple[str, Any]]  # the path and the body of one try, by somebody


@dataclass(frozen=True)
class Row:
    """Who may, and what they are answered; `refused` is what anybody else with a token is."""

    asks: Asking
    may: tuple[str, ...] = EVERYBODY
    code: int = 201
    refused: int = 403
    looks: bool = False  # and so does whoever has a session only


def _look(path: str = "", made: Callable[[World], str] = lambda _: "") -> Row:
    return Row(lambda world, _: (path.format(made(world)), None), code=200, looks=True)


def _answer(world: World, _: str) -> tuple[str, Any]:
    request = world.request()
    body = {"answer": "approve", "digest": request.digest, "option": "kinder"}
    return f"/requests/{request.id}/decisions", body


def _accept_interrupt(world: World, _: str) -> tuple[str, Any]:
    request = world.request()
    return f"/interrupts/{request.id}", {"type": "accept", "args": None, "digest": request.digest}


def _answer_all(world: World, _: str) -> tuple[str, Any]:
    request = world.request()
    asked = {"requests": [{"id": request.id, "digest": request.digest}], "answer": "approve", "option": "kinder"}
    return "/decisions", asked


def _of_approval(verb: str, **more: str) -> Asking:
    def asks(world: World, _: str) -> tuple[str, Any]:
        return f"/approvals/{verb}", {"system": "letters", "approval": "sign", "digest": world.proposed(), **more}

    return asks


def _approve_rule(world: World, _: str) -> tuple[str, Any]:
    rule = world.stored_rule()
    return f"/rules/{rule['id']}/approval", {"digest": rule["digest"]}


_EXEMPT = {"system": "letters", "approval": "sign", "exemption": "long@1"}
_TAKE_BACK = {"code": "wrong", "reason": "not kind"}
_DELEGATE = {"to": "emil", "seconds": 60, "reason": "a break"}

ROWS: dict[str, Row] = {
    "me": _look("/me"),
    "list_requests": _look("/requests"),
    "get_request": _look("/requests/{}", lambda world: world.request().id),
    "list_interrupts": _look("/interrupts"),
    "get_interrupt": _look("/interrupts/{}", lambda world: world.request().id),
    "list_approvals": _look("/approvals"),
    "list_exemptions": _look("/exemptions"),
    "list_delegations": _look("/delegations"),
    "list_reviews": _look("/reviews"),
    "list_rules": _look("/rules"),
    "get_rule": _look("/rules/{}", lambda world: world.stored_rule()["id"]),
    "replay_rule": _look("/rules/{}/replay", lambda world: world.stored_rule()["id"]),
    "list_runs": _look("/runs"),
    "get_one_run": _look("/runs/{}", lambda world: world.request().run),
    "list_freezes": _look("/freezes"),
    "get_freeze": _look("/freezes/{}", lambda world: world.frozen()),
    "get_statistics": _look("/statistics"),
    "events": Row(lambda *_: ("/events", None), may=()),  # who may is told without an end: test_feed
    "register_key": Row(lambda world, who: ("/me/keys", world.key(who))),
    "decide": Row(_answer, may=("dora", "alice")),
    "answer_interrupt": Row(_accept_interrupt, may=("dora", "alice")),
    "decide_all": Row(_answer_all, may=("dora", "alice"), code=200, refused=200),  # it tells of each
    "revoke": Row(lambda world, _: (f"/decisions/{world.decided()}/revocation", _TAKE_BACK), may=("dora", "alice")),
    "accept_approval": Row(_of_approval("acceptance"), may=("alice",)),
    "decline_approval": Row(_of_approval("refusal", reason="no"), may=("alice",)),
    "accept_exemption": Row(lambda *_: ("/exemptions/acceptance", _EXEMPT), may=("alice",)),
    "delegate": Row(lambda *_: ("/delegations", _DELEGATE)),
    "revoke_delegation": Row(
        lambda world, _: (
            f"/delegations/{world.site.service.people.delegate(by='dora', **_DELEGATE).id}/revocation",  # type: ignore[arg-type]  # a str, an int
            {"reason": "back"},
        ),
        may=("dora", "alice"),
        code=200,
    ),
    "review": Row(
        lambda world, _: (f"/reviews/{world.review()}/verdict", {"verdict": "right", "reason": "fine"}),
        may=("dora", "alice"),
    ),
    "propose_rule": Row(lambda world, who: ("/rules", {"file": world.rule(who if who in EVERYBODY else "olaf")})),
    "approve_rule": Row(_approve_rule, may=("nils", "dora", "alice")),
    "revoke_rule": Row(
        lambda world, _: (f"/rules/{world.stored_rule()['id']}/revocation", {"reason": "no"}),
        may=("nils", "dora", "alice"),
    ),
    "make_freeze": Row(lambda *_: ("/freezes", {"system": "letters", "target": "agent:explain", "reason": "stop"})),
    "thaw": Row(
        lambda world, _: (
            f"/freezes/{world.frozen()}/thaw",
            {"reason": "go on"},
        ),
        may=("alice",),
        code=200,
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    url = f"sqlite:///{tmp_path_factory.mktemp('who') / 'a.db'}"
    with standing(url, app=letters(**SHARED)) as site:
        for handle, roles in (("olaf", []), ("nils", ["lead"]), ("dirk", ["duty"]), ("eve", [])):
            site.service.people.add(handle, roles=roles)
        made = World(site, url)
        ended = site.token("emil")
        (token,) = made.call(site.service.office.people.tokens)
        made.call(site.service.office.people.revoke_token, token.id)
        good = {who: site.token(who, seconds=30 * DAY) for who in EVERYBODY}
        made.shown = {who: {"Authorization": f"Bearer {secret}"} for who, secret in good.items()} | {
            "nobody": {},
            "garbage": {"Authorization": f"Bearer answerable_tok_{'0' * 64}"},
            "revoked": {"Authorization": f"Bearer {ended}"},
            "session": {"Cookie": site.browser("alice").cookie, "Origin": ORIGIN},
        }
        yield made


def operations(world: World) -> dict[str, str]:
    """The method of every operation of the API, by its id."""
    document = world.site.client.get(f"{API}/openapi.json", headers=world.shown["dora"]).json()
    return {each["operationId"]: method.upper() for path in document["paths"].values() for method, each in path.items()}


def test_every_operation_of_the_api_has_its_row(world: World) -> None:
    assert operations(world).keys() == ROWS.keys()


@pytest.mark.parametrize("name", ROWS)
def test_only_who_may_does_it_and_nobody_else_changes_anything(world: World, name: str) -> None:
    row, method = ROWS[name], operations(world)[name]
    for who in (*NOBODY, *EVERYBODY):
        if name == "events" and who in ("session", *EVERYBODY):
            continue
        world.site.clock.advance(SLOWLY)
        path, body = row.asks(world, who)
        before = world.written()
        answer = world.site.client.request(method, f"{API}{path}", json=body, headers=world.shown[who])
        may = who in row.may or (row.looks and who == "session")
        expected = row.code if may else 401 if who in NOBODY else row.refused
        assert answer.status_code == expected, (who, answer.text)
        assert (world.written() > before) == (may and method == "POST"), who
        if not may and expected != 200:
            assert answer.headers["content-type"] == "application/problem+json"
            assert path.rpartition("/")[2] == "events" or "letter-" not in answer.text


# -- pages -------------------------------------------------------------------------------------------------------------

OPEN = {  # pages for whoever is nobody yet
    ("GET", "/enter/{secret}"),
    ("POST", "/enter"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/sign-in/oidc"),
    ("GET", "/sign-in/oidc/back"),
}


def routes() -> list[tuple[str, str]]:
    """Method and path of every page."""
    modules = [import_module(f"{pages.__name__}.{each.name}") for each in pkgutil.iter_modules(pages.__path__)]
    found = [each for module in modules for each in getattr(module, "router", pages).__dict__.get("routes", [])]
    return [
        (method, each.path) for each in found if isinstance(each, APIRoute) for method in sorted(each.methods or ())
    ]


def there(world: World, path: str) -> str:
    """The address of something that is there, as far as its page has one."""
    request = world.request()
    ids = {"/requests": request.id, "/runs": request.run, "/rules": "none", "/delegations": "none", "/freezes": "none"}
    kind = f"/{path.split('/')[1]}"
    for name in ("id", "run", "rule", "delegation", "effect"):
        path = path.replace(f"{{{name}}}", ids.get(kind, "none"))
    return path


def test_there_are_pages_and_those_that_are_open_are_known() -> None:
    assert set(routes()) >= OPEN and len(routes()) > 30


@pytest.mark.parametrize(("method", "path"), [each for each in routes() if each not in OPEN])
def test_a_page_is_for_whoever_is_signed_in_and_a_form_for_its_own_session(
    world: World, method: str, path: str
) -> None:
    where, client = there(world, path), world.site.client
    before = world.written()
    if method == "GET":
        for who in ("nobody", "dora"):  # a token opens no page
            answer = client.get(where, headers=world.shown[who])
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")
        seen = client.get(where, headers=world.shown["session"])
        assert seen.status_code in (200, 303, 404)
        assert (
            seen.headers["cache-control"] == "no-store"
            and "default-src 'none'" in seen.headers["content-security-policy"]
        )
        return
    mine, theirs = (world.site.browser(who) for who in ("alice", "dora"))
    csrf = fields_of(mine.get("/freezes").text, "/freezes")["csrf"]
    before = world.written()
    form = {"csrf": csrf, "reason": "x", "system": "letters", "target": "system", "answer": "reject"}
    tries: list[tuple[int, dict[str, str], dict[str, str]]] = [
        (401, {"Origin": ORIGIN}, form),  # nobody
        (401, {"Origin": ORIGIN, **world.shown["alice"]}, form),  # a token opens no page
        (403, {"Origin": ORIGIN, "Cookie": theirs.cookie}, form),  # another one's form
        (403, {"Origin": ORIGIN, "Cookie": mine.cookie}, {**form, "csrf": ""}),
        (403, {"Origin": "https://evil.example", "Cookie": mine.cookie}, form),
        (403, {"Origin": "null", "Cookie": mine.cookie}, form),
        (403, {"Cookie": mine.cookie}, form),  # a browser that does not say from where
        (421, {"Origin": ORIGIN, "Cookie": mine.cookie, "Host": "evil.example"}, form),
    ]
    for status, headers, said in tries:
        world.site.clock.advance(SLOWLY)
        answer = client.post(where, data=said, headers=headers)
        assert answer.status_code == status, (headers, answer.text)
    twice = client.post(
        where,
        content=f"csrf={csrf}&csrf={csrf}&reason=x",
        headers={**world.shown["session"], "Cookie": mine.cookie, "Content-Type": "application/x-www-form-urlencoded"},
    )
    json = client.post(where, json=form, headers={"Origin": ORIGIN, "Cookie": mine.cookie})
    assert twice.status_code == json.status_code == 422
    assert world.written() == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"])
def test_nothing_is_done_by_another_method(world: World, method: str) -> None:
    paths = {there(world, path) for _, path in routes()} | {f"{API}/freezes", f"{API}/requests"}
    before = world.written()
    for path in sorted(paths):
        world.site.clock.advance(SLOWLY)
        for who in ("session", "alice"):
            answer = world.site.client.request(method, path, headers={"Origin": ORIGIN, **world.shown[who]})
            assert answer.status_code in (401, 404, 405), (path, answer.status_code)
            assert "access-control-allow-origin" not in answer.headers
    assert world.written() == before
