"""What a provider says of itself: where it is asked, and with which keys it signs.

1. A provider is known by its issuer; everything else it says itself (discovery), and its issuer there is that one.
2. It changes its keys when it likes. A key that is not known is asked for, but only so often; what is known is asked
   for anew after a while, and does for longer where the provider cannot be reached.
3. A provider that is away is away: it is not asked again for a moment, and everything else goes on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from answerable.agents.texts import shortened
from answerable.errors import InvalidInput, ProviderUnavailable
from answerable.inbox.addresses import is_loopback

ASK_SECONDS: Final = 10.0  # how long the provider may take
RENEW_SECONDS: Final = 600  # after which keys are asked for anew
KEEP_SECONDS: Final = 3600  # how long they do where the provider is away
ASK_AGAIN_SECONDS: Final = 30  # between two questions about a key that is not known
AWAY_SECONDS: Final = 2  # for which a provider that is away is not asked again
MOST_BYTES: Final = 1024 * 1024
_ASYMMETRIC: Final = frozenset({"RSA", "EC", "OKP"})  # a secret that both sides share is never among the keys
_SECOND: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How we are known to a provider. `audience` is what its access tokens for us say; by default the client."""

    issuer: str
    client: str
    secret: str = field(default="", repr=False)
    audience: str = ""
    match_email: bool = False  # whether a verified address that is a person's contact binds the login to them

    def __post_init__(self) -> None:
        parts = urlsplit(self.issuer)
        if not is_safe(self.issuer) or parts.query or parts.fragment:
            raise InvalidInput(
                f"{self.issuer!r} is no issuer", hint="for example https://login.example; http on loopback only"
            )
        if not self.client:
            raise InvalidInput("a provider was named and no client", hint="name it with --oidc-client ID")


@dataclass
class Asking:
    """A provider, as we last heard from it. Every `now` is microseconds."""

    settings: Settings
    _metadata: dict[str, Any] = field(default_factory=dict)
    _keys: KeySet | None = None
    _heard_at: int = 0  # when the keys came
    _asked_at: int | None = None  # when they were last asked for
    _away_at: int | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def metadata(self, now: int) -> dict[str, Any]:
        """What it says of itself. Raises: ProviderUnavailable."""
        async with self._lock:
            if not self._metadata:
                if self._away_at is not None and 0 <= now - self._away_at < AWAY_SECONDS * _SECOND:
                    raise self.away("it was away a moment ago")
                try:
                    self._metadata = await self._discover()
                except ProviderUnavailable:
                    self._away_at = now
                    raise
        return self._metadata

    async def endpoint(self, name: str, now: int) -> str:
        """Where it is asked for something. Raises: ProviderUnavailable."""
        url = (await self.metadata(now)).get(name)
        if not isinstance(url, str) or not is_safe(url):
            raise self.away(f"it says no {name}")
        return url

    async def keys(self, now: int, *, anew: bool = False) -> KeySet:
        """Its keys; with `anew` such as it has now, if it was not asked a moment ago. Raises: ProviderUnavailable."""
        where = await self.endpoint("jwks_uri", now)
        async with self._lock:
            asked = self._asked_at is not None and 0 <= now - self._asked_at < ASK_AGAIN_SECONDS * _SECOND
            if not asked and (anew or self._keys is None or now - self._heard_at >= RENEW_SECONDS * _SECOND):
                self._asked_at = now
                try:
                    self._keys, self._heard_at = await self._fetch_keys(where), now
                except ProviderUnavailable:
                    if self._keys is None:
                        raise
            if self._keys is None or now - self._heard_at >= KEEP_SECONDS * _SECOND:
                raise self.away("its keys are not known")
            return self._keys

    async def ask(self, method: str, url: str, **sent: Any) -> tuple[int, dict[str, Any]]:
        """The status and the JSON object of an answer, {} if it is none. Raises: ProviderUnavailable."""
        try:
            async with httpx.AsyncClient(timeout=ASK_SECONDS, follow_redirects=False) as client:
                answer = await client.request(method, url, headers={"Accept": "application/json"}, **sent)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.away(type(error).__name__) from error
        if answer.status_code >= 500 or len(answer.content) > MOST_BYTES:
            raise self.away(f"it answers {answer.status_code}, with {len(answer.content)} bytes")
        try:
            said = answer.json()
        except ValueError:
            said = {}
        return answer.status_code, said if isinstance(said, dict) else {}

    def away(self, why: str) -> ProviderUnavailable:
        """That it cannot be asked."""
        return ProviderUnavailable(
            f"{self.settings.issuer} cannot be asked who you are: {why}",
            hint="try again in a moment; whoever is signed in stays signed in",
        )

    async def _discover(self) -> dict[str, Any]:
        issuer = self.settings.issuer
        status, said = await self.ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if status != 200 or said.get("issuer") != issuer:
            raise self.away(f"there is {shortened(str(said.get('issuer', 'no provider')), 200)!r}")
        return said

    async def _fetch_keys(self, where: str) -> KeySet:
        status, said = await self.ask("GET", where)
        listed = said.get("keys") if status == 200 else None
        usable: Any = [
            one
            for one in (listed if isinstance(listed, list) else [])
            if isinstance(one, dict) and one.get("kty") in _ASYMMETRIC and one.get("use", "sig") == "sig"
        ]
        try:
            return KeySet.import_key_set({"keys": usable})
        except (JoseError, ValueError, TypeError, LookupError) as error:
            raise self.away("it has no key that can be used") from error


def is_safe(url: str) -> bool:
    """Whether what is sent there can be read there only: https, or this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    loopback = parts.scheme == "http" and is_loopback(host)
    return bool(host) and not parts.username and (parts.scheme == "https" or loopback)
