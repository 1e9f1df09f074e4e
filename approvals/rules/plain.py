"""Plain policies: those that only compare what a rule sees, judged here. A call to Cedar costs more than all the rest.

1. Plain is a small part of Cedar: a scope of any system or one and of any option or one, and conditions of `&&`, `||`,
   `!`, `has`, comparisons and `contains` over texts, whole numbers, booleans and sets of them. Their types are checked
   by the schema when policies are read; then one expression is made of all. Where one policy has anything else, none
   beside it is plain.
2. A context that is not what the schema says, or that lacks what a condition looks at, is not plain either.
3. Of what is not plain nothing is said here, and Cedar is asked. Of what is, the same is said as Cedar says: a test
   compares the two over policies and contexts of every kind.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Kind: TypeAlias = Mapping[str, Any]  # a type of the schema, as its JSON form has it
Said: TypeAlias = Mapping[str, Any]  # a part of a policy, as Cedar's JSON form has it

_BOOLEAN: Final[Kind] = {"type": "Boolean"}
_LONG: Final[Kind] = {"type": "Long"}
_SCALARS: Final[Mapping[type, Kind]] = {bool: _BOOLEAN, int: _LONG, str: {"type": "String"}}
_EQUAL: Final[Mapping[str, type[ast.cmpop]]] = {"==": ast.Eq, "!=": ast.NotEq}
_ORDERED: Final[Mapping[str, type[ast.cmpop]]] = {"<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE}
_BOTH: Final[Mapping[str, type[ast.boolop]]] = {"&&": ast.And, "||": ast.Or}
_ANY: Final[Said] = {"op": "All"}
_DECIDE: Final[Said] = {"op": "==", "entity": {"type": "Action", "id": "decide"}}
_RESERVED: Final = '"__'  # of an attribute so named, Cedar's JSON means something else
_LEAST, _LARGEST = -(2**63), 2**63 - 1  # of 64 bits


class NotPlain(Exception):
    """Cedar has to be asked."""


class PlainPolicies:
    """Policies that are all plain, for contexts of one type. Raises: NotPlain.

    `policies` are in Cedar's JSON form, by RULE/NAME; `schema` is the approval's.
    """

    def __init__(self, policies: Mapping[str, Said], schema: str) -> None:
        if _RESERVED in schema:
            raise NotPlain
        self._context: Kind = json.loads(schema)[""]["actions"]["decide"]["appliesTo"]["context"]
        self._rules = [(id.rpartition("/")[0], said["effect"] == "permit") for id, said in policies.items()]
        try:
            self._hold = _compiled([_policy(said, self._context) for said in policies.values()])
        except RecursionError as error:
            raise NotPlain from error

    def judge(self, system: str, option: str, context: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
        """The rules that permit an option, and those that forbid it. Raises: NotPlain."""
        if not _is_of(context, self._context):
            raise NotPlain
        try:
            hold = self._hold(system, option, context)
        except KeyError as error:
            raise NotPlain from error
        true = [one for one, holds in zip(self._rules, hold, strict=True) if holds]
        return frozenset(rule for rule, permits in true if permits), frozenset(
            rule for rule, permits in true if not permits
        )


def _compiled(policies: list[ast.expr]) -> Callable[[str, str, Any], tuple[bool, ...]]:
    """Which of the policies hold, as one function. It is made of nodes, not of text, so nobody can put any into it."""
    names = [ast.arg(name) for name in ("system", "option", "context")]
    given = ast.arguments(posonlyargs=[], args=names, kwonlyargs=[], kw_defaults=[], defaults=[])
    tree = ast.Expression(ast.Lambda(given, ast.Tuple(policies, ast.Load())))
    made: Callable[[str, str, Any], tuple[bool, ...]] = eval(  # noqa: S307 - of comparisons of constants, as above
        compile(ast.fix_missing_locations(tree), "<plain policies>", "eval"), {"__builtins__": {}}
    )
    return made


def _policy(said: Said, context: Kind) -> ast.expr:
    if said["action"] not in (_ANY, _DECIDE):
        raise NotPlain
    holds = [_scope("system", said["principal"], "System"), _scope("option", said["resource"], "Option")]
    for condition in said["conditions"]:
        true = _truth(condition["body"], context)
        holds.append(true if condition["kind"] == "when" else ast.UnaryOp(ast.Not(), true))
    return ast.BoolOp(ast.And(), holds)


def _scope(name: str, said: Said, kind: str) -> ast.expr:
    if said == _ANY:
        return ast.Constant(True)
    if said["op"] != "==" or said["entity"].get("type") != kind:
        raise NotPlain
    return _compare(_name(name), ast.Eq(), ast.Constant(said["entity"]["id"]))


def _truth(said: Said, context: Kind) -> ast.expr:
    kind, node = _expression(said, context)
    if kind != _BOOLEAN:
        raise NotPlain
    return node


def _expression(said: Said, context: Kind) -> tuple[Kind, ast.expr]:
    """An expression: of which type it is, and what it is in Python."""
    ((name, parts),) = said.items()
    match name:
        case "Value" if type(parts) in _SCALARS:
            return _SCALARS[type(parts)], ast.Constant(parts)
        case "Var" if parts == "context":
            return context, _name("context")
        case "Set" if parts:
            kinds, nodes = zip(*(_expression(one, context) for one in parts), strict=True)
            if all(kind == kinds[0] for kind in kinds):
                return {"type": "Set", "element": kinds[0]}, ast.Tuple(list(nodes), ast.Load())
        case "." | "has":
            kind, node = _expression(parts["left"], context)
            found = kind.get("attributes", {}).get(parts["attr"])
            attribute = ast.Constant(parts["attr"])
            if found is not None and name == "has":
                return _BOOLEAN, _compare(attribute, ast.In(), node)
            if found is not None:
                known = {key: value for key, value in found.items() if key != "required"}
                return known, ast.Subscript(node, attribute, ast.Load())
        case "!":
            return _BOOLEAN, ast.UnaryOp(ast.Not(), _truth(parts["arg"], context))
        case "&&" | "||":
            both = [_truth(parts["left"], context), _truth(parts["right"], context)]
            return _BOOLEAN, ast.BoolOp(_BOTH[name](), both)
        case _ if name in _EQUAL or name in _ORDERED or name == "contains":
            return _BOOLEAN, _comparison(name, parts, context)
    raise NotPlain


def _comparison(name: str, parts: Said, context: Kind) -> ast.expr:
    (kind, left), (other, right) = _expression(parts["left"], context), _expression(parts["right"], context)
    if other not in _SCALARS.values():
        raise NotPlain
    if name == "contains" and kind == {"type": "Set", "element": other}:
        return _compare(right, ast.In(), left)
    if kind == other and name in _EQUAL:
        return _compare(left, _EQUAL[name](), right)
    if kind == other == _LONG and name in _ORDERED:
        return _compare(left, _ORDERED[name](), right)
    raise NotPlain


def _compare(left: ast.expr, how: ast.cmpop, right: ast.expr) -> ast.expr:
    return ast.Compare(left, [how], [right])


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _is_of(value: Any, kind: Kind) -> bool:
    """Whether a value is just what a type says."""
    match kind["type"]:
        case "Record":
            attributes = kind["attributes"]
            return (
                isinstance(value, dict)
                and all(name in value for name, inner in attributes.items() if inner.get("required", True))
                and all(name in attributes and _is_of(inner, attributes[name]) for name, inner in value.items())
            )
        case "Set":
            return isinstance(value, list) and all(_is_of(one, kind["element"]) for one in value)
        case "Long":
            return type(value) is int and _LEAST <= value <= _LARGEST
        case "Boolean":
            return type(value) is bool
        case "String":
            return type(value) is str
    return False
