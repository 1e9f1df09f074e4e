"""Every error that Answerable raises, as one tree.

::

    AnswerableError
    ├── DeclarationError        what was declared cannot be (raised where it was declared)
    │   └── GraphError          `build()` found mistakes in the graph; `.problems` lists each
    ├── InvalidInput            a value that came from outside is wrong
    │   ├── InvalidMessage      a message does not fit its type
    │   ├── InvalidRule         a standing rule cannot be what its file says
    │   └── UnknownId           no run, request, effect, person … with that id
    ├── StoreError              the database
    │   ├── StoreUnavailable    it cannot be opened, or is locked by something else for too long
    │   │   └── StoreReadOnly   it can be read, and not written
    │   ├── StoreFull           the disk is full; nothing was half-written
    │   ├── StoreNewer          it was written by a newer Answerable
    │   ├── StoreCorrupt        a stored row is not what was written
    │   └── Erased              what is asked for was erased; its record says by whom
    ├── RunError                a run cannot go on
    │   ├── RunBusy             another worker holds its lease
    │   ├── LeaseLost           another worker took the lease over; this one stops
    │   └── VersionGone         this process does not have the app version that began the run
    ├── DecisionRefused         a decision was not taken; its request is unchanged
    │   ├── NotEligible         this person may not decide this request
    │   │   └── NotSureEnough   we are less sure of who answers than the request asks for
    │   ├── AlreadyDecided      somebody decided first
    │   ├── NotOpen             expired, withdrawn, or suspended by a freeze
    │   └── NotAsShown          the request is not the one that this person was shown
    ├── AccessRefused           who asks may not come in
    │   ├── NotAuthenticated    no credential, or one that is unknown, expired, revoked or used
    │   ├── ProviderUnavailable the OpenID provider cannot be asked who somebody is
    │   └── TooManyRequests     more than one person is answered in this time
    ├── NotProved               a checkpoint, a proof or a key does not show what it should
    ├── OutboxFull              no room for spans that were to be sent again
    ├── NotErasable             it may not be erased (yet): a run, a call, a legal hold or the retention needs it
    ├── EffectRefused           a call was not sent; nothing left the process
    ├── FactsUnknown            what a decision rests on cannot be read now; nothing is asked or sent on it
    ├── UnknownOrigin           `connect()` was not told where a receiver is; the run waits
    └── JaegerUnavailable       Jaeger's query API cannot be asked: nobody answers, or something else does

Each class has a stable `code`, which the command line prints and the guide lists. An error says what was wrong,
where, and, as its `hint`, what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class AnswerableError(Exception):
    """The base of all errors of this package.

    `message` says what was wrong and where; `hint`, if given, says what to do next.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class DeclarationError(AnswerableError):
    """What was declared cannot be; raised at the line that declares it."""

    code = "declaration"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in a graph: a stable `code`, `where` it is (nodes and edges), `what` is wrong and what to `do`."""

    code: str
    where: str
    what: str
    do: str

    def __str__(self) -> str:
        return f"[{self.code}] {self.where}: {self.what}\n  → {self.do}"


class GraphError(DeclarationError):
    """`System.build()` found mistakes; `problems` has each of them, in the order of declaration."""

    code = "graph"

    def __init__(self, system: str, problems: list[Problem]) -> None:
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = "\n".join(str(problem) for problem in problems)
        super().__init__(f"system {system!r} has {count}:\n{lines}")
        self.problems = problems


class InvalidInput(AnswerableError):
    """A value that came from outside is wrong."""

    code = "invalid-input"


class InvalidMessage(InvalidInput):
    """A message does not fit its type."""

    code = "invalid-message"


class InvalidRule(InvalidInput):
    """A standing rule cannot be what its file says."""

    code = "invalid-rule"


class UnknownId(InvalidInput):
    """There is nothing with that id in this store."""

    code = "unknown-id"


class StoreError(AnswerableError):
    """The database cannot do what was asked."""

    code = "store"


class StoreUnavailable(StoreError):
    """The database cannot be opened, or is locked by something else for too long."""

    code = "store-unavailable"


class StoreReadOnly(StoreUnavailable):
    """The database can be read, and not written: a copy, another's file, or a role that may only read."""

    code = "store-read-only"


class StoreFull(StoreError):
    """The disk is full. The transaction was rolled back; nothing is half-written."""

    code = "store-full"


class StoreNewer(StoreError):
    """The store was written by a newer Answerable than this one."""

    code = "store-newer"


class StoreCorrupt(StoreError):
    """A stored row is not what was written."""

    code = "store-corrupt"


class Erased(StoreError):
    """What is asked for was erased. The record of that says by whom, and why."""

    code = "erased"


class RunError(AnswerableError):
    """A run cannot go on here."""

    code = "run"


class RunBusy(RunError):
    """Another worker holds the lease of this run."""

    code = "run-busy"


class LeaseLost(RunError):
    """Another worker has taken this run over; this one stops before it writes anything more."""

    code = "lease-lost"


class VersionGone(RunError):
    """This process does not have the version of the app that began the run."""

    code = "version-gone"


class DecisionRefused(AnswerableError):
    """The decision was not taken. The request is as it was."""

    code = "decision-refused"


class NotEligible(DecisionRefused):
    """This person may not decide this request."""

    code = "not-eligible"


class NotSureEnough(NotEligible):
    """The request asks for a surer or fresher login than this person acts with."""

    code = "not-sure-enough"


class AlreadyDecided(DecisionRefused):
    """Somebody decided this request first."""

    code = "already-decided"


class NotOpen(DecisionRefused):
    """The request is expired, withdrawn, or suspended by a freeze."""

    code = "not-open"


class NotAsShown(DecisionRefused):
    """The request is not the one that this person was shown: another digest."""

    code = "not-as-shown"


class AccessRefused(AnswerableError):
    """Who asks may not come in. Nothing was done."""

    code = "access-refused"


class NotAuthenticated(AccessRefused):
    """No credential was shown, or one that is unknown, expired, revoked or used."""

    code = "not-authenticated"


class ProviderUnavailable(AccessRefused):
    """The OpenID provider cannot be asked who somebody is; whoever is signed in stays so."""

    code = "provider-unavailable"


class TooManyRequests(AccessRefused):
    """One person or address asked more often than is answered."""

    code = "too-many-requests"


class NotProved(AnswerableError):
    """A checkpoint, a proof or a key does not show what it should: it was changed, or is of something else."""

    code = "not-proved"


class OutboxFull(AnswerableError):
    """There is no room in the outbox for spans that were to be sent again. Those before are on their way."""

    code = "outbox-full"


class NotErasable(AnswerableError):
    """It may not be erased: its run is not over, a call is not settled, a legal hold stands, or it is too young."""

    code = "not-erasable"


class EffectRefused(AnswerableError):
    """The call was not sent. Nothing left this process."""

    code = "effect-refused"


class FactsUnknown(AnswerableError):
    """What a decision rests on cannot be read now. Nothing is asked, and nothing sent, on what is not known."""

    code = "facts-unknown"


class UnknownOrigin(AnswerableError):
    """This service was not told where a receiver is. The run waits for one that was."""

    code = "unknown-origin"


class JaegerUnavailable(AnswerableError):
    """Jaeger's query API cannot be asked: nobody answers there, or something else does."""

    code = "jaeger-unavailable"
