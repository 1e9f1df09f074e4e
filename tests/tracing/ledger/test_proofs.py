"""Proofs in files: made from a store, checked with nothing but the file and a key."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import bindparam, delete, select, update

from answerable.errors import AnswerableError, InvalidInput, NotProved, StoreCorrupt, UnknownId
from answerable.tracing.ledger.checkpoints import Checkpoint, sign_head, sign_replacement
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.merkle import EMPTY_ROOT, Head
from answerable.tracing.ledger.proofs import ConsistencyProof, InclusionProof, prove_growth, prove_records, read_proof
from answerable.tracing.ledger.sequencer import head, sequence_all
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store
from answerable.tracing.storage.tables.ledger import records, tree_nodes
from tests.tracing.ledger.signers import signer
from tests.tracing.storage.store_worker import step

BODY = Statement(select(records.c.body).where(records.c.seq == bindparam("place")))
CHANGE_BODY = Statement(update(records).where(records.c.seq == bindparam("place")).values(body=b"{}"))
CHANGE_LEAF = Statement(update(records).where(records.c.seq == bindparam("place")).values(leaf=b"x" * 32))
REMOVE_NODES = Statement(delete(tree_nodes))
TRUSTED = [signer().public]


async def grown(store: Store, count: int) -> Checkpoint:
    """The checkpoint after so many further records."""
    await store.write(lambda tx: append_all(tx, [step(number, "run_1") for number in range(count)]))
    await sequence_all(store)
    return sign_head(await store.read(head), signer())


@pytest.mark.anyio
async def test_records_are_proved_from_the_file_alone(store: Store) -> None:
    older = await grown(store, 300)
    newer = await grown(store, 341)
    for checkpoint, places in ((older, [0, 255, 299]), (newer, [299, 0, 640, 511, 512])):
        file = (await store.read(lambda tx: prove_records(tx, places, checkpoint))).model_dump_json()  # noqa: B023 - called at once
        proof = read_proof(file)
        assert isinstance(proof, InclusionProof)
        assert proof.check(TRUSTED) == checkpoint
        assert [one.place for one in proof.records] == places
        for one in proof.records:
            row = await store.read(lambda tx: tx.one(BODY, place=one.place))  # noqa: B023 - called at once
            assert row == (one.body,)
        with pytest.raises(NotProved, match="trusted key"):
            proof.check([signer(2).public])


@pytest.mark.anyio
async def test_growth_is_proved_from_the_file_alone(store: Store) -> None:
    empty = sign_head(Head(size=0, root=EMPTY_ROOT), signer())
    older = await grown(store, 300)
    newer = await grown(store, 341)
    for before, after in ((older, newer), (older, older), (empty, newer), (empty, empty)):
        file = (await store.read(lambda tx: prove_growth(tx, before, after))).model_dump_json()  # noqa: B023 - called at once
        proof = read_proof(file)
        assert isinstance(proof, ConsistencyProof)
        assert proof.check(TRUSTED) == after
    with pytest.raises(NotProved, match="not older"):
        await store.read(lambda tx: prove_growth(tx, newer, older))


@pytest.mark.anyio
async def test_a_newer_key_is_reached_from_an_older_one(store: Store) -> None:
    older = await grown(store, 10)
    note = sign_replacement(signer(1), signer(2), older.head)
    await grown(store, 10)
    newer = sign_head(await store.read(head), signer(2))
    included = await store.read(lambda tx: prove_records(tx, [15], newer, [note]))
    grew = await store.read(lambda tx: prove_growth(tx, older, newer, [note]))
    for proof in (included, grew):
        for trusted in (1, 2):
            assert proof.check([signer(trusted).public]) == newer
    with pytest.raises(NotProved):
        included.model_copy(update={"replacements": ()}).check([signer(1).public])


@pytest.mark.anyio
async def test_a_rewritten_ledger_has_no_proof_of_growth(store: Store) -> None:
    """Whoever has the key signs what they like; two checkpoints that do not fit give them away."""
    await grown(store, 9)
    kept = sign_head(Head(size=5, root=b"x" * 32), signer())
    newer = sign_head(await store.read(head), signer())
    with pytest.raises(StoreCorrupt):
        await store.read(lambda tx: prove_growth(tx, kept, newer))
    proof = ConsistencyProof(older=kept.text, newer=newer.text, proof=())
    with pytest.raises(NotProved, match="does not only add"):
        proof.check(TRUSTED)


@pytest.mark.anyio
async def test_every_changed_character_of_a_file_is_noticed(store: Store) -> None:
    older = await grown(store, 5)
    newer = await grown(store, 6)
    note = sign_replacement(signer(1), signer(2), newer.head)
    included = await store.read(lambda tx: prove_records(tx, [3, 7], newer, [note]))
    grew = await store.read(lambda tx: prove_growth(tx, older, newer))
    for proof in (included, grew):
        file = proof.model_dump_json()
        for place, letter in enumerate(file):
            changed = file[:place] + ("x" if letter != "x" else "y") + file[place + 1 :]
            with pytest.raises((NotProved, InvalidInput)):
                read_proof(changed).check(TRUSTED)


@pytest.mark.anyio
async def test_half_a_file_is_no_proof(store: Store) -> None:
    newer = await grown(store, 3)
    file = (await store.read(lambda tx: prove_records(tx, [1], newer))).model_dump_json()
    for cut in range(0, len(file), 7):
        with pytest.raises(InvalidInput, match="no proof"):
            read_proof(file[:cut])
    others: list[object] = [{}, [], {"format": "answerable-inclusion/2"}, json.loads(file) | {"surprise": 1}]
    for other in others:
        with pytest.raises(InvalidInput, match="no proof"):
            read_proof(json.dumps(other))
    with pytest.raises(InvalidInput, match="no proof"):
        read_proof(json.dumps(json.loads(file) | {"records": []}))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("place", "error"), [(-1, UnknownId), (6, NotProved), (7, NotProved), (9, UnknownId), (2**40, UnknownId)]
)
async def test_records_that_are_not_there_yet(store: Store, place: int, error: type[AnswerableError]) -> None:
    older = await grown(store, 6)
    await grown(store, 3)
    with pytest.raises(error):
        await store.read(lambda tx: prove_records(tx, [place], older))


@pytest.mark.anyio
@pytest.mark.parametrize(
    "attack",
    [
        lambda tx: tx.run(CHANGE_BODY, place=300),
        lambda tx: tx.run(CHANGE_LEAF, place=301),
        lambda tx: tx.run(REMOVE_NODES),
        lambda tx: tx.run(Statement(delete(records).where(records.c.seq == 301))),
    ],
)
async def test_a_changed_ledger_gives_no_proof(store: Store, attack: Callable[..., object]) -> None:
    newer = await grown(store, 600)
    await store.write(attack)
    with pytest.raises(StoreCorrupt, match=r"record 300|the store's tree|lacks"):
        await store.read(lambda tx: prove_records(tx, [300], newer))
