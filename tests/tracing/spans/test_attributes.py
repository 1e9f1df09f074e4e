"""The registry of attributes is what spans say, and its table."""

from __future__ import annotations

from hashlib import sha256
from typing import get_args

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from answerable.tracing.ledger.checkpoints import sign_head
from answerable.tracing.ledger.merkle import Head
from answerable.tracing.spans import attributes
from answerable.tracing.spans.attributes import REGISTRY, Shows, table
from answerable.tracing.spans.checkpoints import checkpoint_span
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import encode, resource_pairs
from tests.support.story import every_kind_of_span, whole_run
from tests.tracing.ledger.signers import signer

SPANS = [*project_all(every_kind_of_span()), checkpoint_span(sign_head(Head(size=1, root=b"x" * 32), signer()), at=1)]


def test_every_kind_of_span_is_shown_and_its_keys_are_distinct() -> None:
    assert {span.shows for span in SPANS} == set(get_args(Shows))
    for span in SPANS:
        keys = [key for key, _ in span.pairs]
        assert len(keys) == len(set(keys)), span.name


def test_every_key_stands_on_some_span() -> None:
    stands = {key for span in SPANS for key, _ in (*span.pairs, *resource_pairs(span.origin))}
    assert set(REGISTRY) - stands == set()


def test_genai_keys_are_on_runs_and_agents_steps_only() -> None:
    for span in SPANS:
        has = any(key.startswith("gen_ai.") for key, _ in span.pairs)
        assert has == span.name.startswith(("invoke_workflow", "invoke_agent"))


def test_the_table_has_a_line_for_each_key() -> None:
    lines = table().splitlines()
    assert lines[0] == "| key | type | always on | may be on | meaning |"
    assert [line.split("`")[1] for line in lines[2:]] == list(REGISTRY)
    assert f"| `{attributes.INVERSIONS}` | int |  | edge, approval, request |" in table()
    assert f"| `{attributes.EDITED_FROM}` | string | request |  |" in table()


def test_the_encoding_is_what_the_official_library_reads_and_would_write() -> None:
    for span in project_all(every_kind_of_span()):
        data = encode(span)
        read = ResourceSpans.FromString(data)
        assert read.SerializeToString() == data  # nothing unknown, nothing out of order
        (encoded,) = read.scope_spans[0].spans
        assert encoded.trace_id == span.trace.to_bytes(16, "big")
        assert encoded.span_id == span.span.to_bytes(8, "big")
        assert encoded.parent_span_id == (span.parent.to_bytes(8, "big") if span.parent else b"")
        assert (encoded.name, encoded.kind) == (span.name, span.kind)
        assert encoded.start_time_unix_nano == span.start * 1000
        assert encoded.end_time_unix_nano == span.end * 1000
        links = [*((span.trace, one) for one in span.links), *span.elsewhere]
        assert [(link.trace_id.hex(), link.span_id.hex()) for link in encoded.links] == [
            (f"{trace:032x}", f"{one:016x}") for trace, one in links
        ]
        assert (encoded.status.code, encoded.status.message) == (span.status, span.message)
        assert encoded.flags & 0x1
        said = []
        for one in encoded.attributes:
            kind = one.value.WhichOneof("value")
            if kind == "array_value":
                said.append((one.key, tuple(item.string_value for item in one.value.array_value.values)))
            else:
                said.append((one.key, getattr(one.value, str(kind))))
        assert said == list(span.pairs)
        resource = {one.key: one.value.string_value for one in read.resource.attributes}
        assert resource == {
            "service.name": span.origin.service,
            "service.namespace": "logistics",
            "host.id": "depot",
            "ip": "10.0.0.7",
        }


def test_the_bytes_of_a_span_are_these() -> None:
    """A stored digest: whoever changes one byte raises PROJECTION_VERSION and stores the new one."""
    whole = sha256(b"".join(encode(span) for span in project_all(whole_run().placed())))
    assert whole.hexdigest() == "d957241232b6d166447bed08d3f6b018b16f47597a7558b0555f70a44f6c7154"
