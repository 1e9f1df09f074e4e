"""The alert rules, read by Prometheus's own parser, against what there is to be measured."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from answerable.tracing.export.outbox import outgoing
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.transport import open_transport
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import request
from tests.real.deploy.collector_server import Collector
from tests.support.otlp_receiver import Journal, http_receiver
from tests.support.story import whole_run

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy" / "alerts" / "answerable.rules.yaml"


@pytest.fixture(scope="module")
def rules(services: Path) -> dict[str, Any]:
    read = subprocess.run([services / "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    rules: dict[str, Any] = json.loads(read.stdout)
    return rules


def test_a_mistake_in_a_rule_is_found(services: Path, tmp_path: Path) -> None:
    text = RULES.read_text(encoding="utf-8")
    for right, wrong in (("max(delta(", "max(delta"), ("for: 1m", "for: soon"), ("humanizeDuration", "humanise")):
        file = tmp_path / "rules.yaml"
        file.write_text(text.replace(right, wrong))
        read = subprocess.run([services / "check", "rules", file], capture_output=True, check=False)
        assert read.returncode == 1, wrong


def test_every_alert_says_what_to_do_and_is_in_the_guide(rules: dict[str, Any]) -> None:
    guide = (ROOT / "docs" / "guide" / "deploy.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(Answerable\w+)` \|", guide, re.MULTILINE)) == rules.keys()
    for name, rule in rules.items():
        assert rule["annotations"].keys() == {"summary", "action"}, name
        assert rule["labels"]["severity"] in ("page", "ticket"), name


def test_the_collector_measures_what_its_alerts_read(services: Path, rules: dict[str, Any], tmp_path: Path) -> None:
    read = {name for rule in rules.values() for name in rule["metrics"] if name.startswith("otelcol_")}
    journal = Journal(status=400)  # a refusal for good, so that what counts those is there
    with http_receiver(journal) as there:
        collector = Collector(services / "collector", tmp_path, there.removesuffix("/v1/traces"))
        with collector.running():
            transport = open_transport(ExportSettings(endpoint=f"{collector.endpoint}/v1/traces"))
            transport.send(request(span.data for span in outgoing(project_all(whole_run().placed()))))
            transport.close()
            measured: set[str] = set()
            while not read <= measured:  # if it never is, this hangs, and is ended
                text = httpx.get(f"http://127.0.0.1:{collector.own_metrics}/metrics", trust_env=False).text
                measured = set(re.findall(r"^(\w+)", text, re.MULTILINE))
    assert read
