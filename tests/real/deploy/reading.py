"""What the files in `deploy/` say, read by the programs that they are for; and what a collector gives Prometheus."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
RULES = DEPLOY / "alerts" / "answerable.rules.yaml"


def check(services: Path, what: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Read a file ("compose" or "rules"); fails if it is not well made."""
    return subprocess.run([services / "check", what, file], capture_output=True, text=True, check=False)


def project(services: Path) -> dict[str, Any]:
    """The compose file."""
    return _said(check(services, "compose", COMPOSE))


def rules(services: Path) -> dict[str, Any]:
    """The alert rules, by their names."""
    return _said(check(services, "rules", RULES))


def measured(port: int) -> dict[str, set[str]]:
    """What can be fetched at a port of the collector: metric → the names of its labels."""
    found: dict[str, set[str]] = {}
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=60).text
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def _said(read: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert read.returncode == 0, read.stderr
    said: dict[str, Any] = json.loads(read.stdout)
    return said
