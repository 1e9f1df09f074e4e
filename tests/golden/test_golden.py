"""Golden ledgers: what was recorded once is read for ever, and gives the spans that are stored, byte for byte."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import get_args

import pytest

from answerable.tracing.ledger.records.every import AnyRecord
from answerable.tracing.ledger.records.record import RECORD_VERSION
from answerable.tracing.spans.attributes import Shows
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import PROJECTION_VERSION, encode
from tests.golden.files import HERE, play, read_stored, span_lines, spans_file, stored_records, write_missing
from tests.golden.scenarios import SCENARIOS

DECISIONS = HERE.parents[1] / "docs" / "decisions"

ANOTHER = f"""\
The spans of this ledger are not those that are stored for version {PROJECTION_VERSION} of the projection.

If you did not mean to change what spans look like: this is a mistake, and the lines that differ say where. The same
record, projected again years later, must give the same bytes; else Jaeger shows it twice, as two spans.

If you did mean it: raise PROJECTION_VERSION in tracing/spans/span.py, say why in a decision record (docs/decisions/)
that names "projection {int(PROJECTION_VERSION) + 1}", run `make golden`, and look at what it wrote. A version that was
never released, and that nobody has spans of, may be written anew instead: delete its folder and run `make golden`.
"""


@pytest.mark.parametrize("file", stored_records(), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_stored_records_give_the_stored_spans(file: Path) -> None:
    stored = spans_file(file).read_text(encoding="utf-8").splitlines()
    assert span_lines(file).splitlines() == stored, ANOTHER
    spans = project_all(read_stored(file))
    assert [json.loads(line)["sha256"] for line in stored] == [sha256(encode(span)).hexdigest() for span in spans]


@pytest.mark.parametrize("file", stored_records(), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_stored_records_are_read_for_ever(file: Path) -> None:
    read = read_stored(file)
    assert len(read) > 5
    assert {str(one.record.v) for one in read} == {file.parent.name}
    assert {one.record.kind for one in read} >= {"system.registered", "run.started"}


def test_each_scenario_is_stored_for_this_version_of_records() -> None:
    stored = {file.stem for file in stored_records() if file.parent.name == str(RECORD_VERSION)}
    assert stored >= set(SCENARIOS), "run `make golden`, and look at what it wrote"


def test_each_kind_of_record_is_in_one() -> None:
    stored = {one.record.kind for file in stored_records() for one in read_stored(file)}
    kinds = {kind.model_fields["kind"].default for kind in get_args(get_args(AnyRecord)[0])}
    assert kinds == stored, "add a scenario that records it to tests/golden/scenarios.py, and run `make golden`"


def test_each_kind_of_span_is_in_one() -> None:
    spans = [span for file in stored_records() for span in project_all(read_stored(file))]
    kinds = set(get_args(Shows)) - {"checkpoint"}  # it is made of the ledger's head, not of a record
    assert {span.shows for span in spans} == kinds, "tests/golden/scenarios.py has none that shows them"


def test_each_version_of_the_projection_is_a_decision() -> None:
    said = "".join(file.read_text(encoding="utf-8") for file in DECISIONS.glob("*.md"))
    assert f"projection {PROJECTION_VERSION}" in said, "docs/decisions/ does not say why there is this version"


def test_what_is_missing_is_written_and_what_is_there_is_left(tmp_path: Path) -> None:
    shutil.copytree(HERE / "records", tmp_path / "records")
    shutil.copytree(HERE / "spans", tmp_path / "spans")
    missing, other, *_ = [spans_file(file, root=tmp_path) for file in stored_records(tmp_path)]
    before = missing.read_bytes()
    missing.unlink()
    other.write_bytes(b"mine\n")
    assert write_missing(tmp_path) == [missing]
    assert missing.read_bytes() == before
    assert other.read_bytes() == b"mine\n"


def test_a_scenario_can_be_played(tmp_path: Path) -> None:
    file = tmp_path / "records" / "1" / "join.jsonl"
    file.parent.mkdir(parents=True)
    file.write_bytes(play("join"))
    assert [one.record.kind for one in read_stored(file)] == [
        one.record.kind for one in read_stored(HERE / "records" / "1" / "join.jsonl")
    ]
    assert span_lines(file)
