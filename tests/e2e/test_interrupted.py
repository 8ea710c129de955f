"""`sandbox up` and what it starts, killed at any moment: the next run makes whole what is there."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

import pytest
from conftest import Sandbox, wait_until
from harness.sandbox import gone

VICTIMS = ["postgresql", "central", "site edge-a", "site edge-b"]


@pytest.fixture
def lone():
    folder = tempfile.mkdtemp(prefix="pgswarm-e2e-")
    s = Sandbox(folder)
    yield s
    s.ctl("sandbox", "down", check=False)
    shutil.rmtree(folder, ignore_errors=True)


def killed_after(sandbox, seconds):
    """A run of `sandbox up` that is SIGKILLed after so long; all it started goes on."""
    p = subprocess.Popen(["swarmctl", "sandbox", "up"], env=sandbox.env, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    try:
        p.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()


def test_killed_at_any_moment(lone):
    for i, seconds in enumerate((0.05, 0.4, 0.9, 1.5, 2.2, 3.0)):
        killed_after(lone, seconds)
        pid = lone.pids().get(VICTIMS[i % len(VICTIMS)])
        if pid:
            with contextlib.suppress(ProcessLookupError):  # what was killed before may have taken it along
                os.kill(pid, signal.SIGKILL)
            wait_until("it is dead", lambda: gone(pid))
    lone.ctl("sandbox", "up")
    assert lone.ctl("sandbox", "status").returncode == 0
    # Central may still take a satellite for connected that was so before it was killed.
    online = lambda: [s["name"] for s in lone.json("satellite", "list")["items"] if s["state"] == "approved" and s["connected"]]
    wait_until("both are connected", lambda: sorted(online()) == ["edge-a", "edge-b"], 90)


def test_up_again_changes_nothing(lone):
    lone.ctl("sandbox", "up")
    before = lone.pids()
    lone.ctl("sandbox", "up")
    assert lone.pids() == before
    lone.ctl("sandbox", "down")
    assert not any(lone.pids().values())
    p = lone.ctl("sandbox", "down", "--purge", check=False)
    assert p.returncode == 12, "removing data needs a word"
    lone.ctl("sandbox", "down", "--purge", "--yes")
    assert not os.path.exists(f"{lone.folder}/state")
