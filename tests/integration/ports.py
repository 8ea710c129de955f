"""Ports of the loopback for servers that a test starts later, or stops and starts again."""
import os
import re
import socket

# Below the ports that the kernel hands out by itself: one of those may be anybody's before our server has it.
FIRST, SLICE, SLICES = 10000, 1000, 10
WORKER = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or SLICES - 1) % SLICES
claims = []  # of what was given out last: another run must not be given it before its server listens
next_port = os.getpid() * 37 % SLICE  # another run of the tests on this machine begins elsewhere


def free_port():
    """One that nobody has, and that nobody else on this machine is given."""
    global next_port
    for _ in range(SLICE):
        port = FIRST + WORKER * SLICE + next_port
        next_port = (next_port + 1) % SLICE
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            try:
                claim.bind(f"\0pgswarm-test-port-{port}")
                s.bind(("127.0.0.1", port))
                claims.append(claim)
                if len(claims) > SLICE // 2:
                    claims.pop(0).close()
                return port
            except OSError:
                claim.close()
    raise OSError(f"no port is free from {FIRST + WORKER * SLICE} on")


def free_range(n):
    """n in a row, for a program that gives them out by itself: the first and the last."""
    row = []
    for _ in range(SLICE):
        port = free_port()
        row = row + [port] if row and port == row[-1] + 1 else [port]
        if len(row) == n:
            return row[0], row[-1]
    raise OSError(f"no {n} ports in a row are free from {FIRST + WORKER * SLICE} on")
