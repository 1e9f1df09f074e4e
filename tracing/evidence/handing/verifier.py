"""Verify an evidence bundle of Answerable, with nothing but Python 3.9 or newer and the package `cryptography`.

    python verify.py BUNDLE.zip --pubkey KEY

KEY is the public key of the ledger, or a file with it: one line, NAME+ID+BASE64. Take it from where you trust it, on a
day before there was a dispute. The key in the bundle proves nothing: whoever forges a bundle puts their own into it.

What is checked, in this order; the first thing that is wrong ends it:

1. No byte of the archive was changed, and every file is as the manifest lists it.
2. A trusted key signed the checkpoint, and the bundle as a whole. A note that both keys signed leads from a key to the
   one that replaced it.
3. Every record is in the ledger of that checkpoint, at its place, with these bytes (RFC 9162).
4. Every span names the record that it was made of by its digest, and says what that says of run, system and person.
5. The story cites no record that is not there.
6. Every answer that a person signed is signed by a key that they had registered before, and that was not revoked then.
   Where they had shown no token or login when they registered it, it is not said to be signed: it is the server's word.
7. Payloads, where they are in the bundle, are those that the records have the digests of.

What cannot be checked: that nothing else happened. The names of people, and the words of the story, are the system's.

Exit code 0: sound. 1: not sound, or no bundle. 2: called in a wrong way.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import pathlib
import sys
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FILES = {"README.txt", "checkpoint.txt", "ledger.pub", "manifest.json", "proof.json", "records.jsonl", "spans.json"}
FILES |= {"story.html", "story.json", "verify.py"}
SWITCHED = {"payloads.json": "with_payloads", "people.json": "with_names"}
WARNING = "nobody signed the bundle as a whole: the story and the names are not vouched for"
SUBJECTS = {"decided": "request", "voted": "subject", "rule.approved": "rule", "reviewed": "review"}
SUBJECTS |= {"approval.accepted": "approval", "exemption.accepted": "approval"}
SHOWN = {"token", "oidc"}  # what somebody showed who registered a key, and was not merely said to be
ANSWERS = {"approved", "edited", "rejected", "answered"}
Key = tuple[str, bytes]  # its name, its 32 bytes


class Unsound(Exception):
    """What is wrong."""


def need(true: bool, what: str) -> None:
    """Raises: Unsound."""
    if not true:
        raise Unsound(what)


# -- 1: the archive ----------------------------------------------------------------------------------------------------


def open_archive(data: bytes) -> tuple[dict[str, bytes], str]:
    """The files of a bundle, each as the manifest says; and the note at its end, whose signature is not checked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names, seal = archive.namelist(), archive.comment.decode()
        digest = hashlib.sha256(data[: len(data) - len(archive.comment)]).hexdigest()
        need(seal.split("\n")[1] == digest, "the archive was changed: it ends with another digest than its own")
        need(len(names) == len(set(names)), "the archive has two files of one name")
        plain = all(one.compress_type == zipfile.ZIP_STORED for one in archive.infolist())
        need(plain, "the archive has a compressed file: unpacked, it might be of any size")
        end = 0  # each file begins where the one before it ends, so that no byte is of two files, or of none
        for one in sorted(archive.infolist(), key=lambda one: one.header_offset):
            need(one.header_offset == end, f"{one.filename} overlaps another file, or something lies before it")
            end += 30 + len(one.filename.encode()) + one.compress_size
        need(archive.start_dir == end, "something lies after the last file of the archive")
        files = {name: archive.read(name) for name in names}
    manifest = json.loads(files["manifest.json"])
    need(manifest["format"] == "answerable-bundle/1", f"this verifier does not know the format {manifest['format']}")
    needed = FILES | {name for name, switch in SWITCHED.items() if manifest[switch]}
    need(set(names) == needed, f"the archive has other files than it must: {', '.join(sorted(set(names) ^ needed))}")
    need(set(manifest["files"]) == needed - {"manifest.json"}, "the manifest lists other files than there are")
    for name, listed in manifest["files"].items():
        same = listed == {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
        need(same, f"{name} is not as the manifest lists it")
    return files, seal


# -- 2: keys and the checkpoint ----------------------------------------------------------------------------------------


def read_key(line: str) -> Key:
    """A public key from its line."""
    name, _, rest = line.strip().partition("+")
    id, _, encoded = rest.partition("+")
    raw = unbase64(encoded)
    need(len(raw) == 33 and raw[0] == 1 and key_id((name, raw[1:])).hex() == id, f"{line[:120]!r} is no public key")
    return name, raw[1:]


def key_id(key: Key) -> bytes:
    """The four bytes that stand for a key in a signature's line."""
    return hashlib.sha256(key[0].encode() + b"\n\x01" + key[1]).digest()[:4]


def signed(note: str, key: Key) -> bool:
    """Whether a key signed a note. Raises: Unsound if there is a signature in its name that does not fit."""
    text, _, under = note.rpartition("\n\n")
    for line in under.splitlines():
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if (dash, name) != ("\u2014", key[0]):
            continue
        raw = unbase64(encoded)
        if raw[:4] == key_id(key):
            try:
                Ed25519PublicKey.from_public_bytes(key[1]).verify(raw[4:], (text + "\n").encode())
            except InvalidSignature:
                raise Unsound(f"a signature of key {key_id(key).hex()} does not fit what is signed") from None
            return True
    return False


def follow(replacements: Sequence[str], trusted: Sequence[Key]) -> dict[Key, float]:
    """The keys that the trusted ones lead to; how many records a ledger may have that they sign."""
    old: dict[Key, int] = {}  # a key → how many records there were when it was replaced
    new: dict[Key, int] = {}
    links = []
    for one in dict.fromkeys(replacements):
        head, *lines, at, _ = one.rpartition("\n\n")[0].split("\n")
        before, after = map(read_key, lines)
        both = before != after and all(key[0] + " key replaced" == head and signed(one, key) for key in (before, after))
        need(both, "a note that a key was replaced is not signed by both keys")
        need(before not in old and after not in new, "a key was replaced twice: trust only checkpoints that you kept")
        old[before] = new[after] = int(at)
        links.append({before, after})
    keys = set(trusted)
    while any(keys & link and not link <= keys for link in links):
        keys = keys.union(*(link for link in links if keys & link))
    early = [key for key in keys if key in old and new.get(key, 0) > old[key]]
    need(not early, "a key was replaced before it came into force")
    return {key: old.get(key, float("inf")) for key in keys}


def check_checkpoint(note: str, keys: dict[Key, float]) -> tuple[int, bytes]:
    """The size and the root of a checkpoint that one of these keys signed."""
    origin, size, root = note.rpartition("\n\n")[0].split("\n")[:3]
    names = {name for name, _ in keys}
    need(origin in names, f"the checkpoint is of {origin}, and the key of {', '.join(names)}: another ledger")
    signers = [key for key in keys if key[0] == origin and signed(note, key)]
    need(bool(signers), "the checkpoint is not signed by the key that you gave, nor by one that it leads to")
    need(any(int(size) <= keys[key] for key in signers), "a replaced key signed the checkpoint")
    return int(size), unbase64(root)


def check_seal(seal: str, manifest: Any, keys: dict[Key, float]) -> bool:
    """Whether one of these keys, if it is not replaced, signed the bundle as a whole."""
    text = f"{manifest['ledger']} bundle\n{seal.split(chr(10))[1]}\n"
    line = seal[len(text) :]
    if manifest["signed"]:
        able = [key for key in keys if key[0] == manifest["ledger"] and keys[key] == float("inf")]
        fits = line[:1] + line[-1:] == "\n\n" and line.count("\n") == 2 and any(signed(seal, key) for key in able)
    else:
        fits = not line
    need(seal.startswith(text) and fits, "the bundle is not signed as a whole, as its manifest says, by a key in force")
    return bool(manifest["signed"])


# -- 3: records --------------------------------------------------------------------------------------------------------


def check_records(files: dict[str, bytes], keys: dict[Key, float], proof: Any) -> dict[int, bytes]:
    """The records by their places, each in the ledger of the checkpoint."""
    need(proof["format"] == "answerable-inclusion/1", "proof.json has another format")
    need(proof["checkpoint"].encode() == files["checkpoint.txt"], "checkpoint.txt is not the one of proof.json")
    size, root = check_checkpoint(proof["checkpoint"], keys)
    records: dict[int, bytes] = {}
    for one in proof["records"]:
        place, body = one["place"], unbase64(one["record"])
        path = [unbase64(step) for step in one["proof"]]
        inside = climb(hashlib.sha256(b"\0" + body).digest(), place, size, path) == root
        need(inside, f"record {place} is not in the ledger of the checkpoint, or not with these bytes")
        records[place] = body
    need(len(records) == len(proof["records"]), "proof.json has a record twice")
    lines = b"".join(body + b"\n" for body in records.values())
    need(lines == files["records.jsonl"], "records.jsonl has other records than proof.json")
    return records


def climb(digest: bytes, place: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root over a leaf and the hashes beside its way; None if there are too many or too few of them."""
    steps = iter(path)
    last = size - 1
    if not 0 <= place <= last:
        return None
    while last:
        if place & 1 or place < last:  # it has a neighbour at this level
            beside = next(steps, None)
            if beside is None:
                return None
            digest = hashlib.sha256(b"\1" + (beside + digest if place & 1 else digest + beside)).digest()
        place, last = place >> 1, last >> 1
    return digest if next(steps, None) is None else None


# -- 4 and 5: what was made of them ------------------------------------------------------------------------------------


def check_spans(files: dict[str, bytes], records: dict[int, bytes]) -> int:
    """How many spans there are; each says what its record says."""
    count = 0
    for resource in json.loads(files["spans.json"])["resourceSpans"]:
        for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
            said = {one["key"]: one["value"] for one in span["attributes"]}
            body = records.get(int(said["accountability.record.seq"]["intValue"]), b"")
            digest = said["accountability.record.digest"]["stringValue"]
            need(hashlib.sha256(b"\0" + body).hexdigest() == digest, f"span {span['spanId']} is of no record here")
            record = json.loads(body)
            for key, field in (("responsible.id", "responsible"), ("run.id", "run"), ("system", "system")):
                same = said["accountability." + key]["stringValue"] == record[field]
                need(same, f"span {span['spanId']} has another {field} than its record")
            count += 1
    return count


def check_story(files: dict[str, bytes], records: dict[int, bytes]) -> None:
    """Every record that the story cites is there."""
    for name, value in each(json.loads(files["story.json"])):
        if name == "records":
            missing = [place for place in value if place not in records]
            need(not missing, f"the story cites records that are not here: {missing[:5]}")


def each(value: Any) -> Iterator[tuple[str, Any]]:
    """Every name in a JSON value, with what stands under it."""
    for name, inner in value.items() if isinstance(value, dict) else (("", one) for one in value):
        yield name, inner
        if isinstance(inner, (dict, list)):
            yield from each(inner)


# -- 6: what people signed themselves ----------------------------------------------------------------------------------


def check_signatures(records: dict[int, bytes]) -> tuple[int, int]:
    """How many answers of people are signed with their own keys, and for how many we have the server's word."""
    keys: dict[str, Any] = {}
    own = others = 0
    for _, body in sorted(records.items()):
        one = json.loads(body)
        if one["kind"] == "key.registered":
            id = "key_" + sha(b"", "key\0" + one["public"])[:32]
            said = {"key": id, "person": one["person"], "public": one["public"], "at": one["proved_at"]}
            again = keys.get(id, one)["person"] == one["person"]
            shown = id == one["key"] and again and fits(one["public"], one["proof"], "answerable key/1", said)
            need(shown, f"whoever registered {one['key']} did not show that they have it")
            keys[id] = one
        elif one["kind"] == "key.revoked":
            keys.pop(one["key"], None)
        elif one["kind"] in SUBJECTS and (one.get("signature") or one.get("assurance") == "signed"):
            signature = one.get("signature") or {}
            one = {"answer": one.get("outcome", "approved"), "option": "approve", **one}  # a rule is approved, or not
            if one["kind"] == "reviewed":
                one |= {"answer": "reviewed", "option": one["verdict"], "for_person": ""}
                words = json.dumps([one["reason"], ""], ensure_ascii=False, separators=(",", ":"))
                as_said = sha(bytes.fromhex(one["salt"]), words) == signature.get("said")
                need(as_said, f"the words of {one['review']} are not those that were signed")
            if one["kind"] == "approval.accepted":
                one |= {"answer": "accept", "option": "", "for_person": ""}
            if one["kind"] == "exemption.accepted":
                label = f"{one['exemption']}@{one['version']}"
                one |= {"answer": "accept", "option": label, "digest": "", "for_person": ""}
            one["answer"] = "break-glass" if one.get("broke_glass") else one["answer"]
            key = keys.get(str(signature.get("key")), {})
            subject = one[SUBJECTS[one["kind"]]]
            said = {name: one[name] for name in ("system", "digest", "answer", "option", "for_person")}
            said |= {"subject": subject, "person": one["by"], "key": signature.get("key"), "code": one.get("code", "")}
            said |= {name: signature.get(name) for name in ("at", "said")}
            surely = key.get("assurance") in SHOWN
            signed_so = key.get("person") == one["by"] and (one["assurance"] == "signed") == surely
            fitting = signed_so and fits(key["public"], signature["value"], "answerable answer/1", said)
            need(fitting, f"the answer to {subject} is not signed by {one['by']}, as its record says")
            own, others = (own + 1, others) if surely else (own, others + 1)
        elif one["kind"] in SUBJECTS and one.get("outcome", "approved") in ANSWERS:
            others += 1
    return own, others


def fits(public: str, value: str, purpose: str, said: dict[str, Any]) -> bool:
    """Whether a key signed this for this purpose."""
    text = f"{purpose}\n" + json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    try:
        Ed25519PublicKey.from_public_bytes(unbase64(public)).verify(unbase64(value), text.encode())
    except InvalidSignature:
        return False
    return True


# -- 7: payloads -------------------------------------------------------------------------------------------------------


def check_payloads(files: dict[str, bytes], records: dict[int, bytes]) -> int:
    """How many payloads there are; each is what a record has the digest of."""
    found = [json.loads(body) for body in records.values()]
    payloads = json.loads(files["payloads.json"])
    known = {inner["id"]: inner["commitment"] for _, inner in each(found) if is_message(inner)}
    for id, one in payloads["messages"].items():
        need(known.get(id) == sha(bytes.fromhex(one["salt"]), one["payload"]), f"message {id} is another")
    asked = {one["request"]: one["digest"] for one in found if one["kind"] == "request.made"}
    for id, one in payloads["requests"].items():
        need(asked.get(id) == sha(b"", one["bound"]), f"request {id} is another")
        shown = one["shown"]  # null: it was erased
        need(shown is None or json.loads(one["bound"])["view"] == sha(b"", shown), f"request {id} showed another")
    reasons = {one["decision"]: one["commitment"] for one in found if one["kind"] == "decided"}
    reasons |= {one["vote"]: one["commitment"] for one in found if one["kind"] == "voted"}
    for id, one in payloads["reasons"].items():
        need(reasons.get(id) == sha(bytes.fromhex(one["salt"]), one["reason"]), f"the reason of {id} is another")
    calls = {one["effect"]: one for one in found if one["kind"] == "effect.prepared"}
    for id, one in payloads["calls"].items():
        body = unbase64(one["body"])
        call = calls.get(id, {})
        parts: list[Any] = [call.get("name"), call.get("origin"), call.get("method"), one["path"], one["content_type"]]
        parts += [call.get("idempotency_key"), hashlib.sha256(body).hexdigest()]
        bound = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
        need(call.get("call_digest") == sha(b"", bound), f"the call of {id} is another")
    return sum(map(len, payloads.values()))


def is_message(value: Any) -> bool:
    """Whether this is how a record names a message."""
    return isinstance(value, dict) and set(value) == {"id", "type", "commitment"}


def sha(salt: bytes, text: str) -> str:
    """SHA-256 over a salt and a text."""
    return hashlib.sha256(salt + text.encode()).hexdigest()


def unbase64(text: str) -> bytes:
    """The bytes of base64. Raises: Unsound if it could be written otherwise."""
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, f"this is no base64: {text[:80]!r}")
    return raw


def verify(data: bytes, key: str) -> list[str]:
    """What was found to be right about a bundle. Raises: Unsound."""
    try:
        files, seal = open_archive(data)
        proof = json.loads(files["proof.json"])
        keys = follow(proof["replacements"], [read_key(line) for line in key.splitlines() if line.strip()])
        records = check_records(files, keys, proof)
        whole = check_seal(seal, json.loads(files["manifest.json"]), keys)
        spans = check_spans(files, records)
        check_story(files, records)
        own, others = check_signatures(records)
        payloads = check_payloads(files, records) if "payloads.json" in files else 0
    except Unsound:
        raise
    except Exception as error:  # whatever is not as it must be
        raise Unsound(f"this is no bundle, or a part of one: {type(error).__name__}: {error}") from error
    size = files["checkpoint.txt"].decode().split("\n")[1]
    lines = [f"{len(records)} records are in the ledger of the checkpoint of {size} records"]
    lines += [f"{spans} spans are of these records"]
    lines += [f"{own} answers of people are signed with their own keys, {others} are attested by the server"]
    lines += ["the bundle was signed as a whole" if whole else WARNING]
    return lines + ([f"{payloads} payloads are what the records have the digests of"] if payloads else [])


def shown(text: str) -> str:
    """Text of somebody else, not too long, and safe for a terminal."""
    left = len(text) - 2000
    safe = "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text[:2000])
    return safe if left <= 0 else f"{safe} … and {left:,} more characters"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Verify an evidence bundle of Answerable.")
    parser.add_argument("bundle")
    parser.add_argument("--pubkey", required=True, help="the ledger's public key, or a file with it; NOT the bundle's")
    given = parser.parse_args(arguments)
    key = pathlib.Path(given.pubkey)
    try:
        found = verify(pathlib.Path(given.bundle).read_bytes(), key.read_text() if key.is_file() else given.pubkey)
    except (Unsound, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"NOT SOUND: {shown(str(error))}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in [*found, "sound"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
