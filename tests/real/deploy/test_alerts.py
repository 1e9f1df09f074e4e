"""The alert rules, read by Prometheus's own parser, against what there is to be measured."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as OneMetric

from answerable.tracing.export import metrics
from answerable.tracing.export.outbox import outgoing
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.transport import open_transport
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import request
from tests.real.deploy import reading
from tests.real.deploy.collector_server import Collector
from tests.support.otlp_receiver import Journal, http_receiver
from tests.support.story import whole_run

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "deploy.md"


@pytest.fixture(scope="module")
def rules(services: Path) -> dict[str, Any]:
    return reading.rules(services)


def test_a_mistake_in_a_rule_is_found(services: Path, tmp_path: Path) -> None:
    text = reading.RULES.read_text(encoding="utf-8")
    for right, wrong in (("max(delta(", "max(delta"), ("for: 1m", "for: soon"), ("humanizeDuration", "humanise")):
        file = tmp_path / "rules.yaml"
        file.write_text(text.replace(right, wrong))
        assert reading.check(services, "rules", file).returncode == 1, wrong


def test_every_alert_says_what_to_do_and_is_in_the_guide(rules: dict[str, Any]) -> None:
    documented = re.findall(r"^\| `(Answerable\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(documented) == rules.keys()
    for name, rule in rules.items():
        assert rule["annotations"].keys() == {"summary", "action"}, name
        assert rule["labels"]["severity"] in ("page", "ticket"), name


def point(metric: metrics.Metric) -> OneMetric:
    """One value of a metric, as the SDK's exporter writes it."""
    said = [KeyValue(key=key, value=AnyValue(string_value="done")) for key in metric.on]
    value = NumberDataPoint(as_double=1, time_unix_nano=1, attributes=said)
    made = OneMetric(name=metric.name, unit=metric.unit)
    if metric.instrument == "gauge":
        made.gauge.data_points.append(value)
    else:
        made.sum.data_points.append(value)
        made.sum.is_monotonic = metric.instrument == "counter"
        made.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    return made


def test_prometheus_is_given_every_metric_that_an_alert_reads(
    services: Path, rules: dict[str, Any], tmp_path: Path
) -> None:
    scope = ScopeMetrics(metrics=[point(metric) for metric in metrics.REGISTRY.values()])
    sent = ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(scope_metrics=[scope])])
    collector = Collector(services / "collector", tmp_path, "http://127.0.0.1:1")
    with collector.running():
        answer = httpx.post(
            f"{collector.endpoint}/v1/metrics",
            content=sent.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf"},
            trust_env=False,
            timeout=60,
        )
        assert answer.is_success, answer.text
        given = reading.measured(collector.metrics)
    read = {name: labels for rule in rules.values() for name, labels in rule["reads"].items()}
    ours = {name: set(labels) for name, labels in read.items() if name.startswith("answerable_")}
    assert len(ours) >= 8
    assert {name for name in ours if name not in given} == set(), sorted(given)
    assert {name for name, labels in ours.items() if not labels <= given[name]} == set()


def test_the_collector_measures_what_its_alerts_read(services: Path, rules: dict[str, Any], tmp_path: Path) -> None:
    read = {name for rule in rules.values() for name in rule["reads"] if name.startswith("otelcol_")}
    journal = Journal(status=400)  # a refusal for good, so that what counts those is there
    with http_receiver(journal) as there:
        collector = Collector(services / "collector", tmp_path, there.removesuffix("/v1/traces"))
        with collector.running():
            transport = open_transport(ExportSettings(endpoint=f"{collector.endpoint}/v1/traces"))
            transport.send(request(span.data for span in outgoing(project_all(whole_run().placed()))))
            transport.close()
            while (
                not read <= reading.measured(collector.own_metrics).keys()
            ):  # if it never is, this hangs, and is ended
                time.sleep(0.1)
    assert read
