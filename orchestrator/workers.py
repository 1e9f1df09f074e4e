"""Workers: what the processes that advance runs are called, and whether one is gone.

1. A name is `host:process:place-random`. The place is the boot of the machine and the space in which its process ids
   are counted: two machines, or two containers, may have one host name.
2. A process of this machine that has ended is known to be gone. Of any other nobody here can tell; its lease runs out.
3. Being wrong about it costs time and breaks nothing: each transaction of a worker checks the fencing number.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import socket
from hashlib import sha256
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"(?P<host>.*):(?P<process>\d+):(?P<place>[0-9a-f]+)-[0-9a-f]+")


def worker_name() -> str:
    """A new name for a worker of this process."""
    return f"{platform.node()}:{os.getpid()}:{_place()}-{secrets.token_hex(3)}"


def is_gone(name: str) -> bool:
    """Whether the worker of this name was a process of this machine, and has ended."""
    found = _NAME.fullmatch(name)
    if found is None or (found["host"], found["place"]) != (platform.node(), _place()):
        return False
    try:
        os.kill(int(found["process"]), 0)  # asks only
    except ProcessLookupError:
        return True
    except OSError:  # it is there, and somebody else's
        return False
    return False


def _place() -> str:
    """Eight hexadecimal digits; "" where there is no /proc to tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        return sha256(boot + str(Path("/proc/self/ns/pid").stat().st_ino).encode()).hexdigest()[:8]
    except OSError:
        return ""


def host_of_this_process() -> str:
    """NAME/ADDRESS of this machine, for the resources of spans; the loopback's address where it has no other."""
    name = platform.node()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = "127.0.0.1"
    return f"{name}/{address}"
