"""Bundles: what an auditor is handed about one thing, in one file, with the proof that it is what was recorded.

1. The records that the story of it rests on; of a run, all of its records; of an effect, its step's, too. Each with its
   proof for one checkpoint, and nothing that was recorded after that.
2. The same ledger and the same checkpoint give the same bytes.
3. Persons are ids and payloads are left out, unless asked for.
4. The verifier goes with it, and has found it to be sound before it is handed out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any, Final

from answerable.errors import StoreCorrupt
from answerable.tracing.evidence.handing import verifier
from answerable.tracing.evidence.handing.archive import archive, as_json
from answerable.tracing.evidence.handing.payloads import payloads_of
from answerable.tracing.evidence.story.answers import explain
from answerable.tracing.evidence.story.document import document_of
from answerable.tracing.evidence.story.page import page_of
from answerable.tracing.evidence.story.story import Story
from answerable.tracing.ledger.checkpoints import Checkpoint
from answerable.tracing.ledger.notes import Signer, VerifierKey
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.proofs import prove_records
from answerable.tracing.ledger.records.accepting import ApprovalAccepted, ExemptionAccepted
from answerable.tracing.ledger.records.access import KeyRegistered, KeyRevoked
from answerable.tracing.ledger.records.afterwards import Reviewed
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.ruling import RuleApproved
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.people import all_people
from answerable.tracing.spans import attributes
from answerable.tracing.spans.otlp import as_request
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import SpanData
from answerable.tracing.storage.store import Tx

_HERE: Final = Path(__file__).parent
_MORE: Final = {
    "payloads.json": "what messages, requests, reasons and calls said, with the salts of their digests",
    "people.json": "who the ids of persons are, as the system's registry says",
}
_SEALED: Final = "The bundle as a whole is signed with the ledger's key: nobody else wrote the story or the names."
_NOT_SEALED: Final = "The bundle as a whole is not signed: anybody may have written the story and the names."


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle: its file's bytes, and what is in it, as plain JSON values."""

    data: bytes
    about: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the file, 64 hexadecimal digits."""
        return sha256(self.data).hexdigest()


def make_bundle(
    tx: Tx,
    given: str,
    *,
    checkpoint: Checkpoint,
    key: VerifierKey,
    replacements: Iterable[str] = (),
    signer: Signer | None = None,
    with_names: bool = False,
    with_payloads: bool = False,
) -> Bundle:
    """The bundle about what `given` names, for a checkpoint that `key` signed; `signer` signs the whole.

    Raises: UnknownId if nothing of that name was recorded before the checkpoint; StoreCorrupt if the ledger is not what
    the checkpoint was made of.
    """
    story = explain(tx, given, upto=checkpoint.head.size, with_names=with_names, with_payloads=with_payloads)
    placed = _records(story)
    places = sorted(placed)
    proof = prove_records(tx, places, checkpoint, tuple(replacements))
    spans = [span for span in project_all(story.sources.placed) if _place(span) in placed]
    document = document_of(story)
    files = {
        "story.html": page_of(story).encode(),
        "story.json": as_json(document),
        "records.jsonl": b"".join(one.body + b"\n" for one in proof.records),
        "proof.json": as_json(proof.model_dump(mode="json"), indent=None),
        "checkpoint.txt": checkpoint.text.encode(),
        "ledger.pub": f"{key}\n".encode(),
        "spans.json": as_json(as_request(spans), indent=None),
        "verify.py": Path(verifier.__file__).read_bytes(),
    }
    records = [placed[place].record for place in places]
    if with_payloads:
        files["payloads.json"] = as_json(payloads_of(tx, records), indent=None)
    if with_names:
        files["people.json"] = as_json(_people(tx, files["records.jsonl"].decode()))
    about = {
        **{name: document["about"][name] for name in ("id", "kind")},
        "system": story.system,
        "run": story.run,
        "ledger": checkpoint.origin,
        "size": checkpoint.head.size,
        "records": len(records),
        "spans": len(spans),
        "partial": list(story.partial),
        "with_names": with_names,
        "with_payloads": with_payloads,
        "signed": signer is not None,
    }
    files["README.txt"] = _readme(about, files)
    data = archive(files, about, checkpoint.origin, signer)
    try:
        verifier.verify(data, str(key))
    except verifier.Unsound as error:
        raise StoreCorrupt(
            f"what lies beside the ledger is not what was recorded: {error}",
            hint="`answerable ledger verify` tells what was changed",
        ) from error
    return Bundle(data=data, about=about)


def _records(story: Story) -> dict[int, Placed]:
    """The records of a bundle, by their places."""
    if story.focus.kind == "run":
        wanted = list(story.sources.placed)
    else:
        steps = [story.lineage.facts[id] for id in story.lineage.caused.get(story.focus.id, ())]
        carried_out = [fact for fact in steps if fact.kind == "step" and story.focus.kind == "effect"]
        wanted = [one for fact in (*story.path, *carried_out) for one in fact.placed]
    cited = {place for line in story.lines for place in line.seqs}
    wanted += [one for one in (*story.sources.placed, *story.sources.around) if one.seq in cited]
    of_people = Decided | Voted | RuleApproved | Reviewed | ApprovalAccepted | ExemptionAccepted
    answers = [one.record for one in wanted if isinstance(one.record, of_people)]
    keys = {one.signature.key for one in answers if one.signature}
    wanted += [
        one
        for one in story.sources.around
        if isinstance(one.record, KeyRegistered | KeyRevoked) and one.record.key in keys
    ]
    return {one.seq: one for one in wanted}


def _place(span: SpanData) -> int:
    """The place of the record that a span was made of."""
    return next(value for key, value in span.pairs if key == attributes.RECORD_SEQ and isinstance(value, int))


def _people(tx: Tx, records: str) -> dict[str, dict[str, str]]:
    """Those who are named in these records, by id."""
    named = {person.id: {"handle": person.handle, "name": person.name} for person in all_people(tx)}
    return {id: said for id, said in sorted(named.items()) if id in records}


def _readme(about: dict[str, Any], files: Iterable[str]) -> bytes:
    return (
        Template((_HERE / "auditor.txt").read_text(encoding="utf-8"))
        .substitute(
            about,
            more="".join(f"  {name:<16}{what}\n" for name, what in _MORE.items() if name in files),
            names="; people.json says who they are." if about["with_names"] else ".",
            sealed=_SEALED if about["signed"] else _NOT_SEALED,
        )
        .encode()
    )
