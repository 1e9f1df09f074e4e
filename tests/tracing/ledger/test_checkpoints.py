"""Checkpoints and the chain of a ledger's keys."""

from __future__ import annotations

import pytest

from answerable.errors import InvalidInput, NotProved
from answerable.tracing.ledger.checkpoints import (
    Checkpoint,
    KeyChain,
    origin_of,
    read_checkpoint,
    sign_head,
    sign_replacement,
)
from answerable.tracing.ledger.merkle import EMPTY_ROOT, Head
from answerable.tracing.ledger.notes import sign
from tests.tracing.ledger.signers import ORIGIN, signer


def at(size: int) -> Head:
    return Head(size=size, root=size.to_bytes(32, "big"))


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    made = sign_head(at(7), signer())
    assert made.text.startswith(f"{ORIGIN}\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc=\n\n\u2014 {ORIGIN} ")
    assert read_checkpoint(made.text) == made == Checkpoint(origin=ORIGIN, head=at(7), text=made.text)
    assert KeyChain([signer().public]).check(made, origin=origin_of("0123456789abcdef")) == signer().public
    empty = sign_head(Head(size=0, root=EMPTY_ROOT), signer())
    assert read_checkpoint(empty.text).head == Head(size=0, root=EMPTY_ROOT)


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n07\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc=\n",
        f"{ORIGIN}\n-7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc=\n",
        f"{ORIGIN}\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAd=\n",
        f"{ORIGIN}\n7\nAAAA\n",
        f"{ORIGIN}\n7\n?\n",
        "\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc=\n",
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_checkpoint(sign(text, signer()))


def test_a_checkpoint_of_another_ledger_or_another_key() -> None:
    chain = KeyChain([signer().public])
    with pytest.raises(NotProved, match="another system"):
        chain.check(sign_head(at(7), signer(1, "answerable/other")), origin=ORIGIN)
    with pytest.raises(NotProved, match="not signed by a trusted key"):
        chain.check(sign_head(at(7), signer(1, "answerable/other")))
    with pytest.raises(NotProved, match="not signed by a trusted key"):
        chain.check(sign_head(at(7), signer(2)))
    with pytest.raises(NotProved, match="not signed by a trusted key"):
        KeyChain([]).check(sign_head(at(7), signer()))


def test_a_signature_for_another_origin_is_none() -> None:
    """A key's name is the ledger that it signs for: its signature under another origin counts for nothing."""
    text = sign(f"answerable/other\n7\n{'A' * 43}=\n", signer())
    with pytest.raises(NotProved, match="not signed by a trusted key"):
        KeyChain([signer().public]).check(read_checkpoint(text))


def test_one_key_leads_to_the_others() -> None:
    notes = [sign_replacement(signer(1), signer(2), at(10)), sign_replacement(signer(2), signer(3), at(20))]
    signed = {number: sign_head(at(size), signer(number)) for number, size in ((1, 10), (2, 20), (3, 30))}
    for trusted in (1, 2, 3):
        for order in (notes, notes[::-1]):
            chain = KeyChain([signer(trusted).public], order)
            for number, checkpoint in signed.items():
                assert chain.check(checkpoint) == signer(number).public
    with pytest.raises(NotProved):
        KeyChain([signer(1).public], notes[1:]).check(signed[3])
    assert signer(2).public not in KeyChain([signer(4).public], notes)


@pytest.mark.parametrize("trusted", [1, 2])
def test_a_replaced_key_signs_no_larger_ledger(trusted: int) -> None:
    chain = KeyChain([signer(trusted).public], [sign_replacement(signer(1), signer(2), at(10))])
    assert chain.check(sign_head(at(10), signer(1))) == signer(1).public
    with pytest.raises(NotProved, match="replaced at 10 records"):
        chain.check(sign_head(at(11), signer(1)))


def test_a_replacement_needs_both_keys() -> None:
    whole = sign_replacement(signer(1), signer(2), at(10))
    text = whole.split("\n\n")[0] + "\n"
    for forged in (sign(text, signer(1)), sign(text, signer(2)), sign(text, signer(2), signer(3))):
        with pytest.raises(NotProved, match="not signed by both"):
            KeyChain([signer(1).public], [forged])
    for other in (text.replace("\n10\n", "\n11\n"), text.replace(ORIGIN + " ", "answerable/other ")):
        with pytest.raises(NotProved):
            KeyChain([signer(1).public], [whole.replace(text, other)])
    with pytest.raises(InvalidInput):
        KeyChain([signer(1).public], [sign_head(at(7), signer()).text])
    with pytest.raises(NotProved):
        KeyChain([signer(1).public], [sign_replacement(signer(1), signer(1), at(10))])


def test_a_stolen_key_that_replaces_again_breaks_the_chain() -> None:
    real = sign_replacement(signer(1), signer(2), at(10))
    for forged in (
        sign_replacement(signer(1), signer(9), at(5)),
        sign_replacement(signer(1), signer(2), at(11)),
        sign_replacement(signer(9), signer(2), at(10)),
    ):
        for trusted in (1, 2):
            with pytest.raises(NotProved, match="otherwise, too"):
                KeyChain([signer(trusted).public], [real, forged])
    with pytest.raises(NotProved, match="before it came into force"):
        KeyChain([signer(1).public], [real, sign_replacement(signer(2), signer(3), at(9))])
    with pytest.raises(NotProved, match="before it came into force"):  # an invented key in front of a stolen one
        KeyChain([signer(2).public], [real, sign_replacement(signer(9), signer(1), at(99))])


def test_the_same_note_twice_is_one() -> None:
    note = sign_replacement(signer(1), signer(2), at(10))
    assert signer(2).public in KeyChain([signer(1).public], [note, note])
