"""Tampering: what is found, with what, and what cannot be found; each row of the guide's table.

`ANSWERABLE_TAMPERINGS` says how many random attacks there are.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from answerable.tracing.ledger.checkpoints import Checkpoint, sign_head, sign_replacement
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.notes import Signer
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.ledger.signing import open_signer, sign_ledger
from answerable.tracing.storage.store import open_store
from tests.tracing.ledger.attacks import ATTACKS, Victim
from tests.tracing.ledger.signers import signer
from tests.tracing.storage.store_worker import step

RECORDS = 1000
ATTEMPTS = int(os.environ.get("ANSWERABLE_TAMPERINGS", "10000"))
SHARES = 5
_GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "ledger.md"


async def _made(url: str) -> Signer:
    store = open_store(url)
    try:
        await store.write(lambda tx: append_all(tx, [step(number, "run_1") for number in range(RECORDS)]))
        await sequence_all(store)
        key = await open_signer(store)
        assert await store.write(lambda tx: sign_ledger(tx, key, at=1)) is not None
    finally:
        store.close()
    return key


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    file = tmp_path_factory.mktemp("ledger") / "answerable.db"
    key = asyncio.run(_made(f"sqlite:///{file}"))
    victim = Victim(str(file), key)
    yield victim
    victim.close()


@pytest.fixture
def kept(ledger: Victim) -> Checkpoint:
    """The checkpoint that somebody outside keeps: of the whole ledger, as it was."""
    return sign_head(ledger.head, ledger.signer)


@pytest.mark.parametrize("share", range(SHARES))
def test_every_attack_below_a_kept_checkpoint_is_found(ledger: Victim, kept: Checkpoint, share: int) -> None:
    trusted = (ledger.signer.public,)
    assert ledger.verify(kept, trusted=trusted).sound
    thief = signer(9, ledger.signer.public.name)
    seen: Counter[str] = Counter()
    missed = []
    for number in range(share, ATTEMPTS, SHARES):
        random = Random(number)
        name = random.choice(list(ATTACKS))
        hidden = random.choice(["not", "checkpoints taken out", "stolen key", "another key", "another key in force"])
        with ledger.attacked() as victim:
            ATTACKS[name](victim, random, RECORDS)
            if hidden != "not":
                victim.hide(
                    {"stolen key": ledger.signer, "checkpoints taken out": None}.get(hidden, thief)  # or their own
                )
            if hidden == "another key in force":
                victim.take_key(thief)
            report = victim.verify(kept, trusted=trusted if random.random() < 0.5 else ())
            if report.sound:
                missed.append((number, name, hidden))
        seen[f"{name}, hidden: {hidden}"] += 1
    assert missed == []
    assert len(seen) == 5 * len(ATTACKS) or ATTEMPTS < 5000
    assert ledger.verify(kept, trusted=trusted).sound


# -- the guide's table ------------------------------------------------------------------------------------------------

Work = Callable[[Victim], None]


def _changed(victim: Victim, place: int = 500) -> None:
    victim.write(place, victim.body(place).replace(b'"here"', b'"gone"'))


def _careless(victim: Victim) -> None:
    victim.write(500, victim.body(500).replace(b'"here"', b'"gone"'), mended=False)


def _hidden(victim: Victim) -> None:
    _changed(victim)
    victim.hide(signer(9, victim.signer.public.name))


def _taken_out(victim: Victim) -> None:
    _changed(victim)
    victim.hide()


def _cut(victim: Victim) -> None:
    victim.cut(900)
    victim.hide()


def _restored(victim: Victim) -> None:
    victim.cut(900)
    victim.hide(victim.signer)


def _another_key(victim: Victim) -> None:
    thief = signer(9, victim.signer.public.name)
    _changed(victim)
    victim.hide(thief)
    victim.take_key(thief)


def _stolen(victim: Victim) -> None:
    _changed(victim)
    victim.hide(victim.signer)


def _tail(victim: Victim) -> None:
    victim.grow(10, 5000)
    _changed(victim, 1005)
    victim.hide(victim.signer)


def _unplaced(victim: Victim) -> None:
    append_all(victim.tx, [step(7000, "run_1").model_copy(update={"host": "gone"})])


ROWS: dict[str, tuple[Work, tuple[bool, bool, bool]]] = {
    # is it found: by the store alone, with a public key, with a checkpoint that was kept elsewhere
    "a record's bytes changed, nothing else": (_careless, (True, True, True)),
    "the tree mended, checkpoints signed with another key": (_hidden, (True, True, True)),
    "the tree mended, checkpoints taken out": (_taken_out, (False, False, True)),
    "the newest records cut off, checkpoints taken out": (_cut, (False, False, True)),
    "an older backup restored": (_restored, (False, False, True)),
    "another key put in force": (_another_key, (False, True, True)),
    "rewritten and signed with the stolen key": (_stolen, (False, False, True)),
    "records changed that are newer than what is kept": (_tail, (False, False, False)),
    "a record changed before it had its place": (_unplaced, (False, False, False)),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_table(ledger: Victim, kept: Checkpoint, name: str) -> None:
    work, found = ROWS[name]
    with ledger.attacked() as victim:
        work(victim)
        trusted = (ledger.signer.public,)
        seen = (victim.verify(), victim.verify(trusted=trusted), victim.verify(kept, trusted=trusted))
        assert tuple(not report.sound for report in seen) == found, [report.faults for report in seen]


def test_the_table_is_that_of_the_guide() -> None:
    rows = re.findall(r"^\| ([^|]+) \| (yes|no) \| (yes|no) \| (yes|no) \|$", _GUIDE.read_text("utf-8"), re.MULTILINE)
    said = {name: tuple(word == "yes" for word in words) for name, *words in rows}
    assert said == {name: found for name, (_, found) in ROWS.items()}


def test_a_stolen_key_that_replaces_itself(ledger: Victim, kept: Checkpoint) -> None:
    """Two replacements of one key give the thief away; one alone is found by what was kept."""
    thief = signer(9, ledger.signer.public.name)
    note = sign_replacement(ledger.signer, thief, ledger.head)
    with ledger.attacked() as victim:
        _changed(victim)
        victim.hide(thief)
        victim.tx._connection.execute(
            "INSERT INTO signing_keys VALUES (1, :key, :note, 0)", {"key": str(thief.public), "note": note}
        )
        assert "the table and the records say otherwise" in str(victim.verify(trusted=(ledger.signer.public,)).faults)
        assert not victim.verify(kept).sound
