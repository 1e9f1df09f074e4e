"""Whom a provider vouches for: by a code that a browser brings, or by a token that a program shows.

1. A token is taken if a key of the provider signed it, by an asymmetric algorithm that is on the list, and it is from
   this issuer, for us, and in its time. "none" is not on the list, and no key is a shared secret, so that a public key
   cannot pass for one.
2. A code is exchanged with the verifier whose hash went ahead of it (PKCE); its token repeats our nonce.
3. An access token (`at+jwt`, RFC 9068) is for our audience, an ID token for our client. One that is bound to a key of
   its holder is not taken: nobody shows us that key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry

from answerable.errors import NotAuthenticated, ProviderUnavailable
from answerable.inbox.oidc.asking import Asking, Settings

# Source: RFC 8725, 3.1 and 3.2. (`EdDSA` went with RFC 9864; the name of its curve took its place.)
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519"),
)
LEEWAY_SECONDS: Final = 30
_ID: Final = frozenset({"", "jwt"})
_ACCESS: Final = frozenset({"at+jwt", "application/at+jwt"})
_AGAIN: Final = "begin again, at the page for signing in"


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """Whom the provider vouches for. `since` is when they logged in (microseconds), 0 where it does not say."""

    issuer: str
    subject: str
    since: int
    email: str  # "" unless the provider has verified it


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What we asked of a login: with which words it has to come back, and where to."""

    redirect: str
    state: str
    nonce: str
    verifier: str
    fresh: bool  # the provider is to ask them, whoever they are to it already
    at: int


class Provider:
    """An OpenID provider, and how we are known to it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._asking = Asking(settings)

    async def login_url(self, asked: Asked, *, challenge: str, now: int) -> str:
        """Where a person logs in. Raises: ProviderUnavailable."""
        said = {
            "response_type": "code",
            "client_id": self.settings.client,
            "redirect_uri": asked.redirect,
            "scope": "openid email" if self.settings.match_email else "openid",
            "state": asked.state,
            "nonce": asked.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if asked.fresh:
            said |= {"prompt": "login", "max_age": "0"}
        return _with(await self._asking.endpoint("authorization_endpoint", now), said)

    async def logout_url(self, *, now: int) -> str:
        """Where a person ends the login at the provider, too; "" if it has no such page, or is away."""
        try:
            where = await self._asking.endpoint("end_session_endpoint", now)
        except ProviderUnavailable:
            return ""
        return _with(where, {"client_id": self.settings.client})

    async def logged_in(self, code: str, asked: Asked, *, issuer: str, now: int) -> Vouched:
        """Whom a code stands for; `issuer` is who says that it sent it.

        Raises: NotAuthenticated, ProviderUnavailable.
        """
        metadata = await self._asking.metadata(now)
        says_who = metadata.get("authorization_response_iss_parameter_supported") is True
        if issuer != self.settings.issuer and (issuer or says_who):  # Source: RFC 9207
            raise NotAuthenticated("this login is of another provider", hint=_AGAIN)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": asked.redirect}
        said = await self._exchange(form | {"code_verifier": asked.verifier}, metadata, now)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise NotAuthenticated("the provider vouched for nobody", hint=_AGAIN)
        vouched = await self._vouched(token, now=now, nonce=asked.nonce)
        if asked.fresh and vouched.since < asked.at - LEEWAY_SECONDS * 1_000_000:
            raise NotAuthenticated("the provider did not ask you anew", hint=_AGAIN)
        return vouched

    async def bearer(self, token: str, *, now: int) -> Vouched:
        """Whom a token that a program shows stands for. Raises: NotAuthenticated, ProviderUnavailable."""
        return await self._vouched(token, now=now, nonce="")

    async def _exchange(self, form: dict[str, str], metadata: Mapping[str, Any], now: int) -> dict[str, Any]:
        """What the provider gives for a code (RFC 6749, 4.1.3), to us as who we are to it (2.3.1)."""
        client, secret = self.settings.client, self.settings.secret
        where = await self._asking.endpoint("token_endpoint", now)
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret and "client_secret_basic" in methods:
            auth = httpx.BasicAuth(_encoded(client), _encoded(secret))
            status, said = await self._asking.ask("POST", where, data=form, auth=auth)
        else:
            ours = {"client_id": client, **({"client_secret": secret} if secret else {})}
            status, said = await self._asking.ask("POST", where, data=form | ours)
        if status != 200:
            why = str(said.get("error", status))[:80]
            raise NotAuthenticated(f"the provider does not take this login: {why!r}", hint=_AGAIN)
        return said

    async def _vouched(self, token: str, *, now: int, nonce: str) -> Vouched:
        """Whom a token is about, if it is one for us; with `nonce`, the one of a login. Raises: NotAuthenticated."""
        try:
            try:
                found = jwt.decode(token, await self._asking.keys(now), ALGORITHMS)
            except InvalidKeyIdError:
                found = jwt.decode(token, await self._asking.keys(now, anew=True), ALGORITHMS)
            claims = found.claims
            self._check(str(found.header.get("typ") or "").lower(), claims, nonce, now // 1_000_000)
        except (JoseError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise NotAuthenticated(
                f"this login is not taken: {type(error).__name__}: {error}", hint="sign in again, or get another token"
            ) from error
        email = claims.get("email")
        verified = isinstance(email, str) and claims.get("email_verified") is True
        return Vouched(
            issuer=self.settings.issuer,
            subject=claims["sub"],
            since=_since(claims, now),
            email=str(email) if verified else "",
        )

    def _check(self, kind: str, claims: dict[str, Any], nonce: str, seconds: int) -> None:
        """Raises: JoseError, ValueError."""
        for_api = kind in _ACCESS and not nonce
        if (kind not in _ID and not for_api) or "cnf" in claims:
            raise ValueError("it is a token for something else")
        ours = self.settings.client
        more: dict[str, ClaimsOption] = {} if for_api else {"azp": {"value": ours}}
        if nonce:
            more["nonce"] = {"essential": True, "value": nonce}
        checks = JWTClaimsRegistry(
            now=seconds,
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.settings.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": (self.settings.audience or ours) if for_api else ours},
            exp={"essential": True},
            iat={"essential": True},
            **more,
        )
        checks.validate(claims)
        if not for_api and isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims:
            raise ValueError("it does not say for whom of several it is")


def _since(claims: Mapping[str, Any], now: int) -> int:
    """When the person logged in; 0 where the provider does not say, or says that it is yet to come."""
    said = claims.get("auth_time")
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said <= now / 1e6 + LEEWAY_SECONDS:
        return 0
    return min(int(said * 1e6), now)


def _with(url: str, said: Mapping[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(said)}"


def _encoded(text: str) -> str:
    return urlencode({"": text})[1:]
