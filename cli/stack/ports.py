"""Ports of the loopback: which are free, and who holds one that is not."""

from __future__ import annotations

import socket

from functions.shared.errors import Misconfigured

LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(preferred: int = 0) -> int:
    """`preferred` when it is free, else any free one."""
    if preferred and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def holder(port: int) -> str:
    """Who listens on a port, e.g. `python3.11 (pid 4711)`; empty where the system does not tell."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return ""
    for found in connections:
        if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr[1] == port and found.pid:
            try:
                return f"{psutil.Process(found.pid).name()} (pid {found.pid})"
            except psutil.Error:
                return f"pid {found.pid}"
    return ""


def require_free(port: int, option: str) -> None:
    """Raises Misconfigured naming the port, its holder and the option that chooses another."""
    if is_free(port):
        return
    who = holder(port)
    raise Misconfigured(
        f"port {port} is in use" + (f" by {who}" if who else " by another program"),
        mend=f"end that program, or choose another port with {option}", port=port,
    )  # fmt: skip
