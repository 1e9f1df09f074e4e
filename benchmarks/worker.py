"""A process that makes spans for as long as its standard input is open: `python -m benchmarks.worker STORE ENDPOINT`.

Every second one run of a chain of 100 steps, which is 202 spans of ours, and as many of a stock `TracerProvider` with a
`BatchSpanProcessor`, to the same endpoint. It prints how many stock spans it has made, a line every second.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from benchmarks.ours import Text, chain_of

STEPS = 100
SPANS = 2 * STEPS + 2  # the run, its steps, the edges that they and END take
STOCK = "stock"


async def work(store: str, endpoint: str) -> None:
    """Make spans until the standard input ends; then close as a program does that ends well."""
    provider = TracerProvider(resource=Resource.create({"service.name": STOCK}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")))
    tracer = provider.get_tracer(STOCK)
    os.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRICS_EXPORTER": "none"}
    made = 0
    async with chain_of(STEPS).build(Text, Text).connect(store) as service:
        next_second = time.monotonic()
        while not select.select([sys.stdin], [], [], 0)[0]:
            await service.arun(Text(text="x" * 100), by="night-desk")
            for number in range(SPANS):
                with tracer.start_as_current_span(f"n{number % STEPS}"):
                    made += 1
            print(made, flush=True)
            next_second += 1.0
            await asyncio.sleep(max(0.0, next_second - time.monotonic()))
    await asyncio.to_thread(provider.shutdown)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
