"""Everybody's instrumentation in one program: `python -m tests.tracing.export.coexisting STORE ORIGIN FILE`.

An agent asks a server by httpx and a model by LangChain; its plan waits for a person, and what is approved is sent. The
clients of httpx, and LangChain twice (OpenInference, OpenTelemetry), are traced by their instrumentations into one
provider, whose spans within steps go through our outbox. Everything that they made is written to FILE, a line of JSON
for each span.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import httpx
from langchain_core.language_models import FakeListChatModel
from openinference.instrumentation.langchain import LangChainInstrumentor as OpenInference
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.langchain import LangchainInstrumentor as OpenLLMetry
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from answerable import DAY, END, POST, START, Call, Message, Receiver, System, role

RUN = "run_" + "7" * 32


class Question(Message):
    text: str


class Plan(Message):
    text: str


class Receipt(Message):
    number: int


post = Receiver("post", keeps_keys_for=DAY)
system = System("letters", responsible="alice")


@system.agent(owner="planning")
async def plan(question: Question) -> Plan:
    async with httpx.AsyncClient(timeout=60) as client:
        await client.get(f"{question.text}/parcels/1")
    said = await FakeListChatModel(responses=["write to them"]).ainvoke(question.text)
    return Plan(text=str(said.content))


sign = system.approval("sign", of=Plan, by=role("lead"), within=DAY)


@system.effect("post.send", to=post, guarantee="idempotent")
def send(plan: Plan) -> Call[Receipt]:
    yield POST("/parcels", json=plan)
    return Receipt(number=1)


system.edge(START, plan, purpose="what was asked")
system.edge(plan, sign, purpose="may it leave?")
system.edge(sign, send, purpose="hand it over")
system.edge(send, END, purpose="the receipt")
app = system.build(Question, Receipt)


async def work(store: str, origin: str) -> list[ReadableSpan]:
    """Run it; what the instrumentations made."""
    provider, made = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(made))
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    OpenInference().instrument(tracer_provider=provider)
    OpenLLMetry().instrument(tracer_provider=provider)
    async with app.connect(store, origins={post: origin}) as service:
        provider.add_span_processor(service.span_processor())
        await service.people.aadd("dora", roles=["lead"])
        waiting = await service.arun(Question(text=origin), by="nils", run_id=RUN)
        assert waiting.status == "waiting", waiting
        await service.aapprove(waiting.waiting_for[0].id, by="dora")
        done = await service.aresume(RUN)
        assert done.status == "done", done
    return list(made.get_finished_spans())


def main(store: str, origin: str, file: str) -> None:
    """Run it, and write down what the instrumentations made."""
    lines = []
    for span in asyncio.run(work(store, origin)):
        context = span.get_span_context()
        assert context is not None
        said = {
            "name": span.name,
            "scope": span.instrumentation_scope.name if span.instrumentation_scope else "",
            "trace": f"{context.trace_id:032x}",
            "span": f"{context.span_id:016x}",
            "parent": f"{span.parent.span_id:016x}" if span.parent else "",
            "status": span.status.status_code.name,
        }
        lines.append(json.dumps(said) + "\n")
    Path(file).write_text("".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
