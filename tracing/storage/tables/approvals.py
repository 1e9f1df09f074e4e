"""Tables of approvals: what people are asked, what they answer, and what that releases."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from answerable.tracing.storage.tables.store import metadata

requests = Table(
    "requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("approval", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("state", Text, nullable=False),  # open, decided, expired, withdrawn, superseded
    Column("routed", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the canonical JSON that the digest binds
    Column("view", LargeBinary, nullable=False),  # JSON: what is shown beside it (tally, exemption, eligibility)
    Column("edited_from", Text, nullable=False),  # request id, or ""
    Column("edited_by", Text, nullable=False),  # person id, or ""
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("urgency", Integer, nullable=False, server_default="0"),  # place of the most critical tier that goes short
    Column("source", Text, nullable=False, server_default=""),  # whose quota it counts for; "": nobody was asked
    Column("capped", Text, nullable=False, server_default=""),  # NAME@VERSION of a rule without room
    Column("alike", Text, nullable=False, server_default=""),  # the same for requests that ask the same; "": unknown
    Column("warned", Integer, nullable=False, server_default="0"),  # 1: people were told that its time is nearly over
    Column("mac", Text, nullable=False),
    Column("in_place_of", Text, nullable=False, server_default=""),  # request id, or ""
    Column("stage", Integer, nullable=False, server_default="0"),  # how often it was escalated
    Column("escalates_at", BigInteger),  # when it will be next
)
Index("requests_to_escalate", requests.c.state, requests.c.escalates_at)
Index("requests_by_run", requests.c.run)
Index("requests_by_state", requests.c.state, requests.c.expires_at, requests.c.id)
Index("requests_by_urgency", requests.c.state, requests.c.urgency, requests.c.expires_at, requests.c.id)
Index("requests_alike", *(requests.c[name] for name in ("state", "alike", "urgency", "expires_at", "id")))
Index("requests_told", requests.c.id, requests.c.system, requests.c.approval, requests.c.made_at)  # without their bytes
Index("requests_by_source", requests.c.system, requests.c.source, requests.c.state, requests.c.made_at)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("request", Text, nullable=False, unique=True),
    Column("outcome", Text, nullable=False),  # approved, edited, rejected, answered, expired, exempted, ruled
    Column("option", Text, nullable=False),
    Column("message", Text, nullable=False),  # the message that is let through, "" where none
    Column("by", Text, nullable=False),  # person id, "" for a timeout, NAME@VERSION of an exemption or rule
    Column("assurance", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("mac", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("revoked", Text, nullable=False, server_default=""),  # "" or why: person, facts, rule
    Column("code", Text, nullable=False, server_default=""),  # of the reason
    Column("broke_glass", Integer, nullable=False, server_default="0"),
    Column("for_person", Text, nullable=False, server_default=""),  # person id, of whom `by` is the delegate
    Column("delegation", Text, nullable=False, server_default=""),
    Column("signature", Text, nullable=False, server_default=""),  # the record's, as JSON, where they signed
    Column("salt", Text, nullable=False, server_default=""),  # of the words in it
    Column("voters", Text, nullable=False, server_default="[]"),  # JSON list of the persons who voted before
)
Index("decisions_by_run", decisions.c.run)
Index("decisions_by_whom", decisions.c.by, decisions.c.at)
Index("decisions_by_time", *(decisions.c[name] for name in ("at", "request", "outcome", "by", "broke_glass")))

# Answers that do not decide by themselves. Which of them count is computed when somebody answers.
votes = Table(
    "votes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),  # "" for a vote on what belongs to no run
    Column("system", Text, nullable=False),
    Column("subject", Text, nullable=False),  # a request, or a rule that is proposed
    Column("number", Integer, nullable=False),  # of the votes on its subject
    Column("answer", Text, nullable=False),  # approved, rejected
    Column("option", Text, nullable=False),
    Column("by", Text, nullable=False),  # person id
    Column("for_person", Text, nullable=False),  # person id, of whom `by` is the delegate, or ""
    Column("delegation", Text, nullable=False),
    Column("assurance", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("signature", Text, nullable=False, server_default=""),
    Column("salt", Text, nullable=False, server_default=""),
    Column("mac", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
Index("votes_by_subject", votes.c.subject, votes.c.number)
Index("votes_by_run", votes.c.run)
Index("votes_by_whom", votes.c.by, votes.c.at)

# Who may answer in whose place, and until when.
delegations = Table(
    "delegations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("giver", Text, nullable=False),  # person id
    Column("taker", Text, nullable=False),  # person id
    Column("system", Text, nullable=False),  # "" for all
    Column("approval", Text, nullable=False),  # "" for all of the system
    Column("until", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # when it was revoked
    Column("mac", Text, nullable=False),
)

# A client's own name for an answer, so that sending it again is no second answer.
repeats = Table(
    "repeats",
    metadata,
    Column("person", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),  # SHA-256 of what was answered
    Column("request", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("answer", Text, nullable=False, server_default=""),  # the decision or the vote that it came to
)

# What was decided without the persons who had been asked, and is looked at by one afterwards.
reviews = Table(
    "reviews",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("approval", Text, nullable=False),
    Column("of", Text, nullable=False),  # break-glass, sample
    Column("decision", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False),  # "" until it is done: right, wrong
    Column("by", Text, nullable=False),  # person id, or ""
    Column("at", BigInteger),
    Column("mac", Text, nullable=False, server_default=""),
)
Index("reviews_by_verdict", reviews.c.verdict, reviews.c.due_at, reviews.c.id)
Index("reviews_by_system", reviews.c.system, reviews.c.of, reviews.c.made_at)

grants = Table(
    "grants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("effect", Text, nullable=False, unique=True),
    Column("decision", Text, nullable=False),
    Column("call_digest", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # granted, suspended, revoked, consumed
    Column("mac", Text, nullable=False),
)
Index("grants_by_run", grants.c.run)

exemptions = Table(
    "exemptions",
    metadata,
    Column("system", Text, primary_key=True),
    Column("approval", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("accepted_by", Text, nullable=False),  # person id, "" until accepted
    Column("mac", Text, nullable=False),
)
