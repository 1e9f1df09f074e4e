"""Rule 13: a signature is over this answer to this request by this person, and nothing else passes for it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.agents.people import role
from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.answers import Answer
from answerable.approvals.node import BreakGlass
from answerable.approvals.who.identity import Identity
from answerable.approvals.who.signatures import Meant, Signed, prove_possession, public_of, sign
from answerable.errors import AlreadyDecided, NotAuthenticated, NotSureEnough
from answerable.orchestrator.service import Service
from answerable.testing import FakeReceiver
from answerable.tracing.people import get_person
from tests.approvals.test_signatures import with_token
from tests.orchestrator.letters import Ask, letters, rows, serving, tamper
from tests.support.servers import NOWHERE

pytestmark = pytest.mark.anyio

YES = Answer(outcome="approved", option="as-proposed")


async def registered(service: Service[Any, Any], handle: str, *, asserted: bool = False) -> Ed25519PrivateKey:
    private, now = Ed25519PrivateKey.generate(), service.store.clock.now()
    person = await service.store.read(lambda tx: get_person(tx, handle))
    proof = prove_possession(private, person.id, at=now)
    who = handle if asserted else await with_token(service, handle)
    await service.office.people.register_key(who, public=public_of(private), proof=proof, proved_at=now)
    return private


async def signed(
    service: Service[Any, Any], request: str, private: Ed25519PrivateKey, handle: str, answer: Answer = YES
) -> Signed:
    row, person = await service.store.read(lambda tx: (get_request(tx, request), get_person(tx, handle)))
    meant = Meant(
        system=row.system,
        subject=row.id,
        digest=row.digest,
        answer=answer.outcome,
        option=answer.option,
        reason=answer.reason,
        person=person.id,
        for_person="",
    )
    return sign(private, meant, at=service.store.clock.now())


def with_signature(one: Signed) -> Answer:
    return Answer(outcome="approved", option="as-proposed", signed=one)


async def test_a_signature_is_not_replayed_for_the_same_words_elsewhere(store_url: str) -> None:
    """Two runs ask the very same; what Dora signed for one is sent along to the other, and once more to the first."""
    with FakeReceiver() as receiver:
        async with serving(letters(requires="signed"), store_url, receiver.origin) as service:
            dora = await registered(service, "dora")
            first, second = [(await service.arun(Ask(), by="nils")).waiting_for[0] for _ in range(2)]
            given = with_signature(await signed(service, first.id, dora, "dora"))
            with pytest.raises(NotAuthenticated):
                await service.office.decide(second.id, given, by="dora")
            assert (await service.office.decide(first.id, given, by="dora")).assurance == "signed"
            with pytest.raises(AlreadyDecided):
                await service.office.decide(first.id, given, by="dora")
            await service.aresume(second.run)
            assert (await service.arequest(second.id)).state == "open" and not receiver.received


async def test_nobody_signs_for_somebody_else(store_url: str) -> None:
    async with serving(letters(), store_url, NOWHERE, people={"emil": "lead"}) as service:
        emil = await registered(service, "emil")
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        for claimed in ("dora", "emil"):
            given = with_signature(await signed(service, request.id, emil, claimed))
            with pytest.raises(NotAuthenticated):
                await service.office.decide(request.id, given, by="dora")
        assert (await service.arequest(request.id)).state == "open"


@pytest.mark.parametrize("stripped", [{"signature": ""}, {"signature": "{}"}, {"assurance": "signed"}])
async def test_a_signature_that_was_stripped_or_made_up_in_the_database(
    store_url: str, stripped: dict[str, str]
) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            dora = await registered(service, "dora")
            (request,) = (await service.arun(Ask(), by="nils")).waiting_for
            by = Identity(handle="dora", assurance="asserted-local", own=None if "assurance" in stripped else dora)
            await service.aapprove(request.id, by=by)
            await tamper(service, "decisions", **stripped)
            assert (await service.aresume(request.run)).status == "waiting" and not receiver.received


async def test_what_requires_a_signature_takes_no_password_like_word(store_url: str) -> None:
    async with serving(letters(requires="signed"), store_url, NOWHERE) as service:
        await registered(service, "dora")
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        for who in ("dora", Identity(handle="dora", assurance="token"), Identity(handle="dora", assurance="oidc")):
            with pytest.raises(NotSureEnough):
                await service.aapprove(request.id, by=who)
        forged = Signed(key="key_x", value=base64.b64encode(bytes(64)).decode(), at=0, salt="0" * 64)
        with pytest.raises(NotAuthenticated):
            await service.office.decide(request.id, with_signature(forged), by="dora")
        assert not await rows(service, "decisions")


async def test_a_key_that_mallory_registers_as_doras_signs_nothing_that_is_required(store_url: str) -> None:
    """Mallory runs the command line, says `--as dora`, and shows that he has the key, which is true."""
    async with serving(letters(requires="signed"), store_url, NOWHERE) as service:
        mallorys = await registered(service, "dora", asserted=True)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        given = with_signature(await signed(service, request.id, mallorys, "dora"))
        for who in ("dora", await with_token(service, "dora")):
            with pytest.raises(NotSureEnough):
                await service.office.decide(request.id, given, by=who)
        assert not await rows(service, "decisions")


async def test_a_signed_yes_is_not_taken_for_broken_glass(store_url: str) -> None:
    app = letters(break_glass=BreakGlass(by=role("duty"), per_day=1))
    async with serving(app, store_url, NOWHERE, people={"dirk": "duty"}) as service:
        dirk = await registered(service, "dirk")
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        plain = replace(YES, reason="the dam breaks")
        broken = replace(plain, code="urgent", break_glass=True)
        one = await signed(service, request.id, dirk, "dirk", plain)
        with pytest.raises(NotAuthenticated):
            await service.office.decide(request.id, replace(broken, signed=one), by="dirk")
        by = Identity(handle="dirk", assurance="asserted-local", own=dirk)
        assert (await service.office.decide(request.id, broken, by=by)).assurance == "signed"
