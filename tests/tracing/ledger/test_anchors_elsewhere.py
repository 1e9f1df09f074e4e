"""The anchors that hand checkpoints to other programs: git, and a timestamp authority (`openssl ts`) over HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from answerable.errors import NotProved, StoreUnavailable
from answerable.tracing.ledger.anchor_git import GitAnchor
from answerable.tracing.ledger.anchor_time import TimeAnchor
from answerable.tracing.ledger.anchors import Place, open_anchors
from answerable.tracing.storage.store import open_store
from tests.tracing.ledger.signers import ORIGIN
from tests.tracing.ledger.test_anchors import at

pytestmark = pytest.mark.anyio

_CONFIGURATION = """
[tsa]
default_tsa = here
[here]
serial = serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
"""


def run(folder: Path, *words: str) -> str:
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout


async def test_a_checkpoint_is_a_commit(tmp_path: Path) -> None:
    run(tmp_path, "git", "init", "--quiet")
    anchor = GitAnchor(tmp_path, "ledger.checkpoint")
    for size in (1, 2, 2):
        receipt = await anchor.keep(at(size), 1)
        assert receipt == f"{tmp_path} {run(tmp_path, 'git', 'rev-parse', '--short', 'HEAD').strip()}"
    assert run(tmp_path, "git", "show", "HEAD:ledger.checkpoint") == at(2).text
    assert run(tmp_path, "git", "show", "HEAD~2:ledger.checkpoint") == at(1).text
    assert run(tmp_path, "git", "log", "--format=%s", "-1").strip() == f"{ORIGIN}: 2 records"


async def test_what_others_have_staged_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path, "git", "init", "--quiet")
    (tmp_path / "other").write_text("not yet")
    run(tmp_path, "git", "add", "other")
    await GitAnchor(tmp_path, "ledger.checkpoint").keep(at(1), 1)
    assert run(tmp_path, "git", "ls-tree", "--name-only", "HEAD").split() == ["ledger.checkpoint"]


async def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="not a git repository"):
        await GitAnchor(tmp_path, "ledger.checkpoint").keep(at(1), 1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a timestamp authority: its certificate, key and settings."""
    folder = tmp_path_factory.mktemp("authority")
    (folder / "tsa.cnf").write_text(_CONFIGURATION)
    (folder / "serial").write_text("01\n")
    extensions = ("-addext", "extendedKeyUsage=critical,timeStamping")
    subject = ("-subj", "/CN=a timestamp authority", "-days", "2", "-nodes", "-newkey", "ec")
    curve = ("-pkeyopt", "ec_paramgen_curve:prime256v1")
    run(folder, "openssl", "req", "-x509", *subject, *curve, *extensions, "-keyout", "key.pem", "-out", "cert.pem")
    return folder


@contextmanager
def serving(folder: Path, *, answers: bytes | None = None, status: int = 200) -> Iterator[str]:
    """`openssl ts` behind HTTP; or something that always answers the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["content-type"] == "application/timestamp-query"
            (folder / "query.tsq").write_bytes(self.rfile.read(int(self.headers["content-length"])))
            if answers is None:
                sign = ("-config", "tsa.cnf", "-signer", "cert.pem", "-inkey", "key.pem", "-out", "answer.tsr")
                run(folder, "openssl", "ts", "-reply", "-queryfile", "query.tsq", *sign)
            self.send_response(status)
            self.send_header("content-type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write((folder / "answer.tsr").read_bytes() if answers is None else answers)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


async def test_an_authority_says_when_it_existed(authority: Path, tmp_path: Path) -> None:
    with serving(authority) as url:
        receipt = await TimeAnchor(url, tmp_path / "there").keep(at(7), 1)
    file = tmp_path / "there" / "7.tsr"
    assert receipt.endswith(str(file)) and receipt.startswith("20")
    checked = ("-data", str(file.with_suffix(".checkpoint")), "-in", str(file), "-CAfile", "cert.pem")
    run(authority, "openssl", "ts", "-verify", *checked)
    file.with_suffix(".checkpoint").write_text(at(8).text)
    with pytest.raises(subprocess.CalledProcessError):
        run(authority, "openssl", "ts", "-verify", *checked)


async def test_an_answer_that_is_none(authority: Path, tmp_path: Path) -> None:
    with serving(authority) as url:
        await TimeAnchor(url, tmp_path).keep(at(1), 1)
    earlier = (authority / "answer.tsr").read_bytes()
    for answers in (b"", b"no timestamp", earlier):
        with serving(authority, answers=answers) as url, pytest.raises(NotProved):
            await TimeAnchor(url, tmp_path).keep(at(2), 1)
    with serving(authority, answers=b"", status=500) as url, pytest.raises(httpx.HTTPStatusError):
        await TimeAnchor(url, tmp_path).keep(at(2), 1)
    assert not (tmp_path / "2.tsr").exists()


async def test_both_are_on_where_they_are_configured(sqlite_url: str, tmp_path: Path) -> None:
    store = open_store(sqlite_url)
    try:
        said = {"ANSWERABLE_ANCHOR_REPOSITORY": str(tmp_path), "ANSWERABLE_TIMESTAMP_URL": "http://127.0.0.1:1/"}
        assert list(open_anchors(Place(store=store, origin=ORIGIN, environment=said))) == ["file", "git", "rfc3161"]
    finally:
        store.close()
