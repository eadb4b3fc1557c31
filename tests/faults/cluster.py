"""Run a primary and a standby under Patroni with etcd, behind HAProxy as in docs/operate.md."""

import json
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from dev.postgres import ROOT
from dev.processes import Child
from tests import plain, shared, stack
from tests.faults.processes import tree
from tests.tcp_proxy import TcpProxy, tcp_proxy
from tests.waiting import wait_until

PAGE = (ROOT / "docs/operate.md").read_text()
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
USER = "nobody" if os.geteuid() == 0 else None
"""The user of PostgreSQL, which refuses to run as root."""


def program(name: str, package: str) -> str:
    """Return the path of a program. Skip the test if the machine does not have the program."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    return path or pytest.skip(f"needs {name}: apt-get install {package}")


class Node:
    """A PostgreSQL under Patroni."""

    def __init__(
        self, name: str, folder: Path, port: int, proxy: TcpProxy, settings: Mapping[str, object]
    ) -> None:
        self.name = name
        self.proxy = proxy
        """The proxy through which the other node connects to this one."""
        self.port, self.rest = port, stack.free_port()
        self._folder = folder / name
        self._folder.mkdir()
        if not BINARIES:
            pytest.skip("needs a PostgreSQL of the system: apt-get install postgresql")
        trusted = {"username": "postgres", "password": "x"}
        node: dict[str, object] = {
            "scope": "tasks",
            "name": name,
            "restapi": {"listen": f"127.0.0.1:{self.rest}"},
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{proxy.port}",
                "data_dir": str(self._folder / "data"),
                "bin_dir": str(BINARIES[-1]),
                "pgpass": str(self._folder / "pgpass"),
                "authentication": dict.fromkeys(("superuser", "replication", "rewind"), trusted),
                "pg_hba": [
                    f"host {database} all 127.0.0.1/32 trust" for database in ("all", "replication")
                ],
                "parameters": {"unix_socket_directories": str(self._folder)},
            },
        }
        (self._folder / "patroni.yml").write_text(json.dumps({**node, **settings}))  # JSON is YAML
        if USER is not None:
            uid = pwd.getpwnam(USER).pw_uid
            for path in (self._folder, self._folder / "patroni.yml"):
                os.chown(path, uid, -1)

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL."""
        command: list[str | Path] = [program("patroni", "patroni"), self._folder / "patroni.yml"]
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        with (self._folder / "log").open("ab") as log:
            self._child = Child(command, cwd=Path("/"), env=env, output=log, user=USER)

    def is_(self, role: str) -> bool:
        """Return whether this node has a role: `primary` or `synchronous`, for example."""
        with suppress(httpx.HTTPError):
            return plain.get(f"http://127.0.0.1:{self.rest}/{role}").status_code == 200
        return False

    def wait_until_it_is(self, role: str) -> None:
        """Wait until this node has a role."""
        wait_until(lambda: self.is_(role), lambda: (self._folder / "log").read_text()[-4000:])

    def processes(self) -> list[psutil.Process]:
        """Return the processes of Patroni and of PostgreSQL."""
        first = (self._folder / "data/postmaster.pid").read_text().splitlines()[0]
        return [*tree(self._child.process.pid), *tree(int(first))]

    def kill(self) -> None:
        """Kill all processes of this node, as a crash of its machine would."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._child.process.wait()

    def stop(self) -> None:
        """Stop Patroni, which stops PostgreSQL."""
        self._child.stop(grace=30)

    def ask(self, path: str, **body: str) -> httpx.Response:
        """Ask Patroni to do something."""
        return plain.post(f"http://127.0.0.1:{self.rest}/{path}", json=body)


def haproxy(folder: Path, nodes: list[Node]) -> tuple[list[str | Path], int]:
    """Return the command of HAProxy with the configuration of docs/operate.md, and its port."""
    [example] = re.findall(r"```haproxy\n([^`]*listen primary.*?)```", PAGE, re.DOTALL)
    head, *_ = re.split(r"^ +server .*\n", example, maxsplit=1, flags=re.MULTILINE)
    port = stack.free_port()
    lines = [
        head.replace("bind :5432\n", f"bind 127.0.0.1:{port}\n"),
        *(f"    server {n.name} 127.0.0.1:{n.port} port {n.rest}\n" for n in nodes),
    ]
    (folder / "haproxy.cfg").write_text("".join(lines))
    command: list[str | Path] = [program("haproxy", "haproxy"), "-f", folder / "haproxy.cfg"]
    checked = subprocess.run([*command, "-c"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    return [*command, "-db"], port


@contextmanager
def cluster(*, is_synchronous: bool) -> Iterator[tuple[str, Node, Node]]:
    """Return the URL of the database, the primary, and its standby."""
    with shared.open_folder("cluster-") as folder, ExitStack() as until_the_end:

        def run(command: list[str | Path], name: str) -> None:
            with (folder / f"{name}.log").open("wb") as log:
                child = Child(command, cwd=folder, env={}, output=log)
            until_the_end.callback(child.stop)

        client, peer = (f"http://127.0.0.1:{stack.free_port()}" for _ in range(2))
        etcd: list[str | Path] = [
            program("etcd", "etcd-server"),
            "--data-dir",
            folder / "etcd",
            "--name",
            "etcd",
        ]
        etcd += ["--listen-client-urls", client, "--advertise-client-urls", client]
        etcd += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        run([*etcd, "--initial-cluster", f"etcd={peer}"], "etcd")
        settings = {
            "etcd3": {"hosts": client.removeprefix("http://")},
            "bootstrap": {
                "dcs": {
                    "ttl": 20,
                    "loop_wait": 2,
                    "retry_timeout": 5,
                    "synchronous_mode": is_synchronous,
                    "postgresql": {"use_pg_rewind": True, "parameters": {"wal_log_hints": "on"}},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}],
            },
        }
        nodes = []
        for name in ("one", "two"):
            port = stack.free_port()
            proxy = until_the_end.enter_context(tcp_proxy(port))
            nodes.append(Node(name, folder, port, proxy, settings))
        for node, role in zip(nodes, ("primary", "replica"), strict=True):
            node.start()
            until_the_end.callback(node.stop)
            node.wait_until_it_is(role)
        if is_synchronous:
            nodes[1].wait_until_it_is("synchronous")
        command, port = haproxy(folder, nodes)
        run(command, "haproxy")
        [primary, standby] = nodes
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres", primary, standby
