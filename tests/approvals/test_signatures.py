"""Answers that people sign with their own keys, and what is not one."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any, Literal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.agents.people import quorum
from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.answers import Answer
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.node import exemption
from answerable.approvals.who.identity import By, Identity
from answerable.approvals.who.signatures import (
    APART_SECONDS,
    Meant,
    Signed,
    digest_of_message,
    key_id,
    prove_possession,
    public_of,
    sign,
)
from answerable.errors import InvalidInput, NotAuthenticated, NotEligible, NotSureEnough
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, nowhere
from answerable.tracing.evidence.handing import verifier
from answerable.tracing.ledger.entries import append, records_of
from answerable.tracing.ledger.records.accepting import ApprovalAccepted
from answerable.tracing.ledger.records.access import KeyRegistered
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.ruling import RuleApproved
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.people import get_person
from tests.approvals.rules.ruled import proposed, rule_file, ruled
from tests.orchestrator.letters import CARRIER, LEAD, Ask, Letter, kinder, letters, recorded, rows, serving, tamper

pytestmark = pytest.mark.anyio

_SECOND = 1_000_000


async def _person(service: Service[Any, Any], handle: str) -> str:
    return (await service.store.read(lambda tx: get_person(tx, handle))).id


async def with_token(service: Service[Any, Any], handle: str) -> Identity:
    """Whoever shows a token of theirs."""
    made, _ = await service.office.people.make_token(handle, seconds=3600)
    return Identity(handle=handle, assurance="token", credential=made.id)


async def _register(service: Service[Any, Any], handle: str, private: Ed25519PrivateKey, by: By = "") -> str:
    now = service.store.clock.now()
    proof = prove_possession(private, await _person(service, handle), at=now)
    who = by or await with_token(service, handle)
    made = await service.office.people.register_key(who, public=public_of(private), proof=proof, proved_at=now)
    return made.id


async def key_of(service: Service[Any, Any], handle: str = "dora") -> Ed25519PrivateKey:
    private = Ed25519PrivateKey.generate()
    await _register(service, handle, private)
    return private


def _own(private: Ed25519PrivateKey, handle: str = "dora") -> Identity:
    """Whoever acts on their own machine, with their key."""
    return Identity(handle=handle, assurance="asserted-local", own=private)


async def _signed(
    service: Service[Any, Any], request: str, answer: Answer, private: Ed25519PrivateKey, handle: str = "dora"
) -> Signed:
    """What a program elsewhere sends along: it knows the request's digest and the person's id."""
    row, person = await service.store.read(lambda tx: (get_request(tx, request), get_person(tx, handle).id))
    option = answer.option if answer.outcome == "approved" else ""
    meant = Meant(
        system=row.system,
        subject=row.id,
        digest=row.digest,
        answer=answer.outcome,
        option=option,
        person=person,
        for_person="",
        code=answer.code,
        reason=answer.reason,
        proposes=answer.proposes,
    )
    return sign(private, meant, at=service.store.clock.now())


async def test_a_signed_answer_is_as_sure_as_can_be_and_fresh(store_url: str) -> None:
    async with serving(letters(requires="signed", fresh=60), store_url, origins={CARRIER: nowhere()}) as service:
        private = await key_of(service)
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(NotSureEnough, match="signed"):
            await service.aapprove(run.waiting_for[0].id, by="dora")
        decision = await service.aapprove(run.waiting_for[0].id, by=_own(private), reason="it is right")
        assert isinstance(decision, Decision) and decision.assurance == "signed"
        (record,) = await recorded(service, run.id, Decided)
        assert record.signature is not None and record.signature.key == key_id(public_of(private))
        (row,) = await rows(service, "decisions")
        assert record.signature.value in row["signature"] and row["salt"] and "it is right" not in row["signature"]
        assert Decision(**row).genuine(service.office.key)
        await tamper(service, "decisions", signature="")
        (row,) = await rows(service, "decisions")
        assert not Decision(**row).genuine(service.office.key)


async def test_edits_noes_and_votes_are_signed_too(store_url: str) -> None:
    people = {"emil": "lead", "alice": "boss"}
    app = letters(by=quorum(2, LEAD), requires="signed", denied=True, denials=2)
    async with serving(app, store_url, origins={CARRIER: nowhere()}, people=people) as service:
        dora, emil = await key_of(service), await key_of(service, "emil")
        run = await service.arun(Ask(), by="nils")
        edited = await service.aedit(run.waiting_for[0].id, Letter(text="x"), by=_own(dora), reason="nicer")
        assert (await recorded(service, run.id, Decided))[-1].signature
        alice = await key_of(service, "alice")
        await service.aapprove(edited.id, by=_own(emil, "emil"))
        assert (await recorded(service, run.id, Voted))[-1].signature
        given = await service.aapprove(edited.id, by=_own(alice, "alice"))
        assert given.outcome == "approved" and given.assurance == "signed"
        other = await service.arun(Ask(text="b"), by="nils")
        first = await service.areject(other.waiting_for[0].id, by=_own(dora), reason="not that", code="unsafe")
        no = await service.areject(other.waiting_for[0].id, by=_own(emil, "emil"), reason="not that")
        assert first.outcome == "voted" and no.outcome == "rejected" and no.assurance == "signed"
        (vote,) = await recorded(service, other.id, Voted)
        entries = await service.store.read(lambda tx: [*records_of(tx, ""), *records_of(tx, other.id)])
        bodies = {place: entry.record.model_dump_json().encode() for place, entry in enumerate(entries)}
        assert vote.code == "unsafe" and verifier.check_signatures(bodies) == (2, 0)
        for code in (b'"code":"unsafe"', b'"code":"other"'):  # what a vote says, and what the decision does
            changed = {place: body.replace(code, b'"code":"policy"') for place, body in bodies.items()}
            with pytest.raises(verifier.Unsound, match="is not signed by"):
                verifier.check_signatures(changed)


@pytest.mark.parametrize(
    "what", ["option", "outcome", "reason", "code", "person", "digest", "value", "salt", "key", "late", "early"]
)
async def test_what_was_not_signed_so_is_not_taken(store_url: str, what: str) -> None:
    clock = FakeClock()
    app = letters(options=kinder)
    async with serving(app, store_url, origins={CARRIER: nowhere()}, people={"emil": "lead"}, clock=clock) as service:
        private, another = await key_of(service), await key_of(service, "emil")
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        (elsewhere,) = (await service.arun(Ask(text="b"), by="nils")).waiting_for
        answer = Answer(outcome="approved", option="kinder", reason="yes")
        about = elsewhere.id if what == "digest" else request.id
        signed = await _signed(service, about, answer, private)
        who, given = "dora", answer
        if what == "option":
            given = replace(answer, option="as-proposed")
        elif what == "outcome":
            given = replace(answer, outcome="rejected", option="")
        elif what == "reason":
            given = replace(answer, reason="yes!")
        elif what == "code":
            given = replace(answer, code="policy")
        elif what == "person":
            who = "emil"
        elif what == "value":
            signed = replace(signed, value=base64.b64encode(bytes(64)).decode())
        elif what == "salt":
            signed = replace(signed, salt="0" * 64)
        elif what == "key":
            signed = replace(signed, key=key_id(public_of(another)))
        elif what == "late":
            clock.advance(APART_SECONDS + 1)
        else:
            signed = replace(signed, at=signed.at + (APART_SECONDS + 1) * _SECOND) if what == "early" else signed
        with pytest.raises(NotAuthenticated):
            await service.office.decide(request.id, replace(given, signed=signed), by=who)
        assert (await service.arequest(request.id)).state == "open" and not await rows(service, "decisions")


async def test_an_edited_message_is_the_one_that_was_signed(store_url: str) -> None:
    async with serving(letters(), store_url, origins={CARRIER: nowhere()}) as service:
        private = await key_of(service)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        meant = Answer(outcome="edited", proposes=digest_of_message({"text": "mine"}))
        signed = await _signed(service, request.id, meant, private)
        with pytest.raises(NotAuthenticated, match="does not fit"):
            await service.aedit(request.id, {"text": "theirs"}, by="dora", signed=signed)
        assert (await service.aedit(request.id, {"text": "mine"}, by="dora", signed=signed)).state == "open"


async def test_a_revoked_key_signs_nothing_new_and_what_it_signed_stays(store_url: str) -> None:
    async with serving(letters(), store_url, origins={CARRIER: nowhere()}, people={"emil": "lead"}) as service:
        private = await key_of(service)
        first, second = [(await service.arun(Ask(text=text), by="nils")).waiting_for[0].id for text in "ab"]
        decision = await service.aapprove(first, by=_own(private))
        id = key_id(public_of(private))
        with pytest.raises(NotEligible, match="not a key of"):
            await service.office.people.revoke_key(id, by="emil", reason="envy")
        await service.office.people.revoke_key(id, by="dora", reason="lost the laptop")
        with pytest.raises(NotAuthenticated, match="was revoked"):
            await service.aapprove(second, by=_own(private))
        with pytest.raises(InvalidInput, match="revoked already"):
            await service.office.people.revoke_key(id, by="alice", reason="again")
        with pytest.raises(InvalidInput, match="registered already"):
            await _register(service, "dora", private)  # it does not come back
        assert isinstance(decision, Decision) and decision.genuine(service.office.key)
        (known,) = await service.office.people.keys()
        assert known.revoked_at is not None


async def test_a_key_is_its_owners_and_nobody_registers_anothers(store_url: str) -> None:
    async with serving(letters(), store_url, people={"emil": "lead"}) as service:
        private, now = Ed25519PrivateKey.generate(), service.store.clock.now()
        dora = prove_possession(private, await _person(service, "dora"), at=now)
        public = public_of(private)
        for proof, proved_at in ((dora, now), ("", now), ("x", now), (base64.b64encode(bytes(64)).decode(), now)):
            with pytest.raises(NotAuthenticated, match="does not show"):
                await service.office.people.register_key("emil", public=public, proof=proof, proved_at=proved_at)
        with pytest.raises(NotAuthenticated):
            await service.office.people.register_key("dora", public=public, proof=dora, proved_at=now + 1)
        await service.office.people.register_key("dora", public=public, proof=dora, proved_at=now)
        with pytest.raises(InvalidInput, match="registered already"):
            await _register(service, "emil", private)


async def test_a_record_of_a_key_that_was_made_up_is_no_key(store_url: str) -> None:
    """Whoever can write to the database has no seal."""
    async with serving(letters(), store_url, origins={CARRIER: nowhere()}) as service:
        private, now, person = Ed25519PrivateKey.generate(), service.store.clock.now(), await _person(service, "dora")
        public, proof = public_of(private), prove_possession(private, person, at=now)
        record = KeyRegistered(
            at=now,
            system="",
            key=key_id(public),
            person=person,
            public=public,
            proof=proof,
            proved_at=now,
            seal="0" * 64,
        )
        await service.store.write(lambda tx: append(tx, record))
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        with pytest.raises(NotAuthenticated, match="not a key of theirs"):
            await service.aapprove(request.id, by=_own(private))


async def test_a_signature_is_as_good_as_the_registration_of_its_key(store_url: str) -> None:
    """Whoever runs the command line may register a key as anybody: what it signs makes them no surer."""
    app = letters(requires="signed", fresh=60)
    async with serving(app, store_url, origins={CARRIER: nowhere()}) as service:
        private = Ed25519PrivateKey.generate()
        await _register(service, "dora", private, by="dora")
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        for who in (_own(private), replace(await with_token(service, "dora"), own=private)):
            with pytest.raises(NotSureEnough) as refused:
                await service.aapprove(request.id, by=who)
            assert "ANSWERABLE_TOKEN=… answerable keys register" in str(refused.value.hint)
        with pytest.raises(InvalidInput, match="already, with the assurance 'asserted-local'"):
            await _register(service, "dora", private, by="dora")
        await _register(service, "dora", private)  # the same key, with a token of hers
        assert [one.assurance for one in await service.office.people.keys()] == ["token"]
        assert (await service.aapprove(request.id, by=_own(private))).assurance == "signed"


async def test_a_signature_is_written_down_and_counts_for_nothing_where_its_key_is_on_somebodys_word(
    store_url: str,
) -> None:
    async with serving(letters(), store_url, origins={CARRIER: nowhere()}) as service:
        private = Ed25519PrivateKey.generate()
        await _register(service, "dora", private, by="dora")
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        decision = await service.aapprove(request.id, by=_own(private))
        (record,) = await recorded(service, request.run, Decided)
        assert decision.assurance == record.assurance == "asserted-local" and record.signature is not None
    async with serving(letters(fresh=60), store_url, origins={CARRIER: nowhere()}) as service:
        await service.aaccept_approval("sign", by="alice")
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        with pytest.raises(NotSureEnough, match="login"):  # it is no login, either
            await service.aapprove(request.id, by=_own(private))


@pytest.mark.parametrize(("registered", "enough"), [("token", False), ("oidc", True)])
async def test_where_a_login_is_required_a_signature_needs_one_behind_it(
    store_url: str, registered: Literal["token", "oidc"], enough: bool
) -> None:
    async with serving(letters(requires="oidc"), store_url, origins={CARRIER: nowhere()}) as service:
        private = Ed25519PrivateKey.generate()
        await _register(service, "dora", private, by=Identity(handle="dora", assurance=registered))
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        if enough:
            assert (await service.aapprove(request.id, by=_own(private))).assurance == "signed"
        else:
            with pytest.raises(NotSureEnough, match="that of dora is 'token'"):
                await service.aapprove(request.id, by=_own(private))
            vouched = Identity(handle="dora", assurance="oidc", own=private)
            assert (await service.aapprove(request.id, by=vouched)).assurance == "signed"


async def test_rows_that_are_made_anew_keep_signatures(store_url: str) -> None:
    async with serving(letters(), store_url, origins={CARRIER: nowhere()}, people={"alice": "boss"}) as service:
        private = await key_of(service)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.aapprove(request.id, by=_own(private), reason="it is right")
        before = await rows(service, "decisions")
        nothing = await service.office.keeping.rebuild(by="alice", reason="to see")
        assert not (nothing.changed or nothing.made) and await rows(service, "decisions") == before
        await tamper(service, "decisions", signature="{}")
        await service.office.keeping.rebuild(by="alice", reason="somebody wrote there")
        assert await rows(service, "decisions") == before


async def test_a_rule_over_signed_answers_is_approved_by_signatures(store_url: str) -> None:
    people = {"emil": "lead"}
    app = ruled(by=quorum(2, LEAD), requires="signed")
    async with serving(app, store_url, origins={CARRIER: nowhere()}, people=people) as service:
        rule = await proposed(service, rule_file())
        with pytest.raises(NotSureEnough):
            await service.office.rules.approve(rule.head.id, by="dora")
        dora, emil = await key_of(service), await key_of(service, "emil")
        await service.office.rules.approve(rule.head.id, by=_own(dora))
        made = await service.office.rules.approve(rule.head.id, by=_own(emil, "emil"))
        assert made.head.state == "approved"
        entries = await service.store.read(lambda tx: records_of(tx, ""))
        signed = [entry.record for entry in entries if isinstance(entry.record, Voted | RuleApproved)]
        assert [one.assurance for one in signed] == ["signed", "signed"]
        bodies = {place: entry.record.model_dump_json().encode() for place, entry in enumerate(entries)}
        assert verifier.check_signatures(bodies) == (2, 0)
        changed = {place: body.replace(b'"digest":"', b'"digest":"0') for place, body in bodies.items()}
        with pytest.raises(verifier.Unsound, match="is not signed by"):
            verifier.check_signatures(changed)


async def test_rules_of_deciding_over_signed_answers_are_accepted_by_a_signature(store_url: str) -> None:
    async with serving(letters(requires="signed"), store_url, nowhere()):
        pass
    async with serving(letters(), store_url, nowhere(), people={"alice": "none"}) as service:
        alice = await key_of(service, "alice")
        with pytest.raises(NotSureEnough):
            await service.aaccept_approval("sign", by=await with_token(service, "alice"))
        await service.aaccept_approval("sign", by=_own(alice, "alice"))
        entries = await service.store.read(lambda tx: records_of(tx, ""))
        (accepted,) = (entry.record for entry in entries if isinstance(entry.record, ApprovalAccepted))
        assert accepted.assurance == "signed"
        bodies = {place: entry.record.model_dump_json().encode() for place, entry in enumerate(entries)}
        assert verifier.check_signatures(bodies) == (1, 0)
        other = accepted.digest.encode(), b"0" + accepted.digest[1:].encode()
        with pytest.raises(verifier.Unsound, match="the answer to sign is not signed by"):
            verifier.check_signatures({place: body.replace(*other) for place, body in bodies.items()})


@exemption(version=3)
def harmless(letter: Letter, ask: Ask) -> bool:
    return True


async def test_an_exemption_from_signed_answers_is_accepted_by_a_signature(store_url: str) -> None:
    app = letters(requires="signed", exempt=harmless)
    async with serving(app, store_url, nowhere(), people={"alice": "none"}) as service:
        alice = await key_of(service, "alice")
        with pytest.raises(NotSureEnough):
            await service.aaccept_exemption("sign", by=await with_token(service, "alice"))
        await service.aaccept_exemption("sign", by=_own(alice, "alice"))
        entries = await service.store.read(lambda tx: records_of(tx, ""))
        bodies = {place: entry.record.model_dump_json().encode() for place, entry in enumerate(entries)}
        assert verifier.check_signatures(bodies) == (1, 0)
        for other in ((b'"version":3', b'"version":4'), (b'"exemption":"harmless"', b'"exemption":"harmful"')):
            with pytest.raises(verifier.Unsound, match="the answer to sign is not signed by"):
                verifier.check_signatures({place: body.replace(*other) for place, body in bodies.items()})
