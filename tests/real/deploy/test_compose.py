"""The compose file, read by the parser of `docker compose`: what a container engine would be told.

No engine runs here. What is behind the names of the images is not seen; what is in the files that they are given is,
by the other tests of this folder and by those of Jaeger.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.real.deploy import reading
from tests.real.deploy.reading import COMPOSE, DEPLOY

ROOT = Path(__file__).parents[3]
ENTRYPOINT = DEPLOY / "entrypoint"
OURS = "answerable:"
GO_MOD = (ROOT / "tests" / "real" / "services" / "go.mod").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(services: Path) -> dict[str, Any]:
    return reading.project(services)


def test_a_mistake_in_a_compose_file_is_found(services: Path, tmp_path: Path) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    file = tmp_path / "compose.yaml"
    for right, wrong in (
        ("image:", "picture:"),
        ("networks: [store]", "networks: [shop]"),
        ("retries: 12", "retries: often"),
    ):
        assert right in text
        file.write_text(text.replace(right, wrong))
        assert reading.check(services, "compose", file).returncode == 1, wrong


def test_every_part_is_there(project: dict[str, Any]) -> None:
    assert {"worker", "postgres", "collector", "jaeger"} <= project["services"].keys()
    for volume in ("database", "keys", "queue", "traces"):
        assert volume in project["volumes"]


def test_pages_are_published_to_this_machine_only(project: dict[str, Any]) -> None:
    published = {
        name: [(port.get("host_ip"), port["target"]) for port in service.get("ports", ())]
        for name, service in project["services"].items()
    }
    assert {host for ports in published.values() for host, _ in ports} == {"127.0.0.1"}
    assert published["jaeger"] == [("127.0.0.1", 16686)]
    assert published["worker"] == [("127.0.0.1", 8080)]
    assert not published["postgres"] and not published["collector"]
    assert project["networks"]["store"]["internal"] and project["networks"]["traces"]["internal"]


def test_every_image_is_a_version_and_those_are_what_is_tested(project: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in project["services"].items()}
    for image in images.values():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)?", image), image
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None and images["worker"] == images["prepare"] == f"{OURS}{version[1]}"
    collector = re.search(r"extension/storage/filestorage v(\S+)", GO_MOD)
    assert collector is not None and images["collector"].endswith(f":{collector[1]}")
    jaeger = re.search(r"jaegertracing/jaeger v1\.(\d+)\.(\d+)", GO_MOD)
    assert jaeger is not None
    # Source: Jaeger releases v1.N and v2.(N - 63) from one commit
    assert images["jaeger"].endswith(f":2.{int(jaeger[1]) - 63}.{jaeger[2]}")


def test_every_file_that_is_mounted_is_there(project: dict[str, Any]) -> None:
    bound = [
        (mount["source"], mount.get("read_only"))
        for service in project["services"].values()
        for mount in service.get("volumes", ())
        if mount["type"] == "bind"
    ]
    assert bound
    for name in ("worker", "prepare"):
        build = project["services"][name]["build"]
        assert (Path(build["context"]) / build["dockerfile"]).samefile(DEPLOY / "Containerfile")
    for source, read_only in bound:
        assert Path(source).is_file() and read_only, source


def test_secrets_are_files_and_nothing_secret_is_in_an_environment(project: dict[str, Any]) -> None:
    (secret,) = project["secrets"].values()
    assert Path(secret["file"]).parent == DEPLOY / "secrets"
    for name, service in project["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|KEY", variable):
                assert variable.endswith("_FILE") and value.startswith(("/run/secrets/", "/var/lib/")), (
                    f"{name} {variable}"
                )
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name} {variable} has a password in it"


def test_nothing_runs_as_root_that_need_not(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        assert "no-new-privileges:true" in service["security_opt"], name
        if name != "postgres":  # its entry point gives its folder to the user whom it then becomes
            assert service["cap_drop"] == ["ALL"] and service["read_only"], name
    assert {name for name, service in project["services"].items() if service.get("user", "")[:1] == "0"} == {"prepare"}
    assert project["services"]["prepare"]["cap_add"] == ["CHOWN"]


def test_the_worker_says_only_what_it_may(project: dict[str, Any]) -> None:
    settings = re.findall(
        r"^\| `([A-Z_]+)` \|", (ROOT / "docs/guide/reference.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    said = project["services"]["worker"]["environment"].keys() - {"POSTGRES_PASSWORD_FILE"}  # that is the entry point's
    assert said <= set(settings)


def test_the_entry_point_reads_the_password_and_hands_over(tmp_path: Path) -> None:
    program = tmp_path / "answerable"
    program.write_text('#!/bin/sh\necho "${PGPASSWORD-none}|$*"\n')
    program.chmod(0o755)
    secret = tmp_path / "secret"
    secret.write_text("ge heim$(x)\n")

    def enter(**environment: str) -> subprocess.CompletedProcess[str]:
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(
            [ENTRYPOINT, "runs", "list"], capture_output=True, text=True, env=path | environment, check=False
        )

    assert enter(POSTGRES_PASSWORD_FILE=str(secret)).stdout == "ge heim$(x)|runs list\n"
    assert enter().stdout == "none|runs list\n"
    missing = enter(POSTGRES_PASSWORD_FILE=str(tmp_path / "nowhere"))
    assert missing.returncode != 0 and not missing.stdout and "nowhere" in missing.stderr
