"""The anchor `rfc3161`: a timestamp authority says that a checkpoint existed at a certain time.

1. It is asked at the URL `ANSWERABLE_TIMESTAMP_URL`, and given nothing but a hash (RFC 3161, over HTTP).
2. The checkpoint and the authority's answer are kept beside what the anchor `file` keeps, in a folder of the ledger:
   `SIZE.checkpoint` and `SIZE.tsr`. `openssl ts -verify` checks one with the authority's certificate.
3. What is checked here is that the answer is about this checkpoint and this question; whom to trust is the reader's.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Final

import httpx

from answerable.errors import NotProved, StoreUnavailable
from answerable.tracing.clock import Micros
from answerable.tracing.ledger.anchor_file import anchor_file
from answerable.tracing.ledger.anchors import Place
from answerable.tracing.ledger.checkpoints import Checkpoint

try:
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response
except ImportError as error:  # an extra
    raise StoreUnavailable("timestamps need their library", hint="pip install 'answerable[timestamps]'") from error

_SECONDS: Final = 20.0
_GRANTED: Final = (0, 1)  # granted, and granted with modifications. Source: RFC 3161, section 2.4.2


class TimeAnchor:
    """Has checkpoints stamped by an authority."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder

    async def keep(self, checkpoint: Checkpoint, _at: Micros) -> str:
        """Have a checkpoint stamped; the time, and the answer's file. Raises: httpx.HTTPError, NotProved."""
        data = checkpoint.text.encode()
        question = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
        asked = question.cert_request(cert_request=True).nonce(nonce=True).build()
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            response = await client.post(
                self._url, content=asked.as_bytes(), headers={"content-type": "application/timestamp-query"}
            )
        response.raise_for_status()
        try:
            answer = decode_timestamp_response(response.content)
            granted = answer.status in _GRANTED
            fits = granted and (answer.tst_info.message_imprint.message, answer.tst_info.nonce) == (
                sha256(data).digest(),
                asked.nonce,
            )
        except ValueError as error:
            raise NotProved(f"{self._url} answered something that is no timestamp: {error}") from error
        if not fits:
            why = "is about something else" if granted else f"is a refusal (status {answer.status})"
            raise NotProved(f"the answer of {self._url} {why}")
        file = self._folder / f"{checkpoint.head.size}.tsr"
        await asyncio.to_thread(self._write, file, data, response.content)
        return f"{answer.tst_info.gen_time.isoformat()} {file}"

    def _write(self, file: Path, data: bytes, answer: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".checkpoint").write_bytes(data)
        file.write_bytes(answer)


def open_time_anchor(place: Place) -> TimeAnchor | None:
    """The anchor `rfc3161`; None where no authority is named."""
    url = place.environment.get("ANSWERABLE_TIMESTAMP_URL")
    folder = anchor_file(place.origin, place.environment).with_suffix(".timestamps")
    return TimeAnchor(url, folder) if url else None
