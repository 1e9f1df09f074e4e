"""Scripted agents: an app with some of its functions replaced, its graph and its version unchanged."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar

from answerable.agents.messages import Message
from answerable.agents.nodes import Agent, Effect, Node
from answerable.errors import DeclarationError
from answerable.orchestrator.app import App

In = TypeVar("In", bound=Message)
Out = TypeVar("Out", bound=Message)


def script(*lines: Message | Exception | None) -> Callable[..., Message | None]:
    """A function that answers with these lines, one for each call, whatever it is given; an exception is raised.

    Raises, when it is called more often: AssertionError, which a run shows as the step's failure.
    """
    left, lock = list(lines), Lock()

    def scripted(*_given: Any, **_named: Any) -> Message | None:
        with lock:
            if not left:
                raise AssertionError(f"the script has {len(lines)} lines, and was asked for one more")
            line = left.pop(0)
        if isinstance(line, Exception):
            raise line
        return line

    return scripted


def overridden(app: App[In, Out], functions: Mapping[Node[Any, Any], Callable[..., Any]]) -> App[In, Out]:
    """The same app with other functions in these agents and effects. Its version is the same, and so are its runs.

    A function is called as the original is: messages by the names of its parameters, the step first where it takes one.

    Raises: DeclarationError for a node of another system, or for an approval, which has no function.
    """
    nodes = dict(app.graph.nodes)
    for node, fn in functions.items():
        if app.graph.nodes.get(node.name) is not node or not isinstance(node, Agent | Effect):
            raise DeclarationError(
                f"{node!r} is no agent or effect of {app.graph.system!r}",
                hint="override with {node: function}; what an approval answers is given to approve=",
            )
        played: Agent[Any, Any] | Effect[Any, Any] = copy.copy(node)
        played.fn = fn
        nodes[node.name] = played
    return App(replace(app.graph, nodes=nodes))
