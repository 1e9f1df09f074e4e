"""The verifier that goes with a bundle shares no code with us, and comes to the same as we do."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answerable.errors import AnswerableError
from answerable.tracing.evidence.handing import verifier
from answerable.tracing.evidence.handing.verifier import Unsound, check_checkpoint, climb, follow, read_key
from answerable.tracing.ledger.checkpoints import KeyChain, read_checkpoint, sign_head, sign_replacement
from answerable.tracing.ledger.merkle import Head, inclusion_proof, leaf_hash, root, verify_inclusion
from answerable.tracing.ledger.notes import Signer
from tests.tracing.ledger.signers import ORIGIN, signer
from tests.tracing.ledger.test_merkle import changed, tree


def test_it_needs_python_and_cryptography_only() -> None:
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(ast.parse(Path(verifier.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"cryptography"}


@given(size=st.integers(1, 300), data=st.data())
def test_a_proof_is_right_for_it_when_it_is_for_us(size: int, data: st.DataObject) -> None:
    place, hashes = data.draw(st.integers(0, size - 1)), tree(size)
    top, proof = root(hashes, size), inclusion_proof(hashes, place, size)
    assert climb(hashes.leaves[place], place, size, proof) == top
    for wrong in (changed(proof, data), proof[::-1]):
        right = verify_inclusion(hashes.leaves[place], place, size, wrong, top)
        assert (climb(hashes.leaves[place], place, size, wrong) == top) == right
    for elsewhere, other in ((data.draw(st.integers(-1, size + 1)), size), (place, data.draw(st.integers(0, 300)))):
        right = verify_inclusion(hashes.leaves[place], elsewhere, other, proof, top)
        assert (climb(hashes.leaves[place], elsewhere, other, proof) == top) == right
    assert climb(leaf_hash(b"another"), place, size, proof) != top


KEYS = [signer(number) for number in range(1, 5)]
HEADS = st.integers(0, 5).map(lambda size: Head(size=size, root=bytes([size]) * 32))
NOTES = st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS), HEADS).map(lambda each: sign_replacement(*each))


@given(
    checkpoint=st.tuples(HEADS, st.sampled_from([*KEYS, signer(9), signer(1, "answerable/other")])),
    notes=st.lists(NOTES, max_size=3),
    trusted=st.sampled_from(KEYS),
    cut=st.booleans(),
)
def test_it_trusts_the_keys_that_we_trust(
    checkpoint: tuple[Head, Signer], notes: list[str], trusted: Signer, cut: bool
) -> None:
    made = sign_head(*checkpoint)
    if cut and notes:  # without the second key's signature
        notes = [notes[0][: notes[0].rindex("\u2014")], *notes[1:]]
    try:
        KeyChain([trusted.public], notes).check(read_checkpoint(made.text), origin=ORIGIN)
    except AnswerableError:
        with pytest.raises(Unsound):
            check_checkpoint(made.text, follow(notes, [read_key(str(trusted.public))]))
    else:
        found = check_checkpoint(made.text, follow(notes, [read_key(str(trusted.public))]))
        assert found == (checkpoint[0].size, checkpoint[0].root)
