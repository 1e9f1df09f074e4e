"""Requests: what can be sent, and what is refused where it is described."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.calls import DELETE, LONGEST_PATH, POST, Request, request
from answerable.errors import DeclarationError


@pytest.mark.parametrize(
    "path", ["/", "/orders", "/orders?item=a%20b&more", "/a/b;c=(1)/~x", "/" + "x" * (LONGEST_PATH - 1)]
)
def test_what_is_a_path(path: str) -> None:
    assert POST(path).path == DELETE(path).path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "orders",
        "//elsewhere.example/x",
        "/a/../b",
        "/..",
        "/a\\b",
        "/a#b",
        "/a b",
        "/a\tb",
        "/a\r\nHost: x",
        "/a\x00",
        *(
            "/a\x7f",
            "/a\n",
            "/bücher",
            "/\ud800",
            "http://elsewhere.example/",
            "/" + "x" * LONGEST_PATH,
            None,
            5,
            b"/a",
        ),
    ],
)
def test_what_is_no_path(path: Any) -> None:
    with pytest.raises(DeclarationError, match="a path"):
        POST(path)
    with pytest.raises(DeclarationError, match="a path"):
        Request(method="POST", path=path)


@pytest.mark.parametrize("method", ["", "PO ST", "POST\r\n", "PÖST", "POST\n", None, 5])
def test_what_is_no_method(method: Any) -> None:
    with pytest.raises(DeclarationError, match="is no HTTP method"):
        request(method, "/orders")


def test_a_body_is_bytes_and_its_type_is_one_line() -> None:
    assert request("PURGE", "/orders", content=b"x").body == b"x"
    text: Any = "x"
    with pytest.raises(DeclarationError, match="body is str and not bytes"):
        request("POST", "/orders", content=text)
    with pytest.raises(DeclarationError, match="no content type"):
        Request(method="POST", path="/orders", content_type="text/plain\r\nHost: x")


def test_an_opaque_effect_has_a_body_only() -> None:
    assert Request(method="", path="", body=b"x").body == b"x"
