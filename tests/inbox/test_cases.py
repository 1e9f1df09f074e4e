"""The API takes whatever comes: no 5xx, no answer outside of its own document, nothing done without the right."""

from __future__ import annotations

from collections import Counter

import pytest
import schemathesis
from schemathesis import GenerationMode, engine

from tests.inbox.cases import AUTHENTICATED, CHECKS, NOBODY, PERSONS, cases, made, on_a_socket
from tests.orchestrator.letters import rows

SHARES = 8
IN_ALL = 50_000
AT_ONCE = 40


@pytest.mark.parametrize("share", range(SHARES))
def test_whatever_is_sent_by_whomever_is_answered_as_documented(sqlite_url: str, share: int) -> None:
    with cases(sqlite_url) as known:
        operations = known.operations()
        turn = share
        while known.sent < IN_ALL // SHARES:
            operation = operations[turn % len(operations)]
            mode = GenerationMode.NEGATIVE if turn // len(operations) % 2 else GenerationMode.POSITIVE
            turn += 1
            found = made(operation, mode, AT_ONCE, seed=turn)
            before = known.standing()
            for case in found:
                for nobody in NOBODY:
                    answered = known.send(case, nobody, CHECKS).status_code
                    assert answered >= 400 or (nobody == "session" and case.method == "GET")
            assert known.standing() == before
            for number, case in enumerate(found):
                if mode is GenerationMode.POSITIVE and number % 4:
                    known.aim(case)
                for person in PERSONS:
                    known.send(case, person, AUTHENTICATED)
        portal, service = known.site.service.portal, known.site.service
        ids = {row["handle"]: row["id"] for row in portal.call(rows, service, "people")}
        decided = portal.call(rows, service, "decisions")
        assert {row["by"] for row in decided} <= {ids["dora"], ids["alice"]}, "olaf has no right to decide"
        assert known.answered.keys() >= {200, 401, 404, 422}


# -- the running server, with the links of its document ----------------------------------------------------------------

SCENARIOS = 40  # of up to STEPS requests, each following a link of an answer before it
STEPS = 15


def all_phases(address: str, headers: dict[str, str], *, seed: int) -> tuple[Counter[str], list[str]]:
    """Everything that schemathesis tries by itself: how many cases of each phase, and what was found."""
    schema = schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json").exclude(path="/api/v1/events")  # endless
    settings = schema.config
    settings.base_url, settings.headers, settings.seed, settings.request_timeout = address, headers, seed, 10
    settings.phases.examples.enabled = settings.phases.fuzzing.enabled = False
    settings.phases.stateful.enabled = "Authorization" in headers
    settings.phases.stateful.max_steps, settings.generation.max_examples = STEPS, SCENARIOS
    settings.generation.no_shrink = True
    settings.checks.positive_data_acceptance.enabled = False  # a cursor is a text, and not every text is a cursor
    sent: Counter[str] = Counter()
    wrong = []
    for happened in engine.from_schema(schema).execute():
        if isinstance(happened, engine.events.ScenarioFinished):
            sent[happened.phase.value] += len(happened.recorder.cases)
            for checked in happened.recorder.checks.values():
                wrong += [str(each.failure_info.failure) for each in checked if each.failure_info]
        elif isinstance(happened, engine.events.NonFatalError | engine.events.FatalError):
            wrong.append(str(happened))
    return sent, wrong


@pytest.mark.parametrize("seed", range(2))
def test_a_lead_who_follows_every_link_of_the_running_server(sqlite_url: str, seed: int) -> None:
    with cases(sqlite_url) as known, on_a_socket(known) as address:
        sent, wrong = all_phases(address, dict(known.credentials["dora"]), seed=seed)
    assert wrong == []
    assert sent["stateful"] >= 400 and sent["coverage"] >= 200


def test_nobody_at_the_running_server(sqlite_url: str) -> None:
    with cases(sqlite_url) as known, on_a_socket(known) as address:
        known.site.asked()
        before = known.standing()
        sent, wrong = all_phases(address, {}, seed=1)
        assert known.standing() == before
    assert wrong == [] and sent["coverage"] >= 200
