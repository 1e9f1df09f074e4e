"""Signed notes, against the example of the library that the form comes from."""

from __future__ import annotations

import base64

import pytest

from answerable.errors import InvalidInput, NotProved
from answerable.tracing.ledger.notes import Signer, read_key, read_note, sign
from tests.tracing.ledger.signers import signer

# Source: golang.org/x/mod/sumdb/note, note_test.go and its package documentation. The secret is that of its example.
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SECRET = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = (
    f"{TEXT}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)


def test_the_published_example() -> None:
    peter = Signer("PeterNeumann", SECRET)
    assert str(peter.public) == PUBLIC
    assert read_key(PUBLIC + "\n") == peter.public
    assert sign(TEXT, peter) == SIGNED
    assert read_note(SIGNED).text == TEXT
    assert read_note(SIGNED).signers([peter.public]) == [peter.public]


def test_who_signed_is_who_is_known() -> None:
    one, two, other = signer(1), signer(2), signer(3)
    note = read_note(sign("a text\n\nof parts\n", one, two))
    assert note.text == "a text\n\nof parts\n"
    assert note.signers([two.public]) == [two.public]
    assert note.signers([two.public, other.public, one.public]) == [one.public, two.public]
    assert note.signers([other.public]) == []
    assert note.signers([signer(1, "answerable/another").public]) == []


def test_a_signature_that_does_not_fit() -> None:
    one = signer(1)
    changed = read_note(sign("a text\n", one).replace("a text", "b text"))
    assert changed.signers([signer(2).public]) == []  # unknown keys say nothing, right or wrong
    with pytest.raises(NotProved, match="does not fit"):
        changed.signers([one.public])


@pytest.mark.parametrize("cut", range(1, len(SIGNED)))
def test_half_a_note_is_no_note_or_is_not_signed(cut: int) -> None:
    with pytest.raises((InvalidInput, NotProved)):
        read_note(SIGNED[:cut]).signers([read_key(PUBLIC)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\nno dash\n",
        "text\n\n\u2014 name\n",
        "text\n\n\u2014 name AAAA\n",
        "text\n\n\u2014 name ????????\n",
        "text\n\n\u2014 na+me AAAAAAAA\n",
        "te\x00xt\n\n\u2014 name AAAAAAAA\n",
        "text\n\n" + "\u2014 name AAAAAAAA\n" * 65,
    ],
)
def test_what_is_no_note(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_note(text)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "name",
        "name+c74f20a3",
        PUBLIC.replace("+c74f20a3+", "+c74f20a4+"),
        PUBLIC.replace("PeterNeumann", "Peter Neumann"),
        PUBLIC.replace("PeterNeumann", "PeterNewman"),
        PUBLIC[:-4],
        PUBLIC[:-1] + "X",
    ],
)
def test_what_is_no_key(line: str) -> None:
    with pytest.raises(InvalidInput):
        read_key(line)
