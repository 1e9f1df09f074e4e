"""Meters: a thread that reads the metrics of a store every minute and sends them to the collector.

1. It runs beside the runs, never on their event loop, and only where there is an endpoint for metrics.
2. A value is how things stand, so nothing is queued or tried again: what the collector did not take is overtaken by the
   next minute's. A failure is said once, until it works again.
3. A collector without a receiver for metrics, such as a Jaeger alone, is asked once.

Source: opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables, "Periodic exporting MetricReader"
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable
from functools import partial
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource

from answerable.errors import AnswerableError
from answerable.tracing.export.delivery import in_own_thread
from answerable.tracing.export.metrics import REGISTRY, STORE, Metric, Reading
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.transport import NotDeliveredError, Transport, open_transport
from answerable.tracing.spans import attributes
from answerable.tracing.spans.span import SCOPE
from answerable.tracing.storage.store import Store, Tx, store_id

_log = logging.getLogger(__name__)

CLOSING_SECONDS = 2.0  # for the last values; a collector that hangs does not keep a process from ending


class Meters:
    """The metrics of one store, exported until `aclose`."""

    def __init__(self, store: Store, settings: ExportSettings, *, store_name: str) -> None:
        self._store = store
        self._settings = settings
        said = {attributes.SERVICE: os.environ.get("OTEL_SERVICE_NAME") or SCOPE, STORE: store_name}
        self._provider = MeterProvider(
            metric_readers=[PeriodicExportingMetricReader(_Exporter(settings))],
            resource=Resource.create(said),
            shutdown_on_exit=False,
        )
        meter = self._provider.get_meter(SCOPE)
        make = {
            "counter": meter.create_observable_counter,
            "updowncounter": meter.create_observable_up_down_counter,
            "gauge": meter.create_observable_gauge,
        }
        for one in REGISTRY.values():
            make[one.instrument](
                one.name, callbacks=[partial(self._observe, one)], unit=one.unit, description=one.meaning
            )

    async def aclose(self) -> None:
        """Send the last values, for a moment at most."""
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await in_own_thread(partial(self._provider.shutdown, timeout_millis=CLOSING_SECONDS * 1000))
        except TimeoutError:
            return

    def _observe(self, metric: Metric, _options: CallbackOptions) -> Iterable[Observation]:
        def work(tx: Tx) -> list[Observation]:
            read = metric.read(Reading(tx=tx, now=self._store.clock.now(), settings=self._settings))
            return [Observation(value, dict(on)) for on, value in read]

        try:
            return asyncio.run(self._store.read(work))
        except AnswerableError as error:
            _log.info("%s could not be read: %s", metric.name, error)
            return []


async def open_meters(store: Store, settings: ExportSettings) -> Meters | None:
    """Export the metrics of a store, if there is an endpoint for them. Raises: StoreError."""
    if not settings.metrics.endpoint:
        return None
    return Meters(store, settings, store_name=await store.read(store_id))


class _Exporter(MetricExporter):
    """Sends what was collected, once."""

    def __init__(self, settings: ExportSettings) -> None:
        super().__init__()
        self._settings = settings
        self._transport: Transport | None = None
        self._nobody = False
        self._said = False

    # The arguments are the SDK's; the transport has a time limit of its own.
    def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **_: Any) -> MetricExportResult:  # noqa: ARG002
        """Send metrics; the SDK sees to it that nothing of other libraries is traced meanwhile."""
        if self._nobody:
            return MetricExportResult.FAILURE
        if self._transport is None:
            self._transport = open_transport(self._settings, "metrics")
        try:
            self._transport.send(encode_metrics(metrics_data).SerializeToString())
        except NotDeliveredError as error:
            self._nobody = error.nobody
            if self._nobody:
                _log.warning("no metrics are sent: there is no receiver for them (%s)", error)
            elif not self._said:
                _log.warning("metrics were not sent: %s", error)
            self._said = True
            return MetricExportResult.FAILURE
        self._said = False
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:  # noqa: ARG002
        """Nothing is held back here."""
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:  # noqa: ARG002
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
