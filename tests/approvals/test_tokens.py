"""Bearer tokens: who acts by showing one, and when it stops to work."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import pytest

from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.who.credentials import check_standing, identity_of
from answerable.approvals.who.identity import Identity
from answerable.approvals.who.tokens import token_holder
from answerable.errors import InvalidInput, NotAuthenticated, NotEligible, UnknownId
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, nowhere
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.records.access import TokenMade, TokenRevoked
from tests.orchestrator.letters import CARRIER, Ask, insert, letters, rows, serving, tamper

pytestmark = pytest.mark.anyio

DAY_SECONDS = 24 * 3600


async def _shown(service: Service[Any, Any], secret: str) -> Identity:
    store, key = service.store, service.office.key
    credential, person = await store.read(lambda tx: token_holder(tx, key, secret, at=store.clock.now()))
    return identity_of(credential, person)


async def test_a_decision_made_with_a_token_says_so(store_url: str) -> None:
    async with serving(letters(), store_url, origins={CARRIER: nowhere()}) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        _, secret = await service.office.people.make_token("dora", seconds=60)
        dora = await _shown(service, secret)
        decision = await service.aapprove(request.id, by=dora)
        assert decision.assurance == "token" and decision.genuine(service.office.key)


async def test_a_token_does_not_make_eligible(store_url: str) -> None:
    async with serving(letters(), store_url, origins={CARRIER: nowhere()}) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        _, secret = await service.office.people.make_token("nils", seconds=60)
        with pytest.raises(NotEligible):
            await service.areject(request.id, by=await _shown(service, secret), reason="mine")


async def test_the_store_holds_no_secret_and_a_scanner_knows_one(store_url: str) -> None:
    async with serving(letters(), store_url) as service:
        made, secret = await service.office.people.make_token("dora", seconds=60, note="the desk's script")
        assert re.fullmatch(r"answerable_tok_[0-9a-f]{72}", secret)
        (row,) = await rows(service, "credentials")
        assert row["digest"] == sha256(secret.encode()).hexdigest()
        assert secret not in str(row) and row["note"] == "the desk's script"
        entries = await service.store.read(lambda tx: records_of(tx, ""))
        (record,) = [entry.record for entry in entries if isinstance(entry.record, TokenMade)]
        assert (record.token, record.person) == (made.id, made.person)
        assert "script" not in record.model_dump_json()


async def test_a_revoked_token_stops_at_once_also_for_who_was_let_in_before(store_url: str) -> None:
    async with serving(letters(), store_url, origins={CARRIER: nowhere()}) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        made, secret = await service.office.people.make_token("dora", seconds=60)
        dora = await _shown(service, secret)
        await service.office.people.revoke_token(made.id)
        with pytest.raises(NotAuthenticated, match="revoked"):
            await _shown(service, secret)
        for act in (
            service.aapprove(request.id, by=dora),
            service.areject(request.id, by=dora, reason="no"),
            service.aedit(request.id, {"text": "x"}, by=dora),
            service.office.freeze("letters", "system", by=dora, reason="r"),
            service.office.thaw("frz_0", by=dora, reason="r"),
        ):
            with pytest.raises(NotAuthenticated, match="revoked"):
                await act
        assert (await service.arequest(request.id)).state == "open" and not await service.afreezes()
        with pytest.raises(InvalidInput, match="revoked already"):
            await service.office.people.revoke_token(made.id)
        entries = await service.store.read(lambda tx: records_of(tx, ""))
        assert [one.record.token for one in entries if isinstance(one.record, TokenRevoked)] == [made.id]


async def test_a_token_expires(store_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(), store_url, clock=clock) as service:
        _, secret = await service.office.people.make_token("dora", seconds=DAY_SECONDS)
        clock.advance(DAY_SECONDS - 1)
        dora = await _shown(service, secret)
        clock.advance(1)
        with pytest.raises(NotAuthenticated, match="expired"):
            await _shown(service, secret)
        with pytest.raises(NotAuthenticated, match="expired"):
            await service.office.freeze("letters", "system", by=dora, reason="r")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "dora",
        lambda secret: secret[:-1],
        lambda secret: secret + "0",
        lambda secret: secret.upper(),
        lambda secret: secret[:20] + ("0" if secret[20] != "0" else "1") + secret[21:],
        lambda secret: secret.replace("answerable_tok_", "answerable_ses_"),
    ],
)
async def test_what_is_not_the_whole_token_lets_nobody_in(spoil: Any, sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url) as service:
        _, secret = await service.office.people.make_token("dora", seconds=60)
        with pytest.raises(NotAuthenticated):
            await _shown(service, spoil(secret))


@pytest.mark.parametrize("changed", [{"person": "prs_0"}, {"expires_at": 2**62}, {"assurance": "signed"}])
async def test_a_credential_that_was_changed_by_hand_lets_nobody_in(store_url: str, changed: dict[str, Any]) -> None:
    async with serving(letters(), store_url) as service:
        _, secret = await service.office.people.make_token("dora", seconds=60)
        await tamper(service, "credentials", **changed)
        with pytest.raises(NotAuthenticated, match="MAC is wrong"):
            await _shown(service, secret)


async def test_a_credential_that_was_written_by_hand_lets_nobody_in(store_url: str) -> None:
    async with serving(letters(), store_url) as service:
        _, secret = await service.office.people.make_token("dora", seconds=60)
        (row,) = await rows(service, "credentials")
        forged = secret[:20] + "0" * 44
        await insert(service, "credentials", **row | {"id": "tok_0", "digest": sha256(forged.encode()).hexdigest()})
        who = Identity(handle="dora", assurance="token", credential="tok_0")
        with pytest.raises(NotAuthenticated, match="MAC is wrong"):
            await service.office.freeze("letters", "system", by=who, reason="r")


async def test_one_persons_credential_is_not_anothers(store_url: str) -> None:
    async with serving(letters(), store_url) as service:
        made, _ = await service.office.people.make_token("dora", seconds=60)
        store, key = service.store, service.office.key
        claimed = Identity(handle="alice", assurance="token", credential=made.id)
        with pytest.raises(NotAuthenticated, match="not a credential of alice"):
            await store.write(lambda tx: check_standing(tx, key, claimed, at=store.clock.now()))


async def test_only_a_registered_person_has_one(store_url: str) -> None:
    async with serving(letters(), store_url) as service:
        with pytest.raises(UnknownId):
            await service.office.people.make_token("agent-7", seconds=60)
        with pytest.raises(InvalidInput, match="would have expired"):
            await service.office.people.make_token("dora", seconds=0)
        with pytest.raises(UnknownId, match="no token"):
            await service.office.people.revoke_token("tok_0")


@pytest.mark.parametrize("changed", [{"ended_at": None}, {"expires_at": 2**60}, {"assurance": "oidc"}])
async def test_a_revoked_token_that_was_put_back_by_hand_is_found(store_url: str, changed: dict[str, Any]) -> None:
    async with serving(letters(), store_url) as service:
        office = service.office

        async def faults() -> list[str]:
            return await service.store.read(lambda tx: [str(one) for one in faults_of_tables(tx, office.key)])

        made, secret = await office.people.make_token("dora", seconds=60)
        await office.people.revoke_token(made.id)
        assert await faults() == []
        await tamper(service, "credentials", **changed)
        (found,) = await faults()
        assert made.id in found
        if changed == {"ended_at": None}:
            assert (await office.keeping.rebuild(by="dora", reason="somebody wrote into it")).changed == (
                f"credential {made.id}",
            )
            assert await faults() == []
        with pytest.raises(NotAuthenticated):
            await _shown(service, secret)


async def test_a_token_that_nobody_made_and_one_that_is_gone_are_found(store_url: str) -> None:
    async with serving(letters(), store_url) as service:
        key = service.office.key
        made, _ = await service.office.people.make_token("dora", seconds=60)
        (row,) = await rows(service, "credentials")
        await tamper(service, "credentials", id="tok_" + "0" * 32)
        found = await service.store.read(lambda tx: [str(one) for one in faults_of_tables(tx, key)])
        assert [made.id in one for one in found] == [False, True]
        await tamper(service, "credentials", id=row["id"])
        assert not await service.store.read(lambda tx: list(faults_of_tables(tx, key)))
