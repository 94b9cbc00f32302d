"""Machines in namespaces of their own, with an address each, on one switch."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NETWORK, OURS = "10.77.0.0/24", "10.77.0.1"
_SWITCH = "switch"


@dataclass(frozen=True)
class Machine:
    """A network namespace, held by a process.

    Attributes:
        number: the last part of its address.
        namespace: the file of its network.
    """

    number: int
    namespace: str

    @property
    def address(self) -> str:
        """Its address on the switch."""
        return f"10.77.0.{self.number}"

    @property
    def inside(self) -> list[str]:
        """The command that runs a command there."""
        return ["nsenter", f"--net={self.namespace}"]

    def plug(self, *, into: bool) -> None:
        """Plug its cable into the switch, or pull it: nobody is told that it is gone."""
        run(f"ip link set port{self.number} {'up' if into else 'down'}")


def switch() -> None:
    """Make a switch in the namespace of this process, which has the first address on it."""
    run("ip link set lo up")
    run(f"ip link add {_SWITCH} type bridge")
    run(f"ip addr add {OURS}/24 dev {_SWITCH}")
    run(f"ip link set {_SWITCH} up")


@contextmanager
def machine(number: int) -> Iterator[Machine]:
    """A machine on the switch, until the block ends."""
    # `cat` waits for us: the line that it sends back says that its namespace is there.
    with subprocess.Popen(
        ["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write(b"here\n")
        holder.stdout.readline()
        made = Machine(number, f"/proc/{holder.pid}/ns/net")
        run(f"ip link add port{number} type veth peer name eth0 netns {holder.pid}")
        run(f"ip link set port{number} master {_SWITCH} up")
        inside = " ".join(made.inside)
        for line in ("link set lo up", f"addr add {made.address}/24 dev eth0", "link set eth0 up"):
            run(f"{inside} ip {line}")
        try:
            yield made
        finally:
            holder.stdin.close()


def run(command: str) -> None:
    """Run a command, which is to end well."""
    subprocess.run(command.split(), check=True, cwd=Path("/"))
