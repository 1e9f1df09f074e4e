"""What the verifier finds: a changed byte, a part, and what somebody made anew who knows how bundles are made."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from answerable.tracing.evidence.handing.archive import archive, as_json
from answerable.tracing.evidence.handing.verifier import Unsound, main, verify
from answerable.tracing.ledger.checkpoints import read_checkpoint, sign_head
from tests.tracing.evidence.bundles import Handed, files_of, hand_out_everything
from tests.tracing.ledger.signers import signer

Files = dict[str, Any]


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> Handed:
    folder = tmp_path_factory.mktemp("bundle")
    return asyncio.run(hand_out_everything(f"sqlite:///{folder}/answerable.db"))


def places(data: bytes) -> Iterator[tuple[str, int, int]]:
    """The parts of a bundle: each file's content, and what lies between and after them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archived:
        end = 0
        for entry in archived.infolist():
            start = data.index(archived.read(entry), entry.header_offset)
            yield f"before {entry.filename}", end, start
            end = start + entry.file_size
            yield entry.filename, start, end
    yield "directory", end, len(data) - 1


def is_sound(data: bytes, key: str) -> bool:
    try:
        return bool(verify(data, key))
    except Unsound:
        return False


def test_one_changed_byte_is_found_wherever_it_is(handed: Handed) -> None:
    assert verify(handed.data, handed.key)
    chance = random.Random(4)
    parts = list(places(handed.data))
    assert {name for name, _, _ in parts} >= {*files_of(handed.data), "directory"}
    for count in range(500):
        name, start, end = parts[count % len(parts)] if count < 4 * len(parts) else ("anywhere", 0, len(handed.data))
        at = chance.randrange(start, end)
        changed = bytes([handed.data[at] ^ chance.randrange(1, 256)])
        assert not is_sound(handed.data[:at] + changed + handed.data[at + 1 :], handed.key), (at, name)


@pytest.mark.parametrize("cut", [1, 22, 500, 100_000])
def test_a_part_of_a_bundle_is_none(handed: Handed, cut: int) -> None:
    for part in (handed.data[:-cut], handed.data[cut:], handed.data[: len(handed.data) // 2], b""):
        with pytest.raises(Unsound):
            verify(part, handed.key)


def resealed(handed: Handed, change: Callable[[Files], object], *, signed: bool) -> bytes:
    """What somebody makes of a bundle who knows how it is made; `signed`: who has the ledger's key, too."""
    files: Files = files_of(handed.data)
    manifest = json.loads(files.pop("manifest.json"))
    for name in ("proof.json", "spans.json", "story.json", "payloads.json", "people.json"):
        files[name] = json.loads(files[name])
    change(files)
    about = {name: value for name, value in manifest.items() if name not in ("files", "format", "signed")}
    data = {name: value if isinstance(value, bytes) else as_json(value) for name, value in files.items()}
    return archive(data, {**about, "signed": signed}, manifest["ledger"], handed.signer if signed else None)


def _first_span(files: Files) -> dict[str, dict[str, Any]]:
    span = files["spans.json"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    return {one["key"]: one["value"] for one in span["attributes"]}


def _first(files: Files, kind: str) -> Any:
    return next(iter(files["payloads.json"][kind].values()))


def _other_record(files: Files) -> None:
    files["records.jsonl"] = files["records.jsonl"].replace(b'"outcome":"done"', b'"outcome":"lost"', 1)


def _other_checkpoint(files: Files) -> None:
    kept = read_checkpoint(files["proof.json"]["checkpoint"])
    forged = sign_head(kept.head, signer(9, kept.origin)).text
    files["proof.json"]["checkpoint"] = forged
    files["checkpoint.txt"] = forged.encode()


FORGED: dict[str, tuple[Callable[[Files], object], str]] = {
    "a record": (_other_record, "other records"),
    "a record and its proof": (
        lambda files: files["proof.json"]["records"][3].update(files["proof.json"]["records"][4], place=3),
        "is not in the ledger",
    ),
    "a place": (lambda files: files["proof.json"]["records"][0].update(place=7), "is not in the ledger"),
    "a hash": (lambda files: files["proof.json"]["records"][0]["proof"].pop(), "is not in the ledger"),
    "a record twice": (lambda files: files["proof.json"]["records"].append(files["proof.json"]["records"][0]), "twice"),
    "a checkpoint": (_other_checkpoint, "not signed by the key"),
    "checkpoint.txt": (lambda files: files.update({"checkpoint.txt": b"a\n1\nAAAA\n"}), "not the one of proof.json"),
    "a span's record": (
        lambda files: _first_span(files)["accountability.record.seq"].update(intValue="0"),
        "is of no record",
    ),
    "who answered, on a span": (
        lambda files: _first_span(files)["accountability.responsible.id"].update(stringValue="prs_" + "0" * 32),
        "another responsible",
    ),
    "what the story cites": (
        lambda files: files["story.json"]["story"][0]["records"].append(999),
        "cites records that are not here",
    ),
    "a message": (lambda files: _first(files, "messages").update(payload="{}"), "is another"),
    "a request": (lambda files: _first(files, "requests").update(bound="{}"), "is another"),
    "what a request showed": (lambda files: _first(files, "requests").update(shown="{}"), "showed another"),
    "a call": (lambda files: _first(files, "calls").update(body="e30="), "is another"),
    "where a call went": (lambda files: _first(files, "calls").update(path="/elsewhere"), "is another"),
    "a file more": (lambda files: files.update({"more.txt": b"more"}), "other files than it must"),
    "a file less": (lambda files: files.pop("story.html"), "other files than it must"),
}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("change", "found"), FORGED.values(), ids=list(FORGED))
def test_what_is_forged_with_all_its_digests_is_found(
    handed: Handed, change: Callable[[Files], object], found: str, signed: bool
) -> None:
    """Whoever makes a bundle anew, even with the key: the records and what is made of them are proved."""
    with pytest.raises(Unsound, match=found):
        verify(resealed(handed, change, signed=signed), handed.key)


def test_without_the_key_nobody_changes_the_names(handed: Handed) -> None:
    def other_name(files: Files) -> None:
        for one in files["people.json"].values():
            one["name"] = "Mallory"

    assert verify(resealed(handed, lambda _: None, signed=True), handed.key)[3] == "the bundle was signed as a whole"
    assert "nobody signed the bundle as a whole" in verify(resealed(handed, other_name, signed=False), handed.key)[3]
    forged = resealed(handed, other_name, signed=False)
    claimed = forged.replace(b'"signed": false', b'"signed": true ')
    with pytest.raises(Unsound):
        verify(claimed, handed.key)


def test_another_key_and_another_ledger(handed: Handed) -> None:
    name = handed.signer.public.name
    with pytest.raises(Unsound, match="not signed by the key that you gave"):
        verify(handed.data, str(signer(2, name).public))
    with pytest.raises(Unsound, match="another ledger"):
        verify(handed.data, str(signer(2, "answerable/other").public))
    several = f"{signer(2, 'answerable/other').public}\n\n{handed.key}\n"
    assert verify(handed.data, several)
    for no_key in ("", "x", f"{name}+00000000+AAAA", handed.key[:-1]):
        with pytest.raises(Unsound):
            verify(handed.data, no_key)


def test_the_verifier_runs_with_python_and_cryptography_alone(handed: Handed, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(handed.data)
    (tmp_path / "ledger.pub").write_text(f"{handed.key}\n")
    (tmp_path / "verify.py").write_bytes(files_of(handed.data)["verify.py"])
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for module in ("cryptography", "cffi", "_cffi_backend"):
        file = __import__(module).__file__
        assert file is not None
        source = Path(file).parent if file.endswith("__init__.py") else Path(file)
        (libraries / source.name).symlink_to(source)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", "verify.py", *words]
        environment = {"PYTHONPATH": str(libraries)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    sound = run("x.zip", "--pubkey", "ledger.pub")
    assert (sound.returncode, sound.stdout.splitlines()[-1], sound.stderr) == (0, "sound", "")
    assert run("x.zip", "--pubkey", handed.key).returncode == 0
    (tmp_path / "x.zip").write_bytes(handed.data.replace(b"story", b"glory", 1))
    changed = run("x.zip", "--pubkey", "ledger.pub")
    assert (changed.returncode, changed.stdout) == (1, "")
    assert changed.stderr.startswith("NOT SOUND: the archive was changed")
    assert run("x.zip").returncode == 2
    assert "NOT the" in run("--help").stdout
    assert run("nothing.zip", "--pubkey", "ledger.pub").returncode == 1


def test_what_would_fill_the_memory_or_the_terminal_is_refused(
    handed: Handed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def packed(name: str, how: int) -> Path:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", how) as made:
            made.writestr("manifest.json", json.dumps({"format": name}))
            made.comment = b"?" * 65
        whole = data.getvalue()[:-65]
        file = tmp_path / "x.zip"
        file.write_bytes(whole + b"\n" + hashlib.sha256(whole).hexdigest().encode())
        return file

    for how, said in ((zipfile.ZIP_DEFLATED, "compressed"), (zipfile.ZIP_STORED, "\\u001b[31m")):
        assert main([str(packed("\x1b[31m", how)), "--pubkey", handed.key]) == 1
        error = capsys.readouterr().err
        assert said in error and "\x1b" not in error


def test_an_archive_in_which_files_overlap_or_something_lies_between_them_is_refused(handed: Handed) -> None:
    """Another program might read another file under that name than this verifier did."""

    def packed(names: Sequence[str], between: bytes = b"") -> bytes:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as made:
            for name in names:
                made.writestr(zipfile.ZipInfo(name), b"{}")
                data.write(between)
                made.start_dir = data.tell()
            made.comment = b"?" * 65
        whole = data.getvalue()[:-65]
        return whole + b"\n" + hashlib.sha256(whole).hexdigest().encode()

    one, two = (packed([name, "manifest.json"]) for name in ("a", "a"))
    with pytest.raises(Unsound, match="KeyError"):  # it is no bundle, but nothing is wrong with the archive
        verify(one, handed.key)
    at = two.rindex(b"PK\x01\x02") + 42  # where the directory says that the second file begins
    moved = two[:at] + b"\0" * 4 + two[at + 4 :]
    whole = moved[: -len(b"?" * 65)]
    with pytest.raises(Unsound, match=r"overlap|File name in directory"):
        verify(whole + b"\n" + hashlib.sha256(whole).hexdigest().encode(), handed.key)
    for between in (b"x", b"PK\x03\x04"):
        with pytest.raises(Unsound, match=r"something lies|overlap"):
            verify(packed(["a", "manifest.json"], between), handed.key)
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = packed(["manifest.json", "manifest.json"])
    with pytest.raises(Unsound, match="two files of one name"):
        verify(twice, handed.key)
