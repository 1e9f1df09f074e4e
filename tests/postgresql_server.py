"""A PostgreSQL server of the tests' own, started from the programs that are installed.

1. It lies in a new directory and listens on a free loopback port; nothing that was there before is touched.
2. It syncs to disk as a real one does: what the tests say about commits must be true.
3. It ends with the process that started it, however that ends.
4. PostgreSQL refuses to run as root, so for root it runs as `postgres`, or as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.servers import free_ports, guarded, stop

_START_SECONDS = 60


def programs() -> Path | None:
    """The folder that holds `initdb` and `postgres`, of the newest version that is installed; None if there is none."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(versions, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    if newest:
        return newest[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


# Tables that have been written to begin anew, so that rows lie in the order in which they are written, as in a new one.
_CLEAR = """
DO $$ DECLARE written text; BEGIN
    SELECT string_agg(oid::regclass::text, ', ') INTO written FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0;
    IF written IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || written || ' CASCADE';
    END IF;
    PERFORM setval(oid::regclass, 1, false) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'S';
END $$"""
_SHAPE = """
SELECT sha256(string_agg(one, E'\\n' ORDER BY one)::bytea) FROM (
    SELECT concat_ws(' ', 'c', oid, relname, relkind) FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT concat_ws(' ', 'a', attrelid, attname, atttypid, attnotnull) FROM pg_attribute
    WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL SELECT concat_ws(' ', 'd', oid) FROM pg_attrdef
    UNION ALL SELECT concat_ws(' ', 'k', oid) FROM pg_constraint
    UNION ALL SELECT concat_ws(' ', 't', oid) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', 'f', oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'n', oid, nspname) FROM pg_namespace WHERE nspname !~ '^pg_'
) AS there (one)"""  # whatever is altered gets another number, name or type


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server, by its loopback port."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make a new database and return its name."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return database

    def empty(self, database: str) -> None:
        """End the connections that are still open to a database, and drop everything in it."""
        with self._alone(database) as connection:
            connection.execute(
                "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC"
            )

    def clear(self, database: str) -> bytes:
        """End the connections that are still open, and remove all rows; what tables and all there are, as a digest."""
        with self._alone(database) as connection:
            connection.execute(_CLEAR)
            (shape,) = connection.execute(_SHAPE).fetchone() or (b"",)
            return bytes(shape)

    @contextmanager
    def _alone(self, database: str) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            yield connection


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Run a server from the programs in `folder`, and stop and remove it at the end.

    Raises: RuntimeError if it did not start; its log is in the text.
    """
    user = _unprivileged_user()
    home = Path(tempfile.mkdtemp(prefix="answerable-postgresql-"))
    try:
        if user is not None:
            os.chown(home, user.pw_uid, user.pw_gid)
        _initialize(folder, home, user)
        process, port = _start(folder, home, user)
        with guarded(process, home):
            yield Server(port=port)
    finally:
        shutil.rmtree(home, ignore_errors=True)  # the guard may have been first


def _unprivileged_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _popen(command: list[str | Path], home: Path, user: pwd.struct_passwd | None, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            start_new_session=True,  # Ctrl-C is for the tests, which still want to tidy up in the database
        )


def _initialize(folder: Path, home: Path, user: pwd.struct_passwd | None) -> None:
    # --no-sync: the empty cluster itself need not survive a power cut; what the server writes later is synced
    command: list[str | Path] = [folder / "initdb", "--pgdata", home / "data", "--username=postgres", "--auth=trust"]
    command += ["--encoding=UTF8", "--locale=C", "--no-sync"]
    log = home / "initdb.log"
    if _popen(command, home, user, log).wait() != 0:
        raise RuntimeError(f"initdb failed:\n{log.read_text()}")


def _start(folder: Path, home: Path, user: pwd.struct_passwd | None) -> tuple[subprocess.Popen[bytes], int]:
    log = home / "server.log"
    (port,) = free_ports(1)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "32MB",
        "max_wal_size": "128MB",
    }
    command: list[str | Path] = [folder / "postgres", "-D", home / "data"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    process = _popen(command, home, user, log)
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(Server(port=port).url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return process, port
    stop(process)
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
