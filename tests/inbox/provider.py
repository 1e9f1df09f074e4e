"""A real OpenID provider of the tests' own, as `scripts/provider` installs it: whoever types a name is that person.

It signs with keys that the test makes, so that a test can also write what the provider never would.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from answerable.inbox.oidc.asking import Settings
from tests.support.servers import free_ports, guarded

_ROOT = Path(__file__).parents[2]
AUDIENCE = "https://inbox.example/api"
CLIENT = "answerable"
SECRET = "a secret: with/strange+characters"


@dataclass
class Told:
    """What a provider is told. It may be stopped, and started again with other keys, at the same address."""

    port: int = field(default_factory=lambda: free_ports(1)[0])
    redirects: list[str] = field(default_factory=list)
    keys: list[RSAKey] = field(default_factory=lambda: [new_key("one")])

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"  # to a browser another site than 127.0.0.1

    @property
    def settings(self) -> Settings:
        return Settings(issuer=self.issuer, client=CLIENT, secret=SECRET, audience=AUDIENCE)

    def claims(self, now: float, **more: Any) -> dict[str, Any]:
        """What an ID token of dora's says."""
        told = {"iss": self.issuer, "sub": "dora@idp", "aud": CLIENT, "iat": int(now), "exp": int(now) + 60}
        return {name: value for name, value in (told | more).items() if value is not None}

    def token(self, claims: dict[str, Any], *, key: RSAKey | None = None, **header: Any) -> str:
        """A token that says this, signed with the provider's own key."""
        signing = key or self.keys[0]
        named = {"alg": "RS256", "kid": signing.kid, **header}
        return jwt.encode({name: value for name, value in named.items() if value}, claims, signing)

    def loads(self) -> dict[str, int]:
        """How often each of its addresses was asked for."""
        found: dict[str, int] = httpx.get(f"{self.issuer}/loads", timeout=60).json()
        return found


def new_key(kid: str) -> RSAKey:
    """A new key to sign with."""
    return RSAKey.generate_key(2048, {"kid": kid, "alg": "RS256", "use": "sig"})


@contextmanager
def providing(told: Told) -> Iterator[Told]:
    """The provider, until the end. Skips where there is none."""
    found = subprocess.run([_ROOT / "scripts" / "provider", "path"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip("there is no OpenID provider (`make setup` installs it where node and npm are)")
    said = {
        "port": told.port,
        "issuer": told.issuer,
        "client": CLIENT,
        "secret": SECRET,
        "redirects": told.redirects,
        "audience": AUDIENCE,
        "keys": [{**key.as_dict(private=True), "kid": key.kid} for key in told.keys],
    }
    environment = {**os.environ, "SETTINGS": json.dumps(said)}
    home = Path(tempfile.mkdtemp(prefix="answerable-provider-"))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["node", found.stdout.strip()], stdout=subprocess.PIPE, stderr=log, env=environment, start_new_session=True
        )
    assert process.stdout is not None
    with process.stdout, guarded(process, home):
        for line in process.stdout:
            if line.startswith(b"listening"):
                break
        else:
            raise RuntimeError((home / "log").read_text())
        yield told


def logged_in(told: Told, url: str, name: str, *, browser: httpx.Client | None = None) -> str:
    """Log in as somebody at the provider, from where we sent the browser; where it is sent back to."""
    with httpx.Client(timeout=60) if browser is None else _kept(browser) as client:
        answer = client.get(url)
        while answer.status_code in (302, 303):
            url = urljoin(url, answer.headers["location"])
            if not url.startswith(told.issuer):
                return url
            answer = client.get(url)
            if answer.status_code == 200:
                action = re.search(r'action="(/interaction/[^"]+)"', answer.text)
                assert action, answer.text
                url = urljoin(url, action[1])
                answer = client.post(url, data={"login": name})
        raise AssertionError(f"{answer.status_code} {answer.text}")


@contextmanager
def _kept(browser: httpx.Client) -> Iterator[httpx.Client]:
    yield browser


def exchanged(told: Told, back: str, verifier: str, redirect: str, **more: str) -> dict[str, Any]:
    """What the provider gives for the code of an address that it sent somebody back to."""
    code = httpx.URL(back).params["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect}
    pair = tuple(httpx.QueryParams({"": part}).__str__()[1:] for part in (CLIENT, SECRET))
    answer = httpx.post(f"{told.issuer}/token", data=form | more, auth=httpx.BasicAuth(*pair), timeout=60)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
