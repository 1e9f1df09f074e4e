"""Where each answer leads: OpenAPI's links, from what was answered to what may be asked next.

A link's parameters and body are runtime expressions over the answer, as OpenAPI 3.1 defines them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Links = Mapping[str, Any]


def link(operation: str, *, body: Mapping[str, Any] | None = None, **parameters: str) -> dict[str, Any]:
    """A link to an operation by its id; each parameter, and each value of the body, is where the answer has it."""
    made: dict[str, Any] = {
        "operationId": operation,
        "parameters": {name: f"$response.body#{where}" for name, where in parameters.items()},
    }
    return {**made, "requestBody": dict(body)} if body else made


_DIGEST: Final = "$response.body#/digest"

FROM_REQUESTS: Final[Links] = {
    "first": link("get_request", request="/requests/0/id"),
    "its run": link("get_one_run", run="/requests/0/run"),
    "next page": link("list_requests", cursor="/next"),
}
FROM_REQUEST: Final[Links] = {
    "approve": link(
        "decide", request="/id", body={"answer": "approve", "digest": _DIGEST, "option": "$response.body#/options/0"}
    ),
    "reject": link("decide", request="/id", body={"answer": "reject", "digest": _DIGEST}),
    "edit": link(
        "decide",
        request="/id",
        body={"answer": "edit", "digest": _DIGEST, "message": "$response.body#/option_details/0/message"},
    ),
    "respond": link("decide", request="/id", body={"answer": "respond", "digest": _DIGEST}),
    "its run": link("get_one_run", run="/run"),
}
FROM_DECISION: Final[Links] = {
    "its request": link("get_request", request="/decision/request"),
    "the new request": link("get_request", request="/edited_into"),
    "its run": link("get_one_run", run="/run"),
}
FROM_RULES: Final[Links] = {"first": link("get_rule", rule="/rules/0/id")}
FROM_RULE: Final[Links] = {
    "replay": link("replay_rule", rule="/id"),
    "approve": link("approve_rule", rule="/id", body={"digest": _DIGEST}),
    "revoke": link("revoke_rule", rule="/id"),
}
FROM_RUNS: Final[Links] = {
    "newest": link("get_one_run", run="/runs/0/run"),
    "next page": link("list_runs", cursor="/next"),
}
FROM_RUN: Final[Links] = {
    "its first request": link("get_request", request="/requests/0/id"),
    "its requests": link("list_requests", run="/run"),
}
FROM_DELEGATION: Final[Links] = {"revoke": link("revoke_delegation", delegation="/id")}
FROM_FREEZES: Final[Links] = {"first": link("get_freeze", freeze="/freezes/0/id")}
FROM_FREEZE: Final[Links] = {
    "as it stands": link("get_freeze", freeze="/id"),
    "thaw": link("thaw", freeze="/id"),
}
