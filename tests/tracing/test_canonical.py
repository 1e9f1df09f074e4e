"""Canonical JSON is what the library says, however it is written."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from answerable.tracing.canonical import canonical

_texts = st.text(max_size=8) | st.text(st.characters(max_codepoint=0x7F), max_size=8)
_numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=20,
)


@given(_values)
def test_it_writes_what_the_library_writes(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        with pytest.raises(rfc8785.CanonicalizationError):
            canonical(value)
    else:
        assert canonical(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"é": 1, "z": 2, "\ufb33": 3, "\U0001f600": 4},
        {"control": "".join(map(chr, range(128)))},
        {"a": 1.0, "b": 1e21, "c": -0.0},
        [2**53 - 1, -(2**53) + 1, 10**15, True, None, ()],
        {"b": {"d": 1, "c": "\u2028"}, "a": "</script>"},
    ],
)
def test_it_writes_the_hard_ones_as_the_library_does(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), "\ud800", {"a": object()}])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical(value)
