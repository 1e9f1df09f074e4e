"""What a bundle proves of answers that people signed themselves, and what the verifier finds to be made up."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.approvals.who.signatures import key_id, public_of
from answerable.testing import nowhere
from answerable.tracing.evidence.handing import verifier
from answerable.tracing.storage.store import open_store
from tests.approvals.test_signatures import _own, key_of
from tests.orchestrator.letters import CARRIER, Ask, letters, serving
from tests.tracing.evidence.bundles import bundle, files_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def records(tmp_path: Path) -> dict[int, dict[str, Any]]:
    """The records of a bundle: dora signed her answer, and emil did not; her key was revoked since."""
    url = f"sqlite:///{tmp_path / 'answerable.db'}"
    people = {"emil": "lead", "alice": "boss"}
    async with serving(letters(), url, origins={CARRIER: nowhere()}, people=people) as service:
        private = await key_of(service)
        (request,) = (await service.arun(Ask(), by="nils", run_id="one")).waiting_for
        edited = await service.aedit(request.id, {"text": "x"}, by=_own(private), reason="nicer")
        await service.aapprove(edited.id, by="emil")
        await service.office.people.revoke_key(key_id(public_of(private)), by="dora", reason="a new laptop")
        await service.acancel("one", by="dora", reason="enough")
    with closing(open_store(url)) as store:
        made, _, key = await bundle(store, "one")
    said = verifier.verify(made.data, key)
    assert "1 answers of people are signed with their own keys, 1 are attested by the server" in said
    lines = files_of(made.data)["records.jsonl"].splitlines()
    return {place: json.loads(line) for place, line in enumerate(lines)}


def _checked(records: dict[int, dict[str, Any]]) -> tuple[int, int]:
    return verifier.check_signatures({place: json.dumps(one).encode() for place, one in records.items()})


def _first(records: dict[int, dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(one for one in records.values() if one["kind"] == kind)


async def test_a_bundle_has_the_keys_that_its_answers_are_signed_with(records: dict[int, dict[str, Any]]) -> None:
    kinds = [one["kind"] for one in records.values()]
    assert kinds.count("key.registered") == kinds.count("key.revoked") == 1
    assert _checked(records) == (1, 1)


_OTHER = Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("decided", {"by": "prs_another"}),
        ("decided", {"outcome": "approved"}),
        ("decided", {"option": "kinder"}),
        ("decided", {"digest": "0" * 64}),
        ("decided", {"system": "another"}),
        ("decided", {"for_person": "prs_another"}),
        ("decided", {"request": "req_another"}),
        ("decided", {"assurance": "token"}),
        ("decided", {"broke_glass": True}),
        ("decided", {"code": "unsafe"}),
        ("decided", {"signature": None}),
        ("decided", {"signature.said": "0" * 64}),
        ("decided", {"signature.at": 1}),
        ("decided", {"signature.key": "key_another"}),
        ("decided", {"signature.value": "A" * 86 + "=="}),
        ("key.registered", {"person": "prs_another"}),
        ("key.registered", {"public": public_of(_OTHER)}),
        ("key.registered", {"public": public_of(_OTHER), "key": key_id(public_of(_OTHER))}),
        ("key.registered", {"proof": "A" * 86 + "=="}),
        ("key.registered", {"kind": "token.made"}),
        ("key.registered", {"assurance": "asserted-local"}),
    ],
)
async def test_an_answer_that_was_not_signed_so_is_found(
    records: dict[int, dict[str, Any]], kind: str, change: dict[str, Any]
) -> None:
    changed = _first(records, kind)
    for name, value in change.items():
        inside, _, last = name.rpartition(".")
        (changed[inside] if inside else changed)[last] = value
    with pytest.raises(verifier.Unsound, match=r"signed by|have it"):
        _checked(records)


async def test_what_a_key_signed_that_was_registered_on_somebodys_word_is_the_servers_word(
    records: dict[int, dict[str, Any]],
) -> None:
    _first(records, "key.registered")["assurance"] = _first(records, "decided")["assurance"] = "asserted-local"
    assert _checked(records) == (0, 2)


async def test_a_key_that_was_revoked_before_signed_nothing(records: dict[int, dict[str, Any]]) -> None:
    revoked = next(place for place, one in records.items() if one["kind"] == "key.revoked")
    registered = next(place for place, one in records.items() if one["kind"] == "key.registered")
    order = [registered, revoked, *(place for place in records if place not in (registered, revoked))]
    with pytest.raises(verifier.Unsound, match="not signed by"):
        _checked({place: records[old] for place, old in enumerate(order)})
