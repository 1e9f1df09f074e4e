"""Signing in with a real OpenID provider: on the pages, and with its tokens through the API."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from joserfc import jws, jwt

from answerable.errors import InvalidInput
from answerable.inbox.oidc.asking import ASK_AGAIN_SECONDS, KEEP_SECONDS, RENEW_SECONDS, Settings
from answerable.inbox.oidc.pending import PENDING_SECONDS
from answerable.inbox.oidc.vouching import Provider
from answerable.inbox.pages.rendering import sentence
from answerable.testing import FakeClock
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.records.access import IdentityBound, IdentityUnbound
from tests.inbox.provider import AUDIENCE, CLIENT, Told, exchanged, logged_in, new_key, providing
from tests.inbox.site import API, LETTERS, ORIGIN, Browser, Site, problem, standing
from tests.orchestrator.letters import kinder, letters, rows

_BACK = f"{ORIGIN}/sign-in/oidc/back"


@pytest.fixture(scope="module")
def provider() -> Iterator[Told]:
    with providing(Told(redirects=[_BACK])) as told:
        yield told


@contextmanager
def _site(told: Told, url: str, *, bound: bool = True, app: Any = LETTERS, **settings: Any) -> Iterator[Site]:
    named = Settings(**{**vars(told.settings), **settings})
    with standing(url, app=app, clock=FakeClock(datetime.now(UTC)), provider=Provider(named)) as site:
        if bound:
            _bind(site, told, "dora", "dora@idp")
        yield site


def _bind(site: Site, told: Told, person: str, subject: str) -> str:
    made = site.service.portal.call(site.service.office.people.bind, person, issuer=told.issuer, subject=subject)
    return made.id


def _begun(site: Site, **query: str) -> tuple[str, str]:
    """The address at the provider, and the cookie that a browser keeps meanwhile."""
    gone = site.client.get("/sign-in/oidc", params=query)
    assert gone.status_code == 303, gone.text
    site.client.cookies.clear()
    kept = gone.headers["set-cookie"]
    assert "HttpOnly" in kept and "SameSite=lax" in kept
    return gone.headers["location"], kept.partition(";")[0]


def _back(site: Site, url: str, cookie: str) -> Any:
    answer = site.client.get(url.removeprefix(ORIGIN), headers={"Cookie": cookie})
    site.client.cookies.clear()
    return answer


def _signed_in(site: Site, told: Told, name: str = "dora@idp", **query: str) -> tuple[Browser, Any]:
    where, cookie = _begun(site, **query)
    answer = _back(site, logged_in(told, where, name), cookie)
    assert answer.status_code == 200, answer.text
    sessions = [one for one in answer.headers.get_list("set-cookie") if one.startswith("answerable-8765=")]
    assert len(sessions) == 1 and "SameSite=strict" in sessions[0] and "HttpOnly" in sessions[0]
    return Browser(site=site, cookie=sessions[0].partition(";")[0]), answer


def _answer(browser: Browser, request: str, reason: str = "") -> Any:
    path = f"/requests/{request}"
    said = browser.form(path, f"{path}/decisions") | {"answer": "approve:kinder", "reason": reason}
    return browser.post(f"{path}/decisions", said)


def _assurance(site: Site, request: str) -> str:
    document = site.client.get(f"{API}/requests/{request}", headers=site.headers("dora")).json()
    return str(document["decision"]["assurance"])


# -- the pages ---------------------------------------------------------------------------------------------------------


def test_whoever_the_provider_vouches_for_decides_as_sure(provider: Told, store_url: str) -> None:
    with _site(provider, store_url, app=letters(options=kinder, requires="oidc")) as site:
        request = site.asked()
        linked = site.browser("dora")
        assert "asserted-local" in _answer(linked, request.id).text and site.service.request(request.id).state == "open"
        dora, answer = _signed_in(site, provider, next=f"/requests/{request.id}")
        assert f'content="0; url=/requests/{request.id}"' in answer.text
        assert _answer(dora, request.id).status_code == 303
        assert _assurance(site, request.id) == "oidc"


def test_a_login_that_nobody_bound_is_nobody_and_the_page_says_what_to_do(provider: Told, sqlite_url: str) -> None:
    with _site(provider, sqlite_url) as site:
        where, cookie = _begun(site)
        answer = _back(site, logged_in(provider, where, "mallory@idp"), cookie)
        assert answer.status_code == 401 and "answerable people bind HANDLE" in answer.text
        assert "mallory@idp" in answer.text and "answerable-8765=" not in str(
            answer.headers.get_list("set-cookie")[:-1]
        )


def test_a_session_ends_with_its_binding_and_a_login_can_be_bound_anew(provider: Told, store_url: str) -> None:
    with _site(provider, store_url, bound=False) as site:
        office, call = site.service.office, site.service.portal.call
        first = _bind(site, provider, "dora", "dora@idp")
        with pytest.raises(InvalidInput, match="bound already"):
            _bind(site, provider, "emil", "dora@idp")
        dora, _ = _signed_in(site, provider)
        assert dora.get("/requests").status_code == 200
        call(office.people.unbind, first)
        assert dora.get("/requests").headers["location"].startswith("/sign-in")
        with pytest.raises(InvalidInput, match="ended already"):
            call(office.people.unbind, first)
        _bind(site, provider, "emil", "dora@idp")
        emil, _ = _signed_in(site, provider)
        assert ">emil<" in emil.get("/requests").text
        told = [entry.record for entry in call(office.store.read, lambda tx: records_of(tx, ""))]
        kinds = [type(one) for one in told if isinstance(one, IdentityBound | IdentityUnbound)]
        assert kinds == [IdentityBound, IdentityUnbound, IdentityBound]
        assert "dora@idp" not in "".join(one.model_dump_json() for one in told)


@pytest.mark.parametrize(("name", "contact", "match", "found"), [
    ("emil@idp", "EMIL@idp@shop.example", True, True),
    ("emil@idp", "emil@idp@shop.example", False, False),
    ("un@idp", "un@idp@shop.example", True, False),  # the provider has not verified it
    ("emil@idp", "else@shop.example", True, False),
])  # fmt: skip
def test_a_verified_address_binds_where_that_is_switched_on(
    provider: Told, sqlite_url: str, name: str, contact: str, match: bool, found: bool
) -> None:
    with _site(provider, sqlite_url, bound=False, match_email=match) as site:
        site.service.people.add("emil", contact=contact, roles=["lead"])
        where, cookie = _begun(site)
        answer = _back(site, logged_in(provider, where, name), cookie)
        assert answer.status_code == (200 if found else 401), answer.text
        if found:
            site.service.people.add("eve", contact=contact, roles=["lead"])  # now there are two; he is bound already
            assert _signed_in(site, provider, name)


def test_a_login_is_good_in_the_browser_that_began_it_and_once(provider: Told, sqlite_url: str) -> None:
    with _site(provider, sqlite_url) as site:
        where, cookie = _begun(site)
        back = logged_in(provider, where, "dora@idp")
        _, another = _begun(site)
        for wrong in ("", another, cookie[:-1], f"{cookie}0", "answerable-8765-login=e30.00"):
            assert _back(site, back, wrong).status_code == 401
        assert _back(site, back.replace("state=", "state=x"), cookie).status_code == 401
        assert _back(site, back.replace("localhost", "127.0.0.1").replace("iss=", "iss=x"), cookie).status_code == 401
        assert _back(site, back, cookie).status_code == 200
        assert _back(site, back, cookie).status_code == 401  # the provider takes a code once


def test_a_login_that_takes_too_long_or_is_refused_lets_nobody_in(provider: Told, sqlite_url: str) -> None:
    with _site(provider, sqlite_url) as site:
        where, cookie = _begun(site)
        state = where.partition("&state=")[2].partition("&")[0]
        refused = _back(site, f"/sign-in/oidc/back?state={state}&error=access_denied", cookie)
        assert refused.status_code == 401 and "access_denied" in refused.text
        back = logged_in(provider, where, "dora@idp")
        site.clock.advance(PENDING_SECONDS)
        late = _back(site, back, cookie)
        assert late.status_code == 401 and "took too long" in late.text


def test_a_cookie_that_was_planted_is_worth_nothing_after_a_login(provider: Told, sqlite_url: str) -> None:
    with _site(provider, sqlite_url) as site:
        emil = site.browser("emil")
        where, cookie = _begun(site)
        answer = _back(site, logged_in(provider, where, "dora@idp"), f"{cookie}; {emil.cookie}")
        made = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("answerable-8765="))
        assert made.partition(";")[0] != emil.cookie
        dora = Browser(site=site, cookie=made.partition(";")[0])
        assert ">dora<" in dora.get("/requests").text and ">emil<" in emil.get("/requests").text


def test_an_old_login_is_made_fresh_and_nothing_that_was_typed_is_lost(provider: Told, store_url: str) -> None:
    with _site(provider, store_url, app=letters(options=kinder, fresh=300)) as site:
        request = site.asked()
        dora, _ = _signed_in(site, provider)
        site.clock.advance(400)
        refused = _answer(dora, request.id, "it is late,\nand I know why")
        assert refused.status_code == 403 and "What you typed is kept" in refused.text
        assert site.service.request(request.id).state == "open"
        assert f"/sign-in/oidc?fresh=true&amp;next=%2Frequests%2F{request.id}%23answer" in refused.text
        where, _ = _begun(site, fresh="true", next=f"/requests/{request.id}#answer")
        assert "prompt=login" in where and "max_age=0" in where
    with _site(provider, store_url, bound=False, app=letters(options=kinder, fresh=300)) as site:  # another server
        again, _ = _signed_in(site, provider, fresh="true", next=f"/requests/{request.id}#answer")
        form = again.form(f"/requests/{request.id}", f"/requests/{request.id}/decisions")
        assert form["reason"] == "it is late,\nand I know why"
        assert _answer(again, request.id, form["reason"]).status_code == 303
        edit = site.service.request(request.id)
        assert edit.state == "decided"


def test_what_somebody_edited_is_kept_while_they_sign_in(provider: Told, sqlite_url: str) -> None:
    with _site(provider, sqlite_url, app=letters(fresh=300)) as site:
        path = f"/requests/{site.asked().id}/edit"
        dora, _ = _signed_in(site, provider)
        site.clock.advance(400)
        said = dora.form(path, path) | {"m:text": "another text", "reason": "nicer"}
        refused = dora.post(path, said)
        assert refused.status_code == 403 and "Sign in again" in refused.text
    with _site(provider, sqlite_url, bound=False, app=letters(fresh=300)) as site:  # in time
        again, _ = _signed_in(site, provider, fresh="true")
        form = again.form(path, path)
        assert (form["m:text"], form["reason"]) == ("another text", "nicer")
        emil = site.browser("emil")
        assert emil.form(path, path)["m:text"] != "another text"  # a draft is its author's
        assert again.post(path, form).status_code == 303
        assert not site.service.portal.call(_drafts, site)


async def _drafts(site: Site) -> list[Any]:
    return await rows(site.service, "drafts")


def test_a_provider_that_does_not_ask_anew_makes_nothing_fresh(provider: Told, sqlite_url: str) -> None:
    """As if somebody had taken prompt=login out of the address on the way."""
    with _site(provider, sqlite_url) as site, httpx.Client(timeout=60) as browser:
        where, cookie = _begun(site)
        logged_in(provider, where, "dora@idp", browser=browser)
        site.clock.advance(100)
        where, cookie = _begun(site, fresh="true")
        lazy = where.replace("&prompt=login&max_age=0", "")
        answer = _back(site, logged_in(provider, lazy, "nobody", browser=browser), cookie)
        assert answer.status_code == 401 and "max_age" not in lazy


def test_signing_out_ends_the_session_and_leads_out_of_the_provider(provider: Told, sqlite_url: str) -> None:
    with _site(provider, sqlite_url) as site:
        dora, _ = _signed_in(site, provider)
        out = dora.post("/sign-out", {"csrf": dora.form("/requests", "/sign-out")["csrf"]})
        assert dora.get("/requests").headers["location"].startswith("/sign-in")
        page = site.client.get(out.headers["location"])
        assert f"{provider.issuer}/session/end?client_id={CLIENT}" in page.text


def test_a_provider_that_is_away_is_said_and_everything_else_goes_on(sqlite_url: str) -> None:
    with providing(Told(redirects=[_BACK])) as told:
        pass  # it was there, and is no more
    with _site(told, sqlite_url) as site:
        request = site.asked()
        page = site.client.get("/sign-in/oidc", params={"next": f"/requests/{request.id}"})
        assert page.status_code == 503 and "cannot be asked who you are" in page.text and "Your token" in page.text
        headers = {"Authorization": f"Bearer {told.token(told.claims(time.time()))}"}
        assert problem(site.client.get(f"{API}/me", headers=headers)) == (503, "provider-unavailable")
        dora = site.browser("dora")
        assert _answer(dora, request.id).status_code == 303
        out = dora.post("/sign-out", {"csrf": dora.form("/requests", "/sign-out")["csrf"]})
        assert site.client.get(out.headers["location"]).status_code == 200
        with providing(told):  # and it is back
            site.clock.advance(5)
            assert _signed_in(site, told)


@pytest.mark.parametrize(
    "issuer", ["http://login.example", "login.example", "https://", "https://a.example?x", "ftp://127.0.0.1"]
)
def test_what_is_no_issuer_is_refused(issuer: str) -> None:
    with pytest.raises(InvalidInput, match="is no issuer"):
        Settings(issuer=issuer, client="x")


def test_a_provider_that_calls_itself_otherwise_is_none(provider: Told, sqlite_url: str) -> None:
    with _site(provider, sqlite_url, issuer=provider.issuer.replace("localhost", "127.0.0.1")) as site:
        page = site.client.get("/sign-in/oidc")
        assert page.status_code == 503 and provider.issuer in page.text


# -- the API -----------------------------------------------------------------------------------------------------------


def _me(site: Site, token: str) -> Any:
    return site.client.get(f"{API}/me", headers={"Authorization": f"Bearer {token}"})


def test_tokens_of_the_provider_are_taken_by_the_api(provider: Told, store_url: str) -> None:
    """An access token for the API and an ID token for us, as the provider itself gives them."""
    with _site(provider, store_url, app=letters(options=kinder, requires="oidc", fresh=300)) as site:
        verifier = "v" * 64
        challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": CLIENT,
            "response_type": "code",
            "redirect_uri": _BACK,
            "scope": "openid inbox",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "max_age": "3600",
            "resource": AUDIENCE,
        }
        back = logged_in(provider, f"{provider.issuer}/auth?{urlencode(query)}", "dora@idp")
        given = exchanged(provider, back, verifier, _BACK, resource=AUDIENCE)
        request = site.asked()
        for token in (given["access_token"], given["id_token"]):
            me = _me(site, token)
            assert me.status_code == 200, me.text
            assert (me.json()["person"], me.json()["assurance"]) == ("dora", "oidc")
        said = {"answer": "approve", "option": "kinder", "digest": request.digest}
        where, headers = f"{API}/requests/{request.id}/decisions", {"Authorization": f"Bearer {given['access_token']}"}
        assert problem(site.client.post(where, json=said, headers=headers)) == (403, "not-sure-enough")  # no auth_time
        headers = {"Authorization": f"Bearer {given['id_token']}"}
        assert site.client.post(where, json=said, headers=headers).status_code == 201
        assert _assurance(site, request.id) == "oidc"


_HOUR = 3600


@pytest.mark.parametrize(
    ("said", "header"),
    [
        ({"iss": "http://localhost:1"}, {}),
        ({"iss": None}, {}),
        ({"aud": "somebody-else"}, {}),
        ({"aud": None}, {}),
        ({"aud": []}, {}),
        ({"aud": {"x": CLIENT}}, {}),
        ({"aud": [CLIENT, "another"]}, {}),  # for several, and it does not say for whom
        ({"aud": [CLIENT, "another"], "azp": "another"}, {}),
        ({"azp": "another"}, {}),
        ({"sub": None}, {}),
        ({"sub": 7}, {}),
        ({"sub": "mallory@idp"}, {}),  # who is nobody here
        ({"exp": None}, {}),
        ({"exp": 1}, {}),
        ({"exp": -_HOUR}, {}),
        ({"exp": "never"}, {}),
        ({"iat": None}, {}),
        ({"iat": _HOUR}, {}),
        ({"nbf": _HOUR}, {}),
        ({"cnf": {"jkt": "x"}}, {}),
        ({}, {"typ": "logout+jwt"}),
        ({}, {"typ": "at+jwt"}),  # an access token is for the audience, and this is for the client
        ({}, {"kid": "two"}),
        ({}, {"crit": ["x"], "x": 1}),
    ],
)
def test_a_token_that_is_not_quite_right_is_nobody(
    provider: Told, sqlite_url: str, said: dict[str, Any], header: dict[str, Any]
) -> None:
    now = time.time()
    moved = {
        name: value + now if name in ("exp", "iat", "nbf") and isinstance(value, int) and abs(value) == _HOUR else value
        for name, value in said.items()
    }
    with _site(provider, sqlite_url) as site:
        assert _me(site, provider.token(provider.claims(now))).status_code == 200
        if "crit" in header:
            parts = [_part({"alg": "RS256", "kid": "one", **header}), _part(provider.claims(now))]
            key = provider.keys[0]
            token = (
                ".".join(parts)
                + "."
                + base64.urlsafe_b64encode(jws.JWSRegistry.algorithms["RS256"].sign(".".join(parts).encode(), key))
                .decode()
                .rstrip("=")
            )
        else:
            token = provider.token(provider.claims(now, **moved), **header)
        assert problem(_me(site, token)) == (401, "not-authenticated")


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_no_algorithm_none_and_no_public_key_as_a_shared_secret(provider: Told, sqlite_url: str) -> None:
    claims = provider.claims(time.time())
    public = provider.keys[0]
    secrets = [public.as_pem(private=False), json.dumps(public.as_dict(private=False)).encode(), b"x" * 32]
    forged = [
        f"{_part({'alg': alg, 'kid': kid})}.{_part(claims)}."
        for alg in ("none", "None", "NONE", "")
        for kid in ("one", None)
    ]
    for secret in secrets:
        for alg in ("HS256", "HS384", "HS512"):
            said = f"{_part({'alg': alg, 'kid': 'one'})}.{_part(claims)}"
            mac = hmac.digest(secret, said.encode(), f"sha{alg[2:]}")
            forged.append(f"{said}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")
    mallory = new_key("one")
    forged.append(provider.token(claims, key=mallory))  # another key under the name of theirs
    embedded = {"alg": "RS256", "kid": "one", "jwk": mallory.as_dict(private=False)}
    forged.append(jwt.encode(embedded, claims, mallory))  # and one that brings its own
    whole = provider.token(claims)
    head, body, signature = whole.split(".")
    forged += [
        f"{head}.{_part(claims | {'sub': 'emil@idp'})}.{signature}",
        f"{head}.{body}.",
        f"{head}..{signature}",
        "a.b.c",
        "..",
    ]
    with _site(provider, sqlite_url) as site:
        _bind(site, provider, "emil", "emil@idp")
        for token in forged:
            site.clock.advance(60)  # so that nobody counts the guesses
            assert problem(_me(site, token)) == (401, "not-authenticated"), token


def test_whoever_guesses_such_tokens_is_not_listened_to_for_a_while(provider: Told, sqlite_url: str) -> None:
    with _site(provider, sqlite_url) as site:
        told = [_me(site, "a.b.c").status_code for _ in range(40)]
        assert told[0] == 401 and told[-1] == 429


def test_an_address_stays_as_it_is_at_the_head_of_a_sentence() -> None:
    assert sentence("https://login.example cannot be asked") == "https://login.example cannot be asked"
    assert sentence("this, too: `answerable serve`") == "This, too: `answerable serve`"


def test_keys_change_and_are_asked_for_only_so_often(sqlite_url: str) -> None:
    told = Told(redirects=[_BACK])
    with _site(told, sqlite_url) as site:
        now = site.clock.now() / 1e6
        with providing(told):
            assert _me(site, told.token(told.claims(now))).status_code == 200
            for _ in range(5):  # of a key that nobody knows
                assert _me(site, told.token(told.claims(now), kid="two")).status_code == 401
            assert told.loads()["/jwks"] == 1
        old, told.keys = told.keys[0], [new_key("two")]
        with providing(told):
            assert _me(site, told.token(told.claims(now))).status_code == 401  # asked a moment ago
            site.clock.advance(ASK_AGAIN_SECONDS)
            assert _me(site, told.token(told.claims(now))).status_code == 200
            assert _me(site, told.token(told.claims(now), key=old)).status_code == 401  # it signs no more
            assert told.loads()["/jwks"] == 1
        site.clock.advance(RENEW_SECONDS)  # it is away: what is known does for a while
        now = site.clock.now() / 1e6
        assert _me(site, told.token(told.claims(now))).status_code == 200
        site.clock.advance(KEEP_SECONDS)
        now = site.clock.now() / 1e6
        assert _me(site, told.token(told.claims(now))).status_code == 503


def test_a_token_of_ours_is_one_still_and_without_a_provider_theirs_is_none(provider: Told, sqlite_url: str) -> None:
    with _site(provider, sqlite_url) as site:
        assert _me(site, site.token("dora")).json()["assurance"] == "token"
    with standing(sqlite_url) as site:
        assert problem(_me(site, provider.token(provider.claims(time.time())))) == (401, "not-authenticated")
