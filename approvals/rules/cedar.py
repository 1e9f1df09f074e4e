"""Policies in Cedar, behind what the rest of the program needs of a policy language.

1. Policies of many rules are parsed once and asked together: fifty cost little more than one.
2. A policy counts for the rule that it stands in: its id begins with the rule's.
3. Cedar is loaded when the first rule is: most services have none.
4. Cedar passes over a policy that fails. Here any failure is told, and whoever asks takes it for "ask a person".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from answerable.agents.texts import shortened
from answerable.errors import InvalidRule

if TYPE_CHECKING:
    import cedarpy

_LONGEST = 500  # characters of an error
_ACTION = {"type": "Action", "id": "decide"}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What policies say of one option: the rules that permit it, those that forbid it, or why nobody can tell."""

    permits: frozenset[str] = frozenset()
    forbids: frozenset[str] = frozenset()
    trouble: str = ""


class Policies(Protocol):
    """Parsed policies of some rules."""

    def judge(self, system: str, option: str, context: Mapping[str, Any]) -> Judgement:
        """What they say of an option of a system."""
        ...


class CedarPolicies:
    """The policies of some rules (id → text), for one schema. Raises: InvalidRule if one cannot be parsed."""

    def __init__(self, policies: Mapping[str, str], schema: str) -> None:
        import cedarpy

        static: dict[str, Any] = {}
        for rule, text in policies.items():
            static |= {f"{rule}/{name}": policy for name, policy in _parsed(text)["staticPolicies"].items()}
        whole = {"staticPolicies": static, "templates": {}, "templateLinks": []}
        self._set = cedarpy.PolicySet.from_json_str(json.dumps(whole))
        self._schema = _schema(schema)
        self._nothing = cedarpy.Entities.from_json_str("[]")
        self._ask = cedarpy.is_authorized
        self._none = cedarpy.Decision.NoDecision

    def judge(self, system: str, option: str, context: Mapping[str, Any]) -> Judgement:
        """What they say of an option of a system."""
        request = {
            "principal": {"type": "System", "id": system},
            "action": _ACTION,
            "resource": {"type": "Option", "id": option},
            "context": dict(context),
        }
        said = self._ask(request, self._set, self._nothing, self._schema)
        if said.diagnostics.errors or said.decision is self._none:
            trouble = shortened("; ".join(said.diagnostics.errors), _LONGEST)
            return Judgement(trouble=trouble or "Cedar came to no decision")
        rules = frozenset(reason.rpartition("/")[0] for reason in said.diagnostics.reasons)
        return Judgement(permits=rules) if said.allowed else Judgement(forbids=rules)


def check_policies(text: str, schema: str) -> None:
    """Check the policies of a rule against a schema. Raises: InvalidRule with everything that is wrong."""
    if not _parsed(text)["staticPolicies"]:
        raise InvalidRule("the rule has no policy", hint="write permit (principal, action, resource) when { … };")
    import cedarpy

    checked = cedarpy.validate_policies(text, _schema(schema))
    if not checked.validation_passed:
        wrong = "\n".join(error.error for error in checked.errors)
        raise InvalidRule(
            f"the policy does not fit what a rule sees of an option:\n{wrong}",
            hint="`answerable rules schema APPROVAL` prints what that is",
        )


def idle_policies(text: str, schema: str, *, system: str, option: str) -> list[tuple[int, str]]:
    """The policies of a rule that never apply to an option ("": any) of a system: their numbers, from 1, and effects.

    Cedar evaluates each as far as it can without a context, as one that permits: where it denies then, it always does.
    What holds of numbers ("over 10 and under 5") it does not know. Raises: InvalidRule.
    """
    import cedarpy

    asked = {"principal": _entity("System", system), "action": _entity("Action", _ACTION["id"])}
    asked |= {"resource": _entity("Option", option)} if option else {}
    found = []
    for name, policy in _parsed(text)["staticPolicies"].items():
        alone = {"staticPolicies": {name: policy | {"effect": "permit"}}, "templates": {}, "templateLinks": []}
        policies, nothing = cedarpy.PolicySet.from_json_str(json.dumps(alone)), cedarpy.Entities.from_json_str("[]")
        if cedarpy.is_authorized_partial(asked, policies, nothing, _schema(schema)).decision is cedarpy.Decision.Deny:
            found.append((int(name.removeprefix("policy")) + 1, str(policy["effect"])))
    return sorted(found)


def effects_of(text: str) -> frozenset[str]:
    """Whether the policies of a rule permit, forbid, or both. Raises: InvalidRule."""
    return frozenset(str(policy["effect"]) for policy in _parsed(text)["staticPolicies"].values())


def shown(schema: Mapping[str, Any]) -> str:
    """A schema as Cedar writes it for people."""
    import cedarpy

    return str(cedarpy.Schema.from_json_str(json.dumps(schema))).replace("__cedar::", "").strip()


def _entity(kind: str, id: str) -> str:
    return f"{kind}::{json.dumps(id, ensure_ascii=False)}"


def _parsed(text: str) -> dict[str, Any]:
    import cedarpy

    try:
        parsed: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise InvalidRule(f"the policy cannot be read: {error}", hint="it is written in Cedar") from error
    if parsed["templates"] or parsed["templateLinks"]:
        raise InvalidRule("the policy is a template, which decides nothing", hint="write it without ?principal")
    return parsed


@lru_cache(maxsize=64)
def _schema(text: str) -> cedarpy.Schema:
    import cedarpy

    return cedarpy.Schema.from_json_str(text)
