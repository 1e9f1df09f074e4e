"""What verifying finds of a changed rule, and what rebuilding makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, update

from answerable.approvals.forgeries import faults_of_tables
from answerable.orchestrator.office import open_office
from answerable.testing import FakeReceiver, nowhere
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.ruling import RuleApproved
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.tables.rules import rule_uses, rules
from tests.approvals.rules.ruled import active, proposed, rule_file, ruled
from tests.orchestrator.letters import Ask, rows, serving

pytestmark = pytest.mark.anyio


async def _faults(url: str) -> list[str]:
    async with open_office(url) as office:
        found = await office.store.read(lambda tx: list(faults_of_tables(tx, office.key)))
    return [f"{one.where}: {one.what}" for one in found]


async def _change(url: str, statement: Any) -> None:
    async with open_office(url) as office:
        await office.store.write(lambda tx: tx.run(Statement(statement)))


async def _ruled_once(url: str) -> str:
    with FakeReceiver() as receiver:
        async with serving(ruled(), url, receiver.origin) as service:
            rule = await active(service)
            assert (await service.arun(Ask(text="hi"), by="nils")).status == "done"
    assert await _faults(url) == []
    return rule.head.id


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"expires_at": 2**60}, "differ in expires_at"),
        ({"state": "proposed"}, "differ in state"),
        ({"body": b"{}"}, "its bytes are not those of its digest"),
        ({"mac": "0" * 64}, "its MAC is wrong"),
    ],
)
async def test_a_changed_rule_is_found_and_made_what_its_records_say(
    store_url: str, changed: dict[str, Any], found: str
) -> None:
    rule = await _ruled_once(store_url)
    async with open_office(store_url) as office:
        before = (await office.rules.get(rule)).head
    await _change(store_url, update(rules).values(changed))
    assert any(f"rule {rule}" in fault and found in fault for fault in await _faults(store_url))
    async with open_office(store_url) as office:
        done = await office.keeping.rebuild(by="alice", reason="somebody changed it")
        assert f"rule {rule}" in done.changed
        assert (await office.rules.get(rule)).head == before
    assert await _faults(store_url) == []


async def test_a_rule_and_what_it_used_are_made_again(store_url: str) -> None:
    rule = await _ruled_once(store_url)
    await _change(store_url, delete(rules))
    await _change(store_url, delete(rule_uses))
    assert len(await _faults(store_url)) == 2
    async with open_office(store_url) as office:
        done = await office.keeping.rebuild(by="alice", reason="it was gone")
        assert done.made == (f"rule {rule}",) and not done.not_made
    assert await _faults(store_url) == []
    async with serving(ruled(), store_url, nowhere()) as service:
        (used,) = await rows(service, "rule_uses")
        assert (used["cap"], used["used"]) == ("count/day", 1)


async def test_a_cap_that_was_set_back_by_hand_is_found(store_url: str) -> None:
    await _ruled_once(store_url)
    await _change(store_url, update(rule_uses).values(used=0))
    (fault,) = await _faults(store_url)
    assert "short-letters of letters: count/day" in fault and "differ in used" in fault


async def test_nobody_gets_a_rule_by_a_record_without_a_seal(store_url: str) -> None:
    async with serving(ruled(), store_url, nowhere()) as service:
        rule = (await proposed(service, rule_file())).head
        forged = RuleApproved(
            at=service.store.clock.now(),
            system="letters",
            rule=rule.id,
            name=rule.name,
            version=1,
            approval="sign",
            digest=rule.digest,
            by=rule.author,
            author=rule.author,
            approvers=(rule.author,),
        )
        await service.store.write(lambda tx: append(tx, forged))
    async with open_office(store_url) as office:
        done = await office.keeping.rebuild(by="alice", reason="a record says that it was approved")
        assert done.not_made == (f"rule {rule.id}",)
        assert (await office.rules.get(rule.id)).head.state == "proposed"
