"""What every record says, of whatever kind; the kinds are beside it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

RECORD_VERSION = 1


class Record(BaseModel):
    """What every record says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    durable: ClassVar[bool] = False  # whether its transaction must survive a power cut

    v: int = RECORD_VERSION
    at: int
    system: str
    run: str = ""
    responsible: str = ""
    chain: tuple[str, ...] = ()


class Act(Record):
    """What a person does says also how sure we are of who that was; `append` writes it."""

    assurance: str = ""


class Signature(BaseModel):
    """A person's own signature of an answer: by which key, when, over which salted digest of the words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    at: int
    said: str
    value: str  # base64


class MessageRef(BaseModel):
    """A message as records name it: its id, its type and a salted digest of what it says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    type: str
    commitment: str
