"""A small system in which everything happens that a crash may hit, and nothing takes long.

A join and a loop (draft ⇄ review, beside the price), a scatter of agents that is gathered, one approval with options, a
scatter of calls to a receiver, and a gather that is joined with what was approved.
"""

from __future__ import annotations

from typing import Literal

from answerable import (
    DAY,
    END,
    POST,
    START,
    App,
    Call,
    Ended,
    Expired,
    Message,
    Receiver,
    Rejected,
    Retry,
    System,
    quorum,
    request,
    role,
)
from answerable.agents.people import Whom

RESPONSIBLE, STARTER, LEAD = "alice", "nils", "dora"
ROLE = "lead"
QUORUM = 3
RUN = "run_" + "c" * 32


class Order(Message):
    parcels: int


class Price(Message):
    cents: int


class Objection(Message):
    text: str


class Draft(Message):
    parcels: int
    round: int


class Parcel(Message):
    number: int


class Bundle(Message):
    parcels: list[Parcel]


class Packed(Message):
    number: int
    cents: int


class Plan(Message):
    parcels: list[Packed]


class Receipt(Message):
    number: int
    reference: str


class Report(Message):
    references: list[str]
    cents: int
    refused: str = ""


post = Receiver("post", keeps_keys_for=DAY)


async def price(order: Order) -> Price:
    return Price(cents=100 * order.parcels)


async def draft(brief: Order | Objection) -> Draft:
    """Not good enough until the second round."""
    if isinstance(brief, Order):
        return Draft(parcels=brief.parcels, round=0)
    return Draft(parcels=int(brief.text), round=1)


async def review(draft: Draft) -> Objection | Bundle:
    if draft.round == 0:
        return Objection(text=str(draft.parcels))
    return Bundle(parcels=[Parcel(number=number) for number in range(draft.parcels)])


async def pack(parcel: Parcel, price: Price) -> Packed:
    return Packed(number=parcel.number, cents=price.cents + parcel.number)


async def plan(packed: list[Ended[Packed]]) -> Plan:
    return Plan(parcels=[each.result for each in packed if each.result is not None])


def fewer(plan: Plan, order: Order) -> dict[str, Message]:
    """One parcel stays at home."""
    return {"fewer": Plan(parcels=plan.parcels[1:])}


def send(parcel: Packed) -> Call[Receipt]:
    response = yield POST("/parcels", json=parcel)
    return Receipt(number=parcel.number, reference=response.json()["reference"])


def track(parcel: Packed) -> Call[Receipt]:
    """Ask what became of a parcel."""
    response = yield request("GET", f"/parcels/{parcel.number}")
    return Receipt(number=parcel.number, reference=response.json()["reference"])


async def report(approved: Plan, sent: list[Ended[Receipt]]) -> Report:
    references = [each.result.reference for each in sent if each.result is not None]
    return Report(references=references, cents=sum(parcel.cents for parcel in approved.parcels))


async def refuse(no: Rejected | Expired | Objection) -> Report:
    return Report(references=[], cents=0, refused=type(no).__name__)


def parcels(guarantee: Literal["idempotent", "queryable", "at_most_once"], by: Whom) -> App[Order, Report]:
    """The system, with a receiver that promises this, and those who sign off."""
    system = System("parcels", responsible=RESPONSIBLE)
    agent = system.agent(owner="parcels-team")
    pricing, drafting, reviewing = agent(price), agent(draft), agent(review)
    packing, planning = agent(pack), agent(plan)
    reporting, refusing = agent(report), agent(refuse)
    sign_off = system.approval("sign-off", of=Plan, by=by, within=DAY, options=fewer)
    sending = system.effect(
        "post.send",
        to=post,
        guarantee=guarantee,
        retry=Retry(attempts=3, pause_seconds=0.01),
        timeout=120,  # tests hold calls back
        query=track if guarantee == "queryable" else None,
    )(send)
    system.edge(START, pricing, purpose="what it costs")
    system.edge(START, drafting, purpose="what was ordered")
    system.edge(drafting, reviewing, purpose="is it good enough?")
    system.edge(reviewing, drafting, carries=Objection, purpose="try again")
    system.loop(drafting, reviewing, at_most=3, then=refusing)
    system.edge(reviewing, packing, carries=Bundle, each="parcels", purpose="one by one")
    system.edge(pricing, packing, purpose="what to write on it")
    system.edge(packing, planning, gather=True, purpose="all of them")
    system.edge(planning, sign_off, purpose="may they leave?")
    system.edge(sign_off, sending, each="parcels", purpose="hand them over")
    system.edge(sign_off, reporting, purpose="what was decided")
    system.edge(sending, reporting, gather=True, purpose="what became of each")
    system.edge(sign_off.denied, refusing, purpose="nothing was sent")
    system.edge(reporting, END, purpose="the account")
    system.edge(refusing, END, purpose="the account")
    return system.build(Order, Report)


APPS = {guarantee: parcels(guarantee, role(ROLE)) for guarantee in ("idempotent", "queryable", "at_most_once")}
APPS["quorum"] = parcels("idempotent", quorum(QUORUM, role(ROLE)))
ORDER = Order(parcels=3)
