"""The tables: one schema for SQLite and PostgreSQL.

1. `records` is the truth. It is only ever appended to; `seq` is given once, by the sequencer, in commit order.
2. Every other table is an index of records, written in the same transaction, or work in progress that can be lost
   (checkpoints of LangGraph, the outbox's spans, which are projected again).
3. What every step writes lies in the order of its primary key (run, id), without a second index: a third of a step's
   cost.
4. Times are microseconds since the epoch, ids are text, JSON is text, payloads and bodies are bytes.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, MetaData, Table, Text, literal_column

SCHEMA_VERSION = 3  # 1: the spine; 2: evidence; 3: several decide, and rules

metadata = MetaData()

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

# SQLite gives rowids to INTEGER PRIMARY KEY only, PostgreSQL wants 64 bits and an identity.
_serial = BigInteger().with_variant(Integer(), "sqlite")

records = Table(
    "records",
    metadata,
    Column("id", _serial, Identity(), primary_key=True),
    Column("seq", BigInteger),
    Column("run", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)
Index("records_by_run", records.c.run, records.c.id)
# Two halves, so that each reads only its own: what waits for its place, however long the ledger is, and what has one.
_placed, _unplaced = records.c.seq.is_not(None), records.c.seq.is_(None)
Index("records_by_seq", records.c.seq, unique=True, sqlite_where=_placed, postgresql_where=_placed)
Index("records_unplaced", records.c.id, sqlite_where=_unplaced, postgresql_where=_unplaced)

# What belongs to no run: people, handovers, freezes, readings.
_of_no_run = records.c.run == literal_column("''")
Index("records_of_no_run", records.c.kind, records.c.id, sqlite_where=_of_no_run, postgresql_where=_of_no_run)

# Complete subtrees of the ledger's tree, every eighth level only: 1/255 row per record.
tree_nodes = Table(
    "tree_nodes",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
)

# Signed checkpoints: the newest, and of the older ones the newest of each stretch of the ledger.
heads = Table(
    "heads",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# The keys that sign them, in order; the last one is in force.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),  # the public key, as a line
    Column("note", Text, nullable=False),  # that it took the place of the one before, signed by both; "" for the first
    Column("at", BigInteger, nullable=False),
)

# How far each anchor has come: what of the ledger is kept outside.
anchors = Table(
    "anchors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),  # of the newest checkpoint that it keeps; 0 if none
    Column("receipt", Text, nullable=False),  # where it is kept, or what the anchor says
    Column("at", BigInteger, nullable=False),  # when it was kept
    Column("tries", Integer, nullable=False),  # that failed since
    Column("error", Text, nullable=False),  # of the last one
    Column("tried_at", BigInteger, nullable=False),
)

# Where each reader of the ledger stands (`name`: the sequencer, the projection).
cursors = Table(
    "cursors", metadata, Column("name", Text, primary_key=True), Column("position", BigInteger, nullable=False)
)

# Which record first names an id (of a message, a crossing, a step …), by the first half of it; fed behind the ledger.
named_ids = Table(
    "named_ids",
    metadata,
    Column("key", _serial, primary_key=True, autoincrement=False),
    Column("record", BigInteger, nullable=False),
)

# What a message is about, for types that declare it: a shipment's number. It lies beside the ledger, as payloads do.
subjects = Table(
    "subjects",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("message", Text, primary_key=True),
    sqlite_with_rowid=False,
)

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("handle", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("roles", Text, nullable=False),  # JSON list of names
    Column("teams", Text, nullable=False),  # JSON list of handles
)

systems = Table(
    "systems",
    metadata,
    Column("name", Text, primary_key=True),
    Column("responsible", Text, nullable=False),  # person id of the RI in force
    Column("successor", Text, nullable=False),  # person id that was offered the system, or ""
    Column("frozen", Text, nullable=False),  # JSON list of the frozen targets, read by every step and send
    Column("rules", BigInteger, nullable=False, server_default="0"),  # another number whenever its rules change
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("system", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_by", Text, nullable=False),  # person id
    Column("input", Text, nullable=False),  # message id
    Column("result", Text, nullable=False),  # message id, or ""
    Column("detail", Text, nullable=False),  # why it ended as it did, or ""
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("rested", Integer, nullable=False),  # how often it came to rest
    Column("lease_owner", Text, nullable=False),
    Column("lease_fence", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("wake_at", BigInteger),  # when an engine is to advance it; null: when somebody wakes it
    Column("segment", Integer, nullable=False, server_default="0"),  # which of its traces it is in
    Column("segment_after", BigInteger, nullable=False, server_default="0"),  # microseconds; 0: it has one trace
    Column("rested_at", BigInteger, nullable=False, server_default="0"),  # since when it waits; 0: it does not
)
Index("runs_to_wake", runs.c.wake_at)
Index("runs_by_status", runs.c.status, runs.c.started_at)

messages = Table(
    "messages",
    metadata,
    Column("run", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("commitment", Text, nullable=False),
    sqlite_with_rowid=False,
)

steps = Table(
    "steps",
    metadata,
    Column("run", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", Text, nullable=False),  # running, done, failed, superseded
    Column("scope", Text, nullable=False),  # JSON list of frames
    Column("consumed", Text, nullable=False),  # JSON object: input → crossing or gather id
    Column("error", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

crossings = Table(
    "crossings",
    metadata,
    Column("run", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("edge", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("step", Text, nullable=False),  # the step that made it
    Column("scope", Text, nullable=False),  # JSON list of frames
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# A scatter is written when it is made; a row of it for each gathering edge is written when that gather closes.
scatters = Table(
    "scatters",
    metadata,
    Column("run", Text, primary_key=True),
    Column("edge", Text, primary_key=True),
    Column("step", Text, primary_key=True),  # "" for START, in every run
    Column("size", Integer, nullable=False),
    Column("scope", Text, nullable=False),  # JSON list of frames: the scope around the scatter
)

gathers = Table(
    "gathers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("edge", Text, nullable=False),  # the gathering edge
    Column("scatter_edge", Text, nullable=False),
    Column("scatter_step", Text, nullable=False),
    Column("items", Text, nullable=False),  # JSON list of [index, crossing or "", outcome or null]
    Column("at", BigInteger, nullable=False),
)
Index("gathers_by_run", gathers.c.run)

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

effects = Table(
    "effects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("guarantee", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("call_digest", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("state", Text, nullable=False),  # prepared, sent, done, failed, in-doubt, withdrawn
    Column("attempt", Integer, nullable=False),
    Column("sent_at", BigInteger),
    Column("detail", Text, nullable=False),
)
Index("effects_by_run", effects.c.run)
Index("effects_by_state", effects.c.state)

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

# Standing rules, each version for itself: what its body says has force while it is approved, within its times.
rules = Table(
    "rules",
    metadata,
    Column("id", Text, primary_key=True),
    Column("system", Text, nullable=False),
    Column("approval", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the canonical JSON that the digest binds
    Column("state", Text, nullable=False),  # proposed, approved, revoked
    Column("author", Text, nullable=False),  # person id
    Column("approvers", Text, nullable=False),  # JSON list of person ids, [] until approved
    Column("not_before", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("proposed_at", BigInteger, nullable=False),
    Column("mac", Text, nullable=False),
)
Index("rules_by_name", rules.c.system, rules.c.name, rules.c.version, unique=True)
Index("rules_by_approval", rules.c.system, rules.c.approval)

# What a rule's caps have been used for in the present window; all versions of a rule share it.
rule_uses = Table(
    "rule_uses",
    metadata,
    Column("system", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("cap", Text, primary_key=True),  # OF/PER
    Column("window", BigInteger, nullable=False),  # when it began
    Column("used", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

freezes = Table(
    "freezes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("system", Text, nullable=False),
    Column("target", Text, nullable=False),  # system, agent:NAME, edge:ID, effect:NAME, source:NODE@PERSON
    Column("by", Text, nullable=False),  # person id; "" for a source that went beyond its quota
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),  # committed, quiesced, lifted
    Column("at", BigInteger, nullable=False),
    Column("in_flight", Text, nullable=False),  # JSON list of [effect, attempt] as it was committed
)

# Legal holds: what must not be erased.
holds = Table(
    "holds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("covers", Text, nullable=False),  # run, system, subject
    Column("of", Text, nullable=False),  # the run, the system, the subject's key
    Column("by", Text, nullable=False),  # person id
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),  # standing, lifted
    Column("at", BigInteger, nullable=False),
)

# What a person shows instead of saying who they are: tokens, the sessions and one-time links of the pages, and which
# login at an OpenID provider is whose.
credentials = Table(
    "credentials",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # token, link, session, binding
    Column("person", Text, nullable=False),  # person id
    Column("digest", Text, nullable=False, unique=True),  # SHA-256 of the secret
    Column("assurance", Text, nullable=False),
    Column("parent", Text, nullable=False),  # the credential that it came from, or ""
    Column("note", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # when it was revoked, used or signed out
    Column("since", BigInteger, nullable=False, server_default="0"),  # when the person proved who they are, 0: unknown
    Column("mac", Text, nullable=False),
)

# What somebody has typed on a page and could not send yet.
drafts = Table(
    "drafts",
    metadata,
    Column("person", Text, primary_key=True),  # person id
    Column("request", Text, primary_key=True),
    Column("form", Text, primary_key=True),  # answer, edit
    Column("said", Text, nullable=False),  # JSON object: the fields by name
    Column("at", BigInteger, nullable=False),
)

# What waits to be sent, and nothing else, so that looking at its beginning finds the oldest. (Stores with schema 1 have
# a table called outbox of another form. What waits there is of use no more: `answerable traces resend` makes it anew.)
outbox = Table(
    "waiting_spans",
    metadata,
    Column("id", _serial, Identity(), primary_key=True),
    Column("span", Text, nullable=False),  # trace id and span id, hexadecimal
    Column("run", Text, nullable=False),
    Column("ours", Integer, nullable=False),  # 1: it can be projected again from the ledger
    Column("data", LargeBinary, nullable=False),  # one encoded ResourceSpans
    Column("made_at", BigInteger, nullable=False),
)
Index("waiting_by_run", outbox.c.run)

# What a collector will not take, with its bytes where the ledger does not have them.
rejected_spans = Table(
    "rejected_spans",
    metadata,
    Column("id", _serial, Identity(), primary_key=True),
    Column("span", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("ours", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("error", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
Index("rejected_by_run", rejected_spans.c.run)

# The last delivery that ended so (`outcome`: accepted, failed, rejected), and what was said.
deliveries = Table(
    "deliveries",
    metadata,
    Column("outcome", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)

# Notices on their way to people, and how each target stands. Their texts name no payload.
notices = Table(
    "notices",
    metadata,
    Column("id", _serial, Identity(), primary_key=True),
    Column("target", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("about", Text, nullable=False),  # id of a request or a freeze
    Column("system", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)
Index("notices_by_target", notices.c.target, notices.c.id)

notified = Table(
    "notified",
    metadata,
    Column("target", Text, primary_key=True),
    Column("delivered", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
    Column("failures", Integer, nullable=False),  # in a row
    Column("error", Text, nullable=False),  # the last one, without any part of the target's address
    Column("next_at", BigInteger, nullable=False),
)

# Numbers that would take a scan to count, each changed in the transaction that changes what it counts.
tallies = Table(
    "tallies", metadata, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False)
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("thread", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("parent", Text, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
)

checkpoint_writes = Table(
    "checkpoint_writes",
    metadata,
    Column("thread", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("checkpoint", Text, primary_key=True),
    Column("task", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("path", Text, nullable=False),
)
