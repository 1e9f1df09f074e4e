"""What every test may ask for.

1. `store_url`: an empty store, once on SQLite and once on PostgreSQL, for each test that takes it.
2. `postgres_url`: the same on PostgreSQL, on a server that these tests started; its tables are there, their rows were
   removed. `empty_postgres_url`: a database without tables. Where PostgreSQL is not installed, such a test is skipped.
3. With CI=true a skipped test is a failed one: all that the tests need is installed there.
4. Async tests are marked `@pytest.mark.anyio` and run on asyncio, the only event loop that we support.
5. Tests do not time: hypothesis has no deadline for an example.
6. A span that is not as the registry of attributes says fails the test that made it (see `tests.support.spans`).
7. What takes longest begins first, so that at the end nobody waits for one test alone.
"""

from __future__ import annotations

import gc
import os
import signal
import tempfile
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import postgresql_server
from tests.postgresql_server import Server

if TYPE_CHECKING:
    from answerable.tracing.storage.store import Store

# before the package is imported, for this process and for all that it starts; made when there is a fault
os.environ["ANSWERABLE_SPAN_FAULTS"] = str(Path(tempfile.gettempdir(), f"answerable-span-faults-{uuid.uuid4().hex}"))

# A shell has what it starts in the background ignore Ctrl-C; our programs would inherit that, and tests interrupt some.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One server for each test process, from the first test that needs it to the last."""
    folder = postgresql_server.programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed (`make test` installs it on Debian when run as root)")
    with postgresql_server.running(folder) as server:
        yield server


@pytest.fixture(scope="session")
def _databases() -> dict[str, bytes]:
    """Databases that have the tables of a store and no rows, each with the digest of what was made there."""
    return {}


@pytest.fixture(scope="session")
def _empty_databases() -> list[str]:
    """Names of databases that were emptied after a test: to drop one and to make another takes many times as long."""
    return []


@pytest.fixture
def empty_postgres_url(postgres_server: Server, _empty_databases: list[str]) -> Iterator[str]:
    """The URL of a PostgreSQL database without any tables, which is emptied after the test."""
    name = _empty_databases.pop() if _empty_databases else postgres_server.create(f"empty_{uuid.uuid4().hex[:12]}")
    yield postgres_server.url(name)
    postgres_server.empty(name)
    _empty_databases.append(name)


@pytest.fixture
def postgres_url(postgres_server: Server, _databases: dict[str, bytes]) -> Iterator[str]:
    """The URL of an empty store in a PostgreSQL database: tables without rows. To make those takes a quarter second."""
    if not _databases:
        from answerable.tracing.storage.store import open_store

        made = postgres_server.create(f"test_{uuid.uuid4().hex[:12]}")
        open_store(postgres_server.url(made)).close()
        _databases[made] = postgres_server.clear(made)
    name, shape = _databases.popitem()
    yield postgres_server.url(name)
    if postgres_server.clear(name) == shape:  # the test altered no table
        _databases[name] = shape


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite database in a file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'answerable.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store, on each database that we support."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store, on each database that we support."""
    from answerable.tracing.storage.store import open_store

    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session", autouse=True)
def _state_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys and checkpoints of the tests' stores lie in a folder of the tests, in the processes that they start, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("ANSWERABLE_ANCHORS", "file")  # tests count spans; those that look at other anchors say so
        yield


@pytest.fixture(scope="session", autouse=True)
def _spans_of_the_last_processes() -> Iterator[None]:
    """What a process of this session's fixtures does until the end."""
    yield
    _no_faults()


@pytest.fixture(autouse=True)
def _spans_are_as_the_registry_says(_spans_of_the_last_processes: None) -> Iterator[None]:
    yield
    _no_faults()


def _no_faults() -> None:
    from tests.support.spans import take_faults

    assert take_faults() == []


LONGEST = (  # tests of a quarter minute and more
    "tests/inbox/test_cases.py",
    "tests/authority/",
    "tests/races/",
    "tests/properties/",
    "tests/tracing/ledger/test_tampering.py",
    "tests/crash/test_random_kills.py",
    "tests/examples/test_storm.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((at for at, path in enumerate(LONGEST) if item.nodeid.startswith(path)), 99))


def pytest_collection_finish() -> None:
    """What was imported stays, so the collector need not look through it again and again: a tenth of all work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    expected_failure = hasattr(report, "wasxfail")
    if os.environ.get("CI") == "true" and report.outcome == "skipped" and not expected_failure:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"In CI nothing may be skipped. {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
