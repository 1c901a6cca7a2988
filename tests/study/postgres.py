"""A real PostgreSQL for tests: started on a free port, by an unprivileged user, gone afterwards."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

NOBODY = 65534


class Postgres:
    """A server with one database, for one test session.

    Args:
        fsync: whether it waits for the disk, as servers do that are to outlive a power failure.
    """

    def __init__(self, *, fsync: bool = False) -> None:
        self.fsync = "on" if fsync else "off"
        self.folder = Path(tempfile.mkdtemp(prefix="msdemucs-postgres-"))
        self.port = free_port()
        self.server: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            os.chown(self.folder, NOBODY, NOBODY)
        words = ["-D", str(self.data), "-U", "msdemucs", "-A", "trust", "-E", "UTF8"]
        self._run("initdb", *words, "--locale=C", "--no-sync")
        self.start()
        self.create_database("studies")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "studies") -> str:
        return f"postgresql+psycopg://msdemucs@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """An empty database's URL."""
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "msdemucs"]
        self._run("createdb", *address, name)
        return self.url(name)

    def start(self) -> None:
        options = [
            f"-cport={self.port}",
            "-clisten_addresses=127.0.0.1",
            "-cunix_socket_directories=",
            f"-cfsync={self.fsync}",
            "-cmax_connections=200",
        ]
        command = [program("postgres"), "-D", str(self.data), *options]
        log = (self.folder / "log").open("ab")
        self.server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=self.folder, **unprivileged()
        )
        log.close()
        end = time.monotonic() + 60
        while not self._answers():
            if self.server.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        """A fast shutdown: connections are cut, transactions rolled back."""
        assert self.server is not None
        self.server.send_signal(2)
        self.server.wait(30)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        words = ["-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "msdemucs", "-d", "postgres"]
        return subprocess.run([program("pg_isready"), *words], check=False).returncode == 0

    def _run(self, name: str, *words: str) -> None:
        command = [program(name), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, check=False, **unprivileged()
        )
        assert done.returncode == 0, done.stderr


def unprivileged() -> dict[str, Any]:
    """How to start a process as nobody, where this one is root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def program(name: str) -> str:
    """A program of PostgreSQL's; Debian keeps the server's out of the search path."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(newest[-1]) if newest else "")


def missing_program() -> str:
    """The first program that is not installed; "" where all are."""
    names = ("initdb", "postgres", "createdb", "pg_isready")
    return next((name for name in names if not program(name)), "")


def free_port() -> int:
    """A port that nobody has, and that the kernel gives to no connection before it is used.

    Those that it gives to connections, or for port 0, lie above 32,767; Ray's lie below 20,000.
    """
    dice = random.SystemRandom()  # tests seed the usual one, in all processes alike
    while True:
        port = dice.randrange(20_000, 32_768)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
