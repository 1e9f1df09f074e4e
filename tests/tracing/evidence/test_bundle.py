"""Evidence bundles: what is in them, that their verifier finds every change, and that they are the same each time."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from answerable.errors import NotProved, StoreCorrupt, UnknownId
from answerable.tracing.evidence.handing.verifier import Unsound, verify
from answerable.tracing.ledger.checkpoints import read_checkpoint
from answerable.tracing.ledger.proofs import InclusionProof, read_proof
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.effects import EffectAnswered, EffectPrepared
from answerable.tracing.ledger.records.every import read_record
from answerable.tracing.ledger.signing import key_file, open_signer, replace_key
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, open_store, store_id
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.runs import effects, messages
from tests.golden.scenarios import SCENARIOS
from tests.tracing.evidence.bundles import bundle, files_of

pytestmark = pytest.mark.anyio

_BODIES = Statement(select(records.c.body).order_by(records.c.seq))


async def ids_of(store: Store, kind: str, field: str) -> list[str]:
    found = await store.read(
        lambda tx: tx.all(Statement(records.select().with_only_columns(records.c.body).order_by(records.c.seq)))
    )
    read = [json.loads(bytes(row[0])) for row in found]
    return [one[field] for one in read if one["kind"] == kind]


async def test_each_kind_of_thing_has_one_that_is_sound(store_url: str) -> None:
    await SCENARIOS["loop"](store_url)
    with closing(open_store(store_url)) as store:
        wanted = {
            "run": "loop",
            "effect": (await ids_of(store, "effect.answered", "effect"))[0],
            "decision": (await ids_of(store, "decided", "decision"))[0],
            "request": (await ids_of(store, "request.made", "request"))[0],
            "step": (await ids_of(store, "step.finished", "step"))[-1],
            "crossing": (await ids_of(store, "crossed", "crossing"))[-1],
        }
        sizes = {}
        for kind, id in wanted.items():
            made, files, key = await bundle(store, id)
            assert (made.about["kind"], made.about["id"], made.about["run"]) == (kind, id, "loop")
            assert verify(made.data, key)[-1] == "the bundle was signed as a whole"
            assert json.loads(files["manifest.json"])["id"] == id
            sizes[kind] = made.about["records"]
        assert max(sizes, key=sizes.__getitem__) == "run"


async def test_what_is_in_the_one_about_a_call(sqlite_url: str) -> None:
    await SCENARIOS["loop"](sqlite_url)
    with closing(open_store(sqlite_url)) as store:
        effect = (await ids_of(store, "effect.answered", "effect"))[0]
        made, files, key = await bundle(store, effect)
    read = [read_record(line) for line in files["records.jsonl"].splitlines()]
    of_it = [one for one in read if getattr(one, "effect", "") == effect]
    assert {type(one) for one in of_it} >= {EffectPrepared, EffectAnswered}
    assert [one.outcome for one in read if isinstance(one, Decided)] == ["approved"]
    assert {one.kind for one in read} >= {"system.registered", "run.started", "crossed", "request.made"}
    proof = read_proof(files["proof.json"])
    assert isinstance(proof, InclusionProof)
    assert [one.body for one in proof.records] == files["records.jsonl"].splitlines()
    spans = [
        span
        for one in json.loads(files["spans.json"])["resourceSpans"]
        for scope in one["scopeSpans"]
        for span in scope["spans"]
    ]
    assert [span["name"] for span in spans if span["kind"] == 3] == ["POST"]
    assert "effect post.send" in {span["name"] for span in spans}
    assert json.loads(files["story.json"])["about"]["id"] == effect
    assert files["story.html"].startswith(b"<!doctype html>")
    assert files["ledger.pub"].decode() == f"{key}\n"
    readme = files["README.txt"].decode()
    assert f"Evidence: effect {effect}" in readme and "$" not in readme
    assert made.about["records"] == len(read) and made.about["spans"] == len(spans)


async def test_names_and_payloads_are_in_it_only_when_they_are_asked_for(sqlite_url: str) -> None:
    await SCENARIOS["loop"](sqlite_url)
    with closing(open_store(sqlite_url)) as store:
        _, plain, _ = await bundle(store, "loop")
        _, named, _ = await bundle(store, "loop", with_names=True)
        _, full, _ = await bundle(store, "loop", with_payloads=True)
    whole = b"".join(plain.values())
    assert b"dora" not in whole and b'"cents"' not in whole and b"ref 1" not in whole
    people = json.loads(named["people.json"])
    assert {one["handle"] for one in people.values()} == {"alice", "nils", "dora"}
    assert b"dora" in named["story.json"] and "people.json" in named["README.txt"].decode()
    assert named.keys() - plain.keys() == {"people.json"}
    assert full.keys() - plain.keys() == {"payloads.json"}
    payloads = json.loads(full["payloads.json"])
    assert all(payloads[kind] for kind in ("messages", "requests", "calls"))
    assert any("ref 1" in one["payload"] for one in payloads["messages"].values())
    assert b"dora" not in full["payloads.json"]


async def test_the_same_ledger_and_checkpoint_give_the_same_bytes(store_url: str) -> None:
    await SCENARIOS["loop"](store_url)
    with closing(open_store(store_url)) as store:
        first, files, _ = await bundle(store, "loop", with_names=True, with_payloads=True)
    await SCENARIOS["denial"](store_url)  # the ledger grows
    kept = read_checkpoint(files["checkpoint.txt"].decode())
    with closing(open_store(store_url)) as store:
        again, _, _ = await bundle(store, "loop", with_names=True, with_payloads=True, checkpoint=kept)
        newer, _, _ = await bundle(store, "loop", with_names=True, with_payloads=True)
        assert again.data == first.data
        assert newer.about["size"] > first.about["size"] and newer.data != first.data
        with pytest.raises(UnknownId, match="newer"):
            await bundle(store, "denial", checkpoint=kept)


def test_the_seed_of_hashes_does_not_matter(sqlite_url: str, tmp_path: Path) -> None:
    asyncio.run(SCENARIOS["loop"](sqlite_url))
    made: list[bytes] = []
    for seed in ("1", "2", "3"):
        file = tmp_path / f"{seed}.zip"
        command = [str(Path(sys.executable).with_name("answerable")), "bundle", "loop", "-o", str(file)]
        if made:
            (tmp_path / "kept").write_bytes(files_of(made[0])["checkpoint.txt"])
            command += ["--checkpoint", str(tmp_path / "kept")]
        environment = os.environ | {"PYTHONHASHSEED": seed, "ANSWERABLE_STORE": sqlite_url}
        subprocess.run(command, check=True, env=environment, capture_output=True)
        made.append(file.read_bytes())
    assert made[0] == made[1] == made[2]


async def test_a_key_that_was_replaced_before_and_after(sqlite_url: str) -> None:
    await SCENARIOS["loop"](sqlite_url)
    with closing(open_store(sqlite_url)) as store:
        first = str((await open_signer(store)).public)
        older, _, _ = await bundle(store, "loop")
        await replace_key(store, by="prs_" + "a" * 32, reason="a year is over")
        newer, _, second = await bundle(store, "loop")
    assert first != second
    assert verify(older.data, first) and verify(newer.data, second) and verify(newer.data, first)
    with pytest.raises(Unsound, match="not signed by the key that you gave"):
        verify(older.data, second)  # it was made before anybody knew of that one


async def test_a_checkpoint_of_another_ledger_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    await SCENARIOS["denial"](sqlite_url)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    await SCENARIOS["denial"](other)
    with closing(open_store(other)) as store:
        _, files, _ = await bundle(store, "denial")
    with closing(open_store(sqlite_url)) as store:
        await bundle(store, "denial")
        with pytest.raises(NotProved, match="another system"):
            await bundle(store, "denial", checkpoint=read_checkpoint(files["checkpoint.txt"].decode()))


async def test_what_was_changed_gives_no_bundle(store_url: str) -> None:
    await SCENARIOS["loop"](store_url)
    with closing(open_store(store_url)) as store:
        await bundle(store, "loop", with_payloads=True)
        for table, column, value in ((messages, "payload", b"{}"), (effects, "path", "/elsewhere")):
            changed = Statement(table.update().values({column: value}))
            await store.write(lambda tx: tx.run(changed))  # noqa: B023  # called at once
            with pytest.raises(StoreCorrupt, match="is another"):
                await bundle(store, "loop", with_payloads=True)
        await bundle(store, "loop")  # what is not in it does not matter


async def test_without_the_stores_key_it_is_made_for_the_newest_checkpoint(sqlite_url: str) -> None:
    await SCENARIOS["loop"](sqlite_url)
    with closing(open_store(sqlite_url)) as store:
        first, _, key = await bundle(store, "loop")
        key_file(sqlite_url, await store.read(store_id)).unlink()
        made, files, _ = await bundle(store, "loop")
    assert (made.about["size"], made.about["signed"]) == (first.about["size"], False)
    assert "nobody signed the bundle as a whole" in verify(made.data, key)[3]
    assert "not signed" in files["README.txt"].decode()


async def test_what_was_erased_is_not_handed_out_and_the_rest_is_sound(store_url: str) -> None:
    await SCENARIOS["kept"](store_url)
    with closing(open_store(store_url)) as store:
        made, files, key = await bundle(store, "kept", with_names=True, with_payloads=True)
    payloads = json.loads(files["payloads.json"])
    assert payloads["messages"] == payloads["calls"] == {}
    assert [one["shown"] for one in payloads["requests"].values()] == [None]
    assert verify(made.data, key)
