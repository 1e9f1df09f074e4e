"""The test house itself: real databases, and no skips in CI."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from answerable.tracing.storage.store import open_store
from answerable.tracing.storage.tables.store import metadata
from tests import postgresql_server
from tests.postgresql_server import Server
from tests.support.servers import guarded, listens

_A_SKIPPED_TEST = """
import pytest

def test_needs_a_service():
    pytest.skip("the service is not here")

@pytest.mark.xfail(raises=ZeroDivisionError)
def test_expected_to_fail():
    1 / 0
"""
_A_SKIPPED_MODULE = """
import pytest

pytest.importorskip("a_service_that_nobody_has")
"""


def _pytest(folder: Path, *, ci: str) -> subprocess.CompletedProcess[str]:
    options = ["-p", "tests.conftest", "-c", os.devnull, f"--rootdir={folder}"]
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    environment = os.environ | {
        "CI": ci,
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("source", [_A_SKIPPED_TEST, _A_SKIPPED_MODULE])
def test_a_skip_fails_in_ci_and_nowhere_else(tmp_path: Path, source: str) -> None:
    (tmp_path / "test_it.py").write_text(source)
    elsewhere = _pytest(tmp_path, ci="")
    assert "1 skipped" in elsewhere.stdout
    assert elsewhere.returncode in {0, 5}  # 5: the only module was skipped, so there was no test
    in_ci = _pytest(tmp_path, ci="true")
    assert in_ci.returncode in {1, 2}
    assert "In CI nothing may be skipped" in in_ci.stdout
    assert "skipped," not in in_ci.stdout


_A_WRONG_SPAN = """
import os
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import encode
from tests.support.story import whole_run

def test_that_a_process_does_what_no_test_looks_at():
    pid = os.fork()
    if pid == 0:
        span = project_all(whole_run().placed())[0]
        encode(span._replace(pairs=span.pairs[1:]))
        os._exit(0)
    os.waitpid(pid, 0)
"""


def test_a_wrong_span_fails_the_test_that_made_it(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(_A_WRONG_SPAN)
    done = _pytest(tmp_path, ci="")
    assert done.returncode == 1
    assert "1 passed, 1 error" in done.stdout
    assert "accountability.responsible.id is missing" in done.stdout


def test_postgresql_is_empty_and_durable(empty_postgres_url: str) -> None:
    with psycopg.connect(empty_postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        connection.execute("CREATE TABLE left_behind (id int)")


def test_postgresql_is_empty_again(empty_postgres_url: str) -> None:
    test_postgresql_is_empty_and_durable(empty_postgres_url)


def _rows(connection: psycopg.Connection) -> dict[str, int]:
    names = [str(name) for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return {name: len(connection.execute(f'SELECT FROM "{name}"').fetchall()) for name in names}


@pytest.mark.parametrize("altering", ["", "CREATE TABLE left_behind (id int)", "ALTER TABLE people DROP COLUMN name"])
def test_a_store_on_postgresql_is_empty_whatever_was_done_before(postgres_url: str, altering: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert _rows(connection) == {table.name: 0 for table in metadata.sorted_tables}
        assert connection.execute("SELECT nextval('records_id_seq')").fetchone() == (1,)
    store = open_store(postgres_url)
    store.close()
    with psycopg.connect(postgres_url) as connection:
        assert _rows(connection)["meta"] == 2
        assert connection.execute("SELECT name FROM people").fetchall() == []
        connection.execute(altering)


def test_a_store_is_tested_on_each_database(store_url: str, request: pytest.FixtureRequest) -> None:
    assert make_url(store_url).get_backend_name() == request.node.callspec.params["store_url"]


_A_PROCESS_WITH_A_SERVER = """
import pathlib, sys, time
from tests import postgresql_server

with postgresql_server.running(pathlib.Path(sys.argv[1])) as server:
    print(server.port, flush=True)
    time.sleep(3600)
"""


def test_a_guard_signals_nobody_who_has_the_number_of_a_server_that_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as other, subprocess.Popen(["true"]) as server:
        server.wait()
        server.pid = other.pid
        with guarded(server, tmp_path / "home"):
            pass
        assert other.poll() is None
        other.kill()


def test_a_killed_test_process_leaves_no_server_behind(postgres_server: Server) -> None:
    folder = postgresql_server.programs()
    command = [sys.executable, "-c", _A_PROCESS_WITH_A_SERVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert listens(port)
        process.kill()
    while listens(port):  # if the guard failed, this test would hang, and be ended as such
        time.sleep(0.05)
    assert listens(postgres_server.port)
