"""Ids: what a thing is called is derived from what it is, so that it has one name in every process and every attempt.

1. An id is a short prefix, which tells its kind, and 128 bits of SHA-256 over the parts that make the thing what it is.
2. Parts are joined with NUL; names and ids never contain one.
3. Trace ids (128 bits) and span ids (64 bits) are derived in the same way.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

RUN = "run"
MESSAGE = "msg"
CROSSING = "crs"
STEP = "stp"
GATHER = "gth"
REQUEST = "req"
DECISION = "dec"
GRANT = "grt"
EFFECT = "eff"
FREEZE = "frz"
REVIEW = "rvw"
RULE = "rul"
PERSON = "prs"
HOLD = "hld"
VOTE = "vot"
DELEGATION = "dlg"
BEARER = "tok"  # a bearer token
LINK = "lnk"
SESSION = "ses"
PERSON_KEY = "key"
BINDING = "bnd"  # of a login at a provider to a person


def derive(prefix: str, *parts: str) -> str:
    """The id of the thing that `parts` describe, for example `stp_` and 32 hexadecimal digits."""
    return f"{prefix}_{sha256(chr(0).join((prefix, *parts)).encode()).hexdigest()[:32]}"


def fresh(prefix: str) -> str:
    """A new random id, for what is not derived from anything: a run, a person, a freeze."""
    return f"{prefix}_{secrets.token_hex(16)}"


def trace_id(run: str, segment: int = 0) -> int:
    """The trace of a run; a run that was continued after a long wait has one trace per segment."""
    parts = ("trace", run) if segment == 0 else ("trace", run, str(segment))
    return int.from_bytes(sha256(chr(0).join(parts).encode()).digest()[:16], "big") or 1


def span_id(run: str, what: str, attempt: int = 1) -> int:
    """The span of one thing (a step, a crossing, a request …) in one attempt."""
    return int.from_bytes(sha256(f"span\0{run}\0{what}\0{attempt}".encode()).digest()[:8], "big") or 1


def commitment(salt: bytes, payload: bytes) -> str:
    """What a record says of a payload that lies beside it: a salted SHA-256, 64 hexadecimal digits."""
    return sha256(salt + payload).hexdigest()
