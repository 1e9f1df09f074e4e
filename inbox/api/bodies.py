"""What people send: the parts of bodies, and the answers to a request.

No model has a field for who acts: that comes from the token.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from answerable.approvals.deciding.reasons import CODES

Digest: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=20_000)]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]*$")]
Code: TypeAlias = Annotated[str, StringConstraints(max_length=50), Field(json_schema_extra={"enum": list(CODES)})]
Micros: TypeAlias = Annotated[int, Field(ge=0, le=2**53 - 1)]  # what canonical JSON has as a number, and no more
Handle: TypeAlias = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x20]*$")]


class Taken(BaseModel):
    """What a body may say, and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Reasoned(Taken):
    """Why."""

    reason: Text


class SignatureGiven(Taken):
    """A signature of the answer with the person's own Ed25519 key: what is signed is in the guide."""

    key: Name = Field(description="The id of the key, as it was registered.")
    at: Micros = Field(description="When, by the signer's clock: microseconds since 1970.")
    salt: Digest = Field(description="64 hexadecimal digits that nobody can guess.")
    value: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9+/]{86}==$")] = Field(description="Base64 of 64 bytes.")


class Approve(Taken):
    """Choose an option, and so release its calls, and no others."""

    answer: Literal["approve"]
    digest: Digest = Field(description="The digest of the request as it was shown.")
    option: Name = Field(description='"as-proposed", or one that is offered.')
    reason: Text = ""
    for_person: Handle = Field(default="", description="Whose delegate acts, by handle; a delegation has to say so.")
    signature: SignatureGiven | None = None


class Reject(Taken):
    """Say no: none of its calls leaves."""

    answer: Literal["reject"]
    digest: Digest
    reason: Text
    for_person: Handle = ""
    signature: SignatureGiven | None = None
    code: Code = "other"


class Edit(Taken):
    """Propose another message instead: a new request, for somebody else to decide."""

    answer: Literal["edit"]
    digest: Digest
    message: dict[str, Any]
    reason: Text = ""
    signature: SignatureGiven | None = None


class Respond(Taken):
    """Answer with a text, where the system has a way back for one."""

    answer: Literal["respond"]
    digest: Digest
    text: Text
    signature: SignatureGiven | None = None


class BreakGlass(Taken):
    """Choose an option alone, in an emergency, as somebody who may: an alarm, and reviewed."""

    answer: Literal["break-glass"]
    digest: Digest
    option: Name
    code: Code
    reason: Text
    signature: SignatureGiven | None = None


AnyAnswer: TypeAlias = Annotated[BreakGlass | Approve | Reject | Edit | Respond, Field(discriminator="answer")]
