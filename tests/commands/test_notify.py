"""`answerable notify`: a test message, and how the targets stand."""

from __future__ import annotations

import asyncio
from pathlib import Path

from answerable.inbox.notices.notifying import Notifying
from answerable.inbox.notices.targets import read_targets
from answerable.testing import FakeReceiver, Reply
from answerable.tracing.storage.store import open_store
from tests.commands.conftest import Desk


def _targets(tmp_path: Path, *receivers: FakeReceiver) -> Path:
    """A file of targets, named by their number."""
    lines = []
    for number, there in enumerate(receivers):
        address = tmp_path / f"address{number}"
        address.write_text(there.origin.replace("http://", "json://robot:hush-hush@"))
        lines.append(f'[targets.t{number}]\nurl_file = "{address}"')
    file = tmp_path / "targets.toml"
    file.write_text("\n".join(lines))
    return file


def test_a_test_message_says_who_took_it(desk: Desk, tmp_path: Path) -> None:
    with FakeReceiver() as good, FakeReceiver(lambda _: Reply(status=403)) as bad:
        said = desk("notify", "test", "--notify", str(_targets(tmp_path, good, bad)), code=1).stdout
        desk("notify", "test", "--notify", str(_targets(tmp_path, good)))
    assert said.startswith("t0: taken\nt1: Failed") and "403" in said and "hush-hush" not in said
    assert [one.json()["title"] for one in good.received] == ["A test of Answerable"] * 2


def test_the_status_says_what_waits(desk: Desk, tmp_path: Path) -> None:
    desk.waiting()
    assert "nobody was to be told" in desk("notify", "status").stdout
    assert desk.json("notify", "status") == []

    async def once(file: Path) -> None:
        store = open_store(desk.url)
        one = Notifying(store, read_targets(file), origin="http://127.0.0.1:8080")
        await one.begin()
        await asyncio.to_thread(desk.waiting)
        await one.look()
        store.close()

    with FakeReceiver() as good, FakeReceiver(lambda _: Reply(status=503)) as bad:
        asyncio.run(once(_targets(tmp_path, good, bad)))
    took, waits = desk.json("notify", "status")
    assert (took["target"], took["waiting"], took["delivered"], took["error"]) == ("t0", 0, 1, None)
    assert (waits["target"], waits["waiting"], waits["delivered"], waits["failures"]) == ("t1", 1, 0, 1)
    assert "503" in waits["error"]
    assert "1 times: Failed" in desk("notify", "status").stdout


def test_a_file_with_a_mistake_is_said_before_anything_is_served(desk: Desk, tmp_path: Path) -> None:
    desk.waiting()
    file = tmp_path / "targets.toml"
    file.write_text("[targets.chat]\nurl = 'json://robot:hush-hush@there'")
    for words in (("serve", "--notify", str(file)), ("notify", "test", "--notify", str(file))):
        said = desk(*words, code=1).stderr
        assert "has 'url'" in said and "hush-hush" not in said
