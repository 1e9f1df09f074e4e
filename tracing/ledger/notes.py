"""Signed notes: a short text and who signed it, in the form that transparency logs use (C2SP signed-note).

1. A note is its text, an empty line, and one line for each signature: an em dash, the key's name, and, in base64, four
   bytes that identify the key and then its Ed25519 signature over the text.
2. A key is written as one line, `NAME+ID+BASE64`, which is what its holder gives to others. Its name says which ledger
   it signs for, so the same key under another name is another key.
3. The text of a note counts for nothing until a signature of a key that one knows was checked. Signatures of keys that
   one does not know are passed over; one of a known key that does not fit is an error.

Source: https://c2sp.org/signed-note
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from answerable.errors import InvalidInput, NotProved

ED25519: Final = b"\x01"  # the algorithm's byte, before the key's own 32. Source: C2SP signed-note
KEY_BYTES: Final = 32
ID_BYTES: Final = 4
SIGNATURE_BYTES: Final = 64
_MOST_SIGNATURES: Final = 64
_DASH: Final = "\u2014 "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")  # but for the end of a line


@dataclass(frozen=True)
class VerifierKey:
    """A public key under its name. As text it is one line, `NAME+ID+BASE64`."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that stand for the key in a signature's line."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{encode(ED25519 + self.public)}"

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether `signature` is this key's, over exactly this text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A private key under its name: 32 secret bytes."""

    def __init__(self, name: str, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = VerifierKey(name, self._key.public_key().public_bytes_raw())

    def line(self, text: str) -> str:
        """The signature's line under this text."""
        signature = self.public.id + self._key.sign(text.encode())
        return f"{_DASH}{self.public.name} {encode(signature)}\n"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One line under a note, as it was read: nothing of it was checked."""

    name: str
    id: bytes
    bytes: bytes


@dataclass(frozen=True, kw_only=True)
class Note:
    """A text that ends with a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    def signers(self, known: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Those of the `known` keys that signed it, each of them checked.

        Raises: NotProved if a signature in the name of one of them does not fit the text.
        """
        keys = {(key.name, key.id): key for key in known}
        found = []
        for one in self.signatures:
            key = keys.get((one.name, one.id))
            if key is None or key in found:
                continue
            if not key.signed(self.text, one.bytes):
                raise NotProved(
                    f"the signature of {key.name} (key {key.id.hex()}) does not fit what is signed",
                    hint="the text or its signature was changed; do not trust it",
                )
            found.append(key)
        return found


def sign(text: str, *signers: Signer) -> str:
    """A note, as text, with a signature of each. The text ends with a newline."""
    return text + "\n" + "".join(signer.line(text) for signer in signers)


def read_note(data: str) -> Note:
    """A note from its text; no signature is checked. Raises: InvalidInput if it is none."""
    text, gap, under = data.rpartition("\n\n")
    if not gap or not under.endswith("\n") or _CONTROL.search(data):
        raise InvalidInput("this is no signed note: no text, an empty line, and signatures", hint=_HALF)
    lines = under[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise InvalidInput(f"this note has {len(lines)} signatures; at most {_MOST_SIGNATURES} are read")
    return Note(text=f"{text}\n", signatures=tuple(_read_signature(line) for line in lines))


def read_key(line: str) -> VerifierKey:
    """A public key from its line, `NAME+ID+BASE64`. Raises: InvalidInput."""
    name, _, rest = line.strip().partition("+")
    id, _, data = rest.partition("+")
    raw = decode(data)
    if not _is_name(name) or raw is None or raw[:1] != ED25519 or len(raw) != 1 + KEY_BYTES:
        raise InvalidInput("this is no public key of a ledger", hint="NAME+ID+BASE64 on one line, as in a .pub file")
    key = VerifierKey(name, raw[1:])
    if key.id.hex() != id:
        raise InvalidInput(f"this public key says that it is {id}, and is {key.id.hex()}", hint=_HALF)
    return key


def encode(data: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(data).decode()


def decode(data: str) -> bytes | None:
    """The bytes of base64; None if it is none, or could be written otherwise."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if encode(raw) == data else None


_HALF: Final = "it was changed, or only half of it was written: take it from where it came from again"


def _read_signature(line: str) -> Signature:
    name, _, data = line.removeprefix(_DASH).partition(" ")
    raw = decode(data)
    if not line.startswith(_DASH) or not _is_name(name) or raw is None or len(raw) <= ID_BYTES:
        raise InvalidInput(f"this is no line of a signature: {line[:80]!r}", hint=_HALF)
    return Signature(name=name, id=raw[:ID_BYTES], bytes=raw[ID_BYTES:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)
