"""The API's own description: what FastAPI makes of the routes, and what it does not know.

1. Whoever acts shows a token; whoever looks may show a session's cookie instead.
2. What goes wrong is a problem in its own media type, and nothing else.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from answerable.inbox.problems import Problem

_SCHEMES: Final[dict[str, Any]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "`answerable token create PERSON` makes one."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "answerable-PORT",
        "description": "Of our own pages; good for looking only.",
    },
}
_LOOKING: Final[list[dict[str, list[str]]]] = [{"token": []}, {"session": []}]
_ACTING: Final[list[dict[str, list[str]]]] = [{"token": []}]


class Described(FastAPI):
    """An application whose document says who may ask, and how a refusal looks."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            made = super().openapi()
            parts = made.setdefault("components", {})
            parts["securitySchemes"] = _SCHEMES
            parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
            for path in made["paths"].values():
                for method, operation in path.items():
                    operation["security"] = _LOOKING if method == "get" else _ACTING
        assert self.openapi_schema is not None
        return self.openapi_schema


def operation_id(route: APIRoute) -> str:
    """The id of an operation: the name of its function."""
    return route.name
