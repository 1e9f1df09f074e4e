"""The HTTP API: what is asked, answered and stopped through it, as a person's program does."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.approvals.who.signatures import prove_possession
from tests.inbox.site import API, Site, problem, standing
from tests.orchestrator.letters import Ask, Letter, kinder, letters, tamper


def test_who_asks_is_who_the_token_belongs_to(site: Site) -> None:
    me = site.client.get(f"{API}/me", headers=site.headers("dora")).json()
    assert me.pop("id").startswith("prs_")
    assert me == {"person": "dora", "roles": ["lead"], "teams": [], "assurance": "token"}


def test_a_request_is_shown_exactly_as_it_is_bound(site: Site) -> None:
    request = site.asked("ann")
    shown = site.shown(request.id)
    assert sha256(rfc8785.dumps(shown["body"])).hexdigest() == shown["digest"] == request.digest
    assert [one["name"] for one in shown["option_details"]] == ["as-proposed", "kinder"]
    for option, bound in zip(shown["option_details"], shown["body"]["options"], strict=True):
        (call,) = option["calls"]
        body = b64decode(call["body_base64"])
        assert body == rfc8785.dumps(option["message"]) == call["body_text"].encode()
        assert call["digest"] == bound["calls"][0]["digest"]
        assert (call["method"], call["url"]) == ("POST", f"{site.receiver.origin}/letters")
    assert (shown["started_by"], shown["responsible"], shown["asks"]) == ("nils", "alice", "role lead")


def test_who_may_not_decide_is_told_before_they_try(site: Site) -> None:
    site.service.people.add("nils", roles=["lead"])
    request = site.asked()
    assert "nobody decides their own" in site.shown(request.id, "nils")["not_you"]
    assert site.shown(request.id, "dora")["not_you"] == ""


def test_an_option_is_chosen_and_its_bytes_are_sent(site: Site) -> None:
    request = site.asked("ann")
    shown = site.shown(request.id)
    made = site.decide(request.id, answer="approve", option="kinder", reason="it is nicer")
    assert made.status_code == 201 and made.json()["decision"]["assurance"] == "token"
    assert (made.json()["decision"]["by"], made.json()["decision"]["option"]) == ("dora", "kinder")
    assert site.service.resume(request.run).status == "done"
    (sent,) = site.receiver.happened
    assert sent.body == b64decode(shown["option_details"][1]["calls"][0]["body_base64"])


def test_a_no_releases_nothing(site: Site) -> None:
    request = site.asked()
    assert problem(site.decide(request.id, answer="reject", reason=" ")) == (422, "invalid-input")
    assert site.decide(request.id, answer="reject", reason="too short").status_code == 201
    assert site.service.resume(request.run).status == "done" and not site.receiver.received
    assert site.shown(request.id)["decision"]["reason"] == "too short"


def test_an_edit_is_a_new_request_for_somebody_else(site: Site) -> None:
    request = site.asked()
    made = site.decide(request.id, answer="edit", message={"text": "dear all"}, reason="more of them")
    edited = made.json()["edited_into"]
    assert made.status_code == 201 and made.headers["location"] == f"{API}/requests/{edited}"
    assert (site.shown(request.id)["edited_into"], site.shown(edited)["edited_by"]) == (edited, "dora")
    assert problem(site.decide(edited, answer="approve", option="as-proposed")) == (403, "not-eligible")
    assert site.decide(edited, "emil", answer="approve", option="as-proposed").status_code == 201
    site.service.resume(request.run)
    assert [one.json() for one in site.receiver.happened] == [{"text": "dear all"}]


def test_an_edit_that_breaks_the_type_changes_nothing(site: Site) -> None:
    request = site.asked()
    for wrong in ('{"text": 7}', '{"text": "x", "more": 1}', '{"text": "\\ud800"}', '{"text": NaN}', '{"text": []}'):
        named = {**site.headers("dora"), "Idempotency-Key": "k", "Content-Type": "application/json"}
        path = f"{API}/requests/{request.id}/decisions"
        body = f'{{"answer": "edit", "digest": "{request.digest}", "message": {wrong}}}'
        refused = site.client.post(path, content=body, headers=named)
        assert problem(refused) == (422, "invalid-message"), wrong
    assert site.shown(request.id)["state"] == "open"


def test_a_text_back_needs_an_edge_that_takes_it(site: Site) -> None:
    request = site.asked()
    assert problem(site.decide(request.id, answer="respond", text="to whom?")) == (422, "invalid-input")
    assert site.shown(request.id)["state"] == "open"


def test_without_its_program_a_system_is_decided_on_and_not_edited(store_url: str) -> None:
    with standing(store_url, program=False) as site:
        request = site.asked()
        refused = site.decide(request.id, answer="edit", message={"text": "x"})
        assert problem(refused) == (409, "version-gone")
        assert site.decide(request.id, answer="approve", option="kinder").status_code == 201


def test_a_request_is_decided_once(site: Site) -> None:
    request = site.asked()
    assert site.decide(request.id, answer="approve", option="kinder").status_code == 201
    late = site.decide(request.id, "emil", answer="reject", reason="no")
    assert problem(late) == (409, "already-decided")


def test_an_answer_that_is_sent_again_under_its_key_is_the_same_decision(site: Site) -> None:
    request, other = site.asked(), site.asked("bob")
    first = site.decide(request.id, answer="approve", option="kinder", key="desk-7")
    again = site.decide(request.id, answer="approve", option="kinder", key="desk-7")
    assert (first.status_code, again.status_code) == (201, 201) and first.json() == again.json()
    for changed in (
        site.decide(request.id, answer="approve", option="as-proposed", key="desk-7"),
        site.decide(other.id, answer="approve", option="kinder", key="desk-7"),
    ):
        assert problem(changed) == (422, "invalid-input") and "Idempotency-Key" in changed.json()["detail"]
    other_person = site.decide(request.id, "emil", answer="approve", option="kinder", key="desk-7")
    assert problem(other_person) == (409, "already-decided")
    edits = [site.decide(other.id, answer="edit", message={"text": "x"}, key="desk-8").json() for _ in range(2)]
    assert edits[0]["edited_into"] == edits[1]["edited_into"] and len(site.service.requests()) == 1


def test_requests_come_page_by_page_and_none_twice(site: Site) -> None:
    asked = {site.asked(str(number)).id for number in range(7)}
    dora = site.headers("dora")
    for sort in ("deadline", "tier"):
        seen, cursor = [], ""
        while cursor is not None:
            page = site.client.get(
                f"{API}/requests", params={"limit": 3, "sort": sort, "cursor": cursor}, headers=dora
            ).json()
            seen += [one["id"] for one in page["requests"]]
            cursor = page["next"]
        assert len(seen) == 7 and set(seen) == asked
    first = site.client.get(f"{API}/requests", params={"limit": 3, "sort": "tier"}, headers=dora).json()["next"]
    for wrong in ("x", "AAAA", first[:-3], first + "A"):
        refused = site.client.get(f"{API}/requests", params={"cursor": wrong}, headers=dora)
        assert problem(refused) == (422, "invalid-input")
    crossed = site.client.get(f"{API}/requests", params={"cursor": first, "sort": "deadline"}, headers=dora)
    assert problem(crossed) == (422, "invalid-input")


def test_requests_are_found_by_state_system_and_run(site: Site) -> None:
    open_, decided = site.asked(), site.asked()
    site.decide(decided.id, answer="reject", reason="no")
    dora = site.headers("dora")

    def found(**params: str) -> list[str]:
        listed = site.client.get(f"{API}/requests", params=params, headers=dora).json()["requests"]
        return [one["id"] for one in listed]

    assert found() == found(system="letters") == found(run=open_.run) == [open_.id]
    assert found(state="decided") == [decided.id] and found(run=decided.run) == []
    assert set(found(state="all")) == {open_.id, decided.id} and found(system="other") == []


def test_a_changed_request_is_listed_as_such_and_hides_no_other(site: Site) -> None:
    changed = site.asked()
    site.service.portal.call(tamper, site.service, "requests", approval="other")
    sound = site.asked()
    listed = site.client.get(f"{API}/requests", headers=site.headers("dora")).json()["requests"]
    assert {one["id"]: one["state"] for one in listed} == {changed.id: "changed", sound.id: "open"}
    assert problem(site.client.get(f"{API}/requests/{changed.id}", headers=site.headers("dora"))) == (
        500,
        "store-corrupt",
    )


def test_a_run_is_shown_with_its_edges_steps_and_calls(site: Site) -> None:
    request = site.asked()
    site.decide(request.id, answer="approve", option="kinder")
    site.service.resume(request.run)
    run = site.client.get(f"{API}/runs/{request.run}", headers=site.headers("dora")).json()
    assert (run["status"], run["started_by"], run["result"]) == ("done", "nils", {"text": "dear ann, with love"})
    assert {(edge["source"], edge["target"]) for edge in run["edges_crossed"]} < {
        (edge["source"], edge["target"]) for edge in run["edges_declared"]
    }
    assert {step["node"] for step in run["steps"]} == {"write", "sign", "post"}
    assert run["effects_by_state"] == {"done": 1, "withdrawn": 1}
    assert [one["outcome"] for one in run["decisions"]] == ["approved"]


def test_runs_come_newest_first_page_by_page(site: Site) -> None:
    begun = []
    for number in range(5):
        site.clock.advance(1)
        begun.append(site.asked(str(number)).run)
    dora, seen, cursor = site.headers("dora"), [], ""
    while cursor is not None:
        page = site.client.get(f"{API}/runs", params={"limit": 2, "cursor": cursor}, headers=dora).json()
        seen += [run["run"] for run in page["runs"]]
        cursor = page["next"]
    assert seen == begun[::-1]
    waiting = site.client.get(f"{API}/runs", params={"status": "waiting", "system": "letters"}, headers=dora).json()
    assert len(waiting["runs"]) == 5
    assert site.client.get(f"{API}/runs", params={"status": "done"}, headers=dora).json()["runs"] == []


def test_a_freeze_stops_and_a_thaw_lets_go_on(site: Site) -> None:
    request, dora = site.asked(), site.headers("dora")
    made = site.client.post(f"{API}/freezes", json={"system": "letters", "reason": "wait"}, headers=dora)
    assert (made.status_code, made.json()["state"], made.json()["by"]) == (201, "quiesced", "dora")
    assert site.shown(request.id)["frozen"] is True
    assert site.client.get(f"{API}/requests", headers=dora).json()["requests"][0]["frozen"] is True
    assert problem(site.decide(request.id, answer="approve", option="kinder")) == (409, "not-open")
    (listed,) = site.client.get(f"{API}/freezes", headers=dora).json()["freezes"]
    assert listed == made.json()
    thawed = site.client.post(f"{API}/freezes/{made.json()['id']}/thaw", json={"reason": "go"}, headers=dora)
    assert thawed.json()["state"] == "lifted"
    assert site.decide(request.id, answer="approve", option="kinder").status_code == 201


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"system": "letters", "target": "agent:wriet", "reason": "r"}, (422, "invalid-input")),
        ({"system": "letters", "target": "nonsense", "reason": "r"}, (422, "invalid-input")),
        ({"system": "letters", "reason": " "}, (422, "invalid-input")),
        ({"system": "letters"}, (422, "invalid-input")),
        ({"system": "other", "reason": "r"}, (404, "unknown-id")),
        ({"system": "let\x00ters", "reason": "r"}, (422, "invalid-input")),
    ],
)
def test_a_freeze_of_nothing_is_refused(site: Site, body: dict[str, str], refused: tuple[int, str]) -> None:
    assert problem(site.client.post(f"{API}/freezes", json=body, headers=site.headers("dora"))) == refused


def test_a_part_is_frozen_where_its_program_is_at_hand(site: Site) -> None:
    body = {"system": "letters", "target": "agent:write", "reason": "r"}
    assert site.client.post(f"{API}/freezes", json=body, headers=site.headers("dora")).json()["target"] == "agent:write"


@pytest.mark.parametrize("path", ["requests/req_0", "runs/run_0", "freezes/frz_0"])
def test_what_is_not_there_is_a_problem(site: Site, path: str) -> None:
    assert problem(site.client.get(f"{API}/{path}", headers=site.headers("dora"))) == (404, "unknown-id")


@pytest.mark.parametrize(
    "path", ["requests/%00", "runs/%00%0a", "requests?system=%00", "requests?limit=0", "runs?limit=x"]
)
def test_what_cannot_be_is_a_problem(site: Site, path: str) -> None:
    assert problem(site.client.get(f"{API}/{path}", headers=site.headers("dora"))) == (422, "invalid-input")


def test_no_such_path_and_no_such_method_are_problems(site: Site) -> None:
    assert problem(site.client.get("/api/v2/requests"))[0] == 404
    assert problem(site.client.delete(f"{API}/requests", headers=site.headers("dora")))[0] == 405


def test_the_document_says_what_there_is(site: Site) -> None:
    document = site.client.get(f"{API}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        f"{API}/{path}"
        for path in (
            "approvals",
            "approvals/acceptance",
            "approvals/refusal",
            "decisions",
            "decisions/{decision}/revocation",
            "delegations",
            "delegations/{delegation}/revocation",
            "events",
            "exemptions",
            "exemptions/acceptance",
            "freezes",
            "freezes/{freeze}",
            "freezes/{freeze}/thaw",
            "interrupts",
            "interrupts/{request}",
            "me",
            "me/keys",
            "requests",
            "requests/{request}",
            "requests/{request}/decisions",
            "reviews",
            "reviews/{review}/verdict",
            "rules",
            "rules/{rule}",
            "rules/{rule}/approval",
            "rules/{rule}/replay",
            "rules/{rule}/revocation",
            "runs",
            "runs/{run}",
            "statistics",
        )
    }
    fields = json.dumps([document["components"]["schemas"][name] for name in ("Approve", "Reject", "Edit", "Respond")])
    assert '"by"' not in fields and '"person"' not in fields


def test_an_answer_is_signed_by_a_program_that_has_its_persons_key(sqlite_url: str) -> None:
    """It needs the digest that was shown, the person's id, and what the guide says is signed."""
    with standing(sqlite_url, app=letters(options=kinder, requires="signed")) as site:
        private, office, call = Ed25519PrivateKey.generate(), site.service.office, site.service.portal.call
        headers, request = site.headers("dora"), site.asked()
        me = site.client.get(f"{API}/me", headers=headers).json()["id"]
        public = b64encode(private.public_key().public_bytes_raw()).decode()
        now = site.clock.now()
        registering = {"public": public, "proof": prove_possession(private, me, at=now), "at": now}
        for asked in (registering | {"proof": "A" * 86 + "=="}, registering | {"at": now + 1}):
            refused = site.client.post(f"{API}/me/keys", json=asked, headers=headers)
            assert problem(refused) == (401, "not-authenticated")
        known = site.client.post(f"{API}/me/keys", json=registering, headers=headers)
        assert known.status_code == 201 and known.json()["assurance"] == "token"
        again = site.client.post(f"{API}/me/keys", json=registering, headers=headers)
        assert problem(again) == (422, "invalid-input")
        (key,) = call(office.people.keys)
        salt, said = "ab" * 32, {"answer": "approve", "option": "kinder", "digest": request.digest, "reason": "yes"}
        meant: dict[str, Any] = {"system": "letters", "subject": request.id, "digest": request.digest}
        meant |= {
            "answer": "approved",
            "option": "kinder",
            "person": me,
            "for_person": "",
            "code": "",
            "key": key.id,
            "at": now,
        }
        meant["said"] = sha256(bytes.fromhex(salt) + b'["yes",""]').hexdigest()
        text = "answerable answer/1\n" + json.dumps(meant, sort_keys=True, separators=(",", ":"))
        value = b64encode(private.sign(text.encode())).decode()
        where = f"{API}/requests/{request.id}/decisions"
        signature = {"key": key.id, "at": now, "salt": salt, "value": value}
        wrong = said | {"reason": "no", "signature": signature}
        assert problem(site.client.post(where, json=said, headers=headers)) == (403, "not-sure-enough")
        assert problem(site.client.post(where, json=wrong, headers=headers)) == (401, "not-authenticated")
        for unreadable in ({"salt": "x"}, {"value": "x"}, {"at": "now"}, {"more": 1}):
            body = said | {"signature": signature | unreadable}
            assert problem(site.client.post(where, json=body, headers=headers)) == (422, "invalid-input")
        made = site.client.post(where, json=said | {"signature": signature}, headers=headers)
        assert made.status_code == 201 and made.json()["decision"]["assurance"] == "signed"


def test_what_is_rendered_has_no_character_that_misleads(sqlite_url: str) -> None:
    evil = "a\u202eb\x1b[2J\u3164"

    def failing(letter: Letter, ask: Ask) -> dict[str, Letter]:
        raise ValueError(evil)

    def broken(ask: Ask) -> Letter:
        if ask.text == "broken":
            raise ValueError(evil)
        return Letter(text=evil)

    with standing(sqlite_url, app=letters(writer=broken, options=failing)) as site:
        request, run = site.asked(), site.service.run(Ask(text="broken"), by="nils")
        dora = site.headers("dora")
        document, failed = site.shown(request.id), site.client.get(f"{API}/runs/{run.id}", headers=dora).json()
        refused = site.decide(request.id, answer="approve", option="kinder\u202e").json()
        rendered = [document["trouble_with_options"], failed["detail"], refused["detail"]]
        rendered += [step["error"] for step in failed["steps"]]
        assert all(each.isprintable() and "\u3164" not in each for each in rendered)
        assert "a\\u202eb" in document["trouble_with_options"] and "a\\u202eb" in failed["detail"]
        assert document["option_details"][0]["message"] == {"text": evil}  # what is bound is as it is
