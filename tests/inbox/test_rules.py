"""Standing rules over HTTP: proposed, looked at, approved and revoked, by the API and on their pages."""

from __future__ import annotations

from typing import Any

from answerable.agents.people import role
from tests.inbox.site import API, Site, standing
from tests.orchestrator.letters import Ask, kinder, letters

RULE = """\
name = "one-letter"
version = 1
purpose = "One <b>letter</b> needs nobody."
author = "eve"
system = "letters"
approval = "sign"
option = "kinder"
effects = ["post"]
policy = "permit (principal, action, resource) when { context.calls.post == 1 };"
[[caps]]
of = "count"
most = 2
per = "day"
[[tests]]
name = "one"
decides = true
context = { calls = { post = 1 } }
[[tests]]
name = "two"
decides = false
context = { calls = { post = 2 } }
"""


def proposed(site: Site, text: str = RULE, person: str = "eve") -> Any:
    site.service.people.add("eve")
    return site.client.post(f"{API}/rules", json={"file": text}, headers=site.headers(person))


def test_what_is_perhaps_not_meant_is_shown_to_whoever_is_to_approve_it(site: Site) -> None:
    site.asked()
    text = RULE.replace('"kinder"', '"kindest"').replace('effects = ["post"]', "").replace("post = 1", "post = 0")
    rule = proposed(site, text.replace("== 1", "== 0")).json()
    assert rule["doubts"] == ["effects names none of post: it decides only where its option releases no call"]
    dora = site.browser("dora")
    page = dora.get(f"/rules/{rule['id']}").text
    assert "Is that meant?" in page and "effects names none of post" in page
    assert "none of the 1 newest requests here offered kindest" in page
    replay = site.client.get(f"{API}/rules/{rule['id']}/replay", headers=site.headers("dora")).json()
    assert (replay["without"], replay["asked"]) == (1, 1) and "1 did not offer its option" in replay["said"]
    site.clock.advance(91 * 86400)
    assert "it would have expired, so nobody can approve it" in dora_again(site, rule["id"])
    fine = proposed(site, RULE.replace("one-letter", "other")).json()
    assert fine["doubts"] == [] and "Is that meant?" not in dora_again(site, fine["id"])


def dora_again(site: Site, rule: str) -> str:
    """The page of a rule, in a browser that dora enters now."""
    text: str = site.browser("dora").get(f"/rules/{rule}").text
    return text


def test_a_rule_is_proposed_approved_and_revoked_by_the_api(site: Site) -> None:
    made = proposed(site)
    assert made.status_code == 201, made.text
    rule = made.json()
    assert (rule["state"], rule["author"], rule["missing"]) == ("proposed", "eve", '1 of role("lead")')
    (listed,) = site.client.get(f"{API}/rules", headers=site.headers("dora")).json()["rules"]
    assert (listed["approved_so_far"], listed["missing"]) == ([], '1 of role("lead")')
    assert "it takes 1 of role(&#34;lead&#34;)" in site.browser("dora").get("/rules").text
    path, dora = f"{API}/rules/{rule['id']}", site.headers("dora")
    approval = {"digest": rule["digest"]}
    assert site.client.post(f"{path}/approval", json=approval, headers=site.headers("eve")).status_code == 403
    assert site.client.post(f"{path}/approval", json={"digest": "0" * 64}, headers=dora).status_code == 409
    approved = site.client.post(f"{path}/approval", json=approval, headers=dora)
    assert (approved.status_code, approved.json()["state"], approved.json()["approvers"]) == (201, "active", ["dora"])
    assert site.client.post(f"{path}/approval", json=approval, headers=dora).json()["code"] == "already-decided"
    run = site.service.run(Ask(text="ann"), by="nils")
    assert run.status == "done" and site.receiver.happened[0].json() == {"text": "dear ann, with love"}
    shown = site.client.get(path, headers=dora).json()
    assert shown["caps"] == [{"of": "count", "most": 2, "per": "day", "used": 1}]
    replay = site.client.get(f"{path}/replay", headers=dora).json()
    assert replay["said"] == "it would have decided 1 of 1, 0 of which a person denied"
    revoked = site.client.post(f"{path}/revocation", json={"reason": "enough"}, headers=dora)
    assert (revoked.status_code, revoked.json()["state"]) == (201, "revoked")
    listed = site.client.get(f"{API}/rules", headers=dora).json()["rules"]
    assert [(one["rule"], one["state"]) for one in listed] == [("one-letter@1", "revoked")]
    assert site.service.run(Ask(text="ann"), by="nils").status == "waiting"


def test_who_may_not_approve_a_rule_reads_why_with_the_names_as_they_are(sqlite_url: str) -> None:
    app = letters(options=kinder, by=role("Night-Lead"), denied=True)
    with standing(sqlite_url, app=app) as site:
        rule = proposed(site).json()
        text = site.browser("eve").get(f"/rules/{rule['id']}").text
        assert "You cannot approve it: eve may not decide this" in text
        assert "role Night-Lead or the Responsible Individual" in text


def test_what_is_no_rule_is_said_and_nothing_is_proposed(site: Site) -> None:
    for wrong, status, code in (
        ("name = ", 422, "invalid-rule"),
        (RULE.replace("most = 2", "most = 0"), 422, "invalid-rule"),
        (RULE.replace("context.calls.post", "context.calls.postt"), 422, "invalid-rule"),
        (RULE.replace('"letters"', '"numbers"'), 409, "version-gone"),
        (RULE.replace('"sign"', '"seal"'), 404, "unknown-id"),
        (RULE.replace('"eve"', '"dora"'), 403, "not-eligible"),
    ):
        refused = proposed(site, wrong)
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    assert site.client.get(f"{API}/rules", headers=site.headers("dora")).json() == {"rules": []}
    assert site.client.get(f"{API}/rules/nothing", headers=site.headers("dora")).status_code == 404
    assert site.client.get(f"{API}/rules").status_code == 401


def test_a_suspended_rule_says_who_is_missing_behind_it(site: Site) -> None:
    rule, dora = proposed(site).json(), site.headers("dora")
    path = f"{API}/rules/{rule['id']}"
    assert site.client.post(f"{path}/approval", json={"digest": rule["digest"]}, headers=dora).json()["lacks"] == ""
    site.service.people.add("dora", roles=["cook"])
    shown, (listed,) = (
        site.client.get(path, headers=dora).json(),
        site.client.get(f"{API}/rules", headers=dora).json()["rules"],
    )
    assert (shown["state"], shown["lacks"]) == (listed["state"], listed["lacks"]) == ("suspended", '1 of role("lead")')
    said = "It decides nothing, because it takes 1 of role(&#34;lead&#34;) besides"
    browser = site.browser("dora")
    assert said in browser.get("/rules").text and said in browser.get(f"/rules/{rule['id']}").text
    assert site.service.run(Ask(text="ann"), by="nils").status == "waiting"


def test_a_rule_is_approved_and_revoked_on_its_page(site: Site) -> None:
    denied = site.asked()
    site.decide(denied.id, answer="reject", reason="no")
    rule = proposed(site).json()
    path, dora = f"/rules/{rule['id']}", site.browser("dora")
    assert "one-letter@1" in dora.get("/rules").text
    page = dora.get(path).text
    assert "it would have decided 1 of 1, 1 of which a person denied" in page and f"/requests/{denied.id}" in page
    assert "One &lt;b&gt;letter&lt;/b&gt; needs nobody." in page and "context.calls.post == 1" in page
    assert f'action="{path}/approval"' not in site.browser("eve").get(path).text
    said = dora.form(path, f"{path}/approval")
    stale = dora.post(f"{path}/approval", said | {"digest": "1" * 64})
    assert stale.status_code == 409 and "is not the one that was shown" in stale.text
    assert dora.post(f"{path}/approval", said).status_code == 303
    assert "dora approved it" in dora.get(path).text
    assert site.service.run(Ask(text="ann"), by="nils").status == "done"
    said = dora.form(path, f"{path}/revocation")
    empty = dora.post(f"{path}/revocation", said | {"reason": " "})
    assert empty.status_code == 422 and "Nothing was changed" in empty.text
    assert dora.post(f"{path}/revocation", said | {"reason": "enough"}).status_code == 303
    assert "<strong>Revoked.</strong>" in dora.get(path).text


def test_a_request_says_which_rule_would_have_decided_it(site: Site) -> None:
    rule = proposed(site, RULE.replace("most = 2", "most = 1")).json()
    site.client.post(
        f"{API}/rules/{rule['id']}/approval", json={"digest": rule["digest"]}, headers=site.headers("dora")
    )
    assert site.service.run(Ask(text="ann"), by="nils").status == "done"
    request = site.asked()
    assert (
        "one-letter@1</a> would have decided this, but for its cap"
        in site.browser("dora").get(f"/requests/{request.id}").text
    )
    assert site.shown(request.id)["capped"] == "one-letter@1"
