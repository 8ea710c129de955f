"""Operations whose driver, target or primary dies at a chosen step: each ends in one of the four ends, nobody stays
fenced, nothing acknowledged is lost.

A step is written into the satellite's log before it acts; that line is what the killer waits for. All steps and all
victims: PGSWARM_CHAOS=1."""
import glob
import json
import os
import signal
import threading
import time

import pytest

from harness.load import now_us
from harness.player import Player
from harness.sandbox import wait_until
from harness.spec import parse
from harness.stage import Stage

SPEC = """# An operation under load.
scenario 26 operation
tags chaos
cluster members=3 durability=protected
load writers=4 every=10
step nothing
  say here
expect
  gap <= 60s
"""
STEPS = ["verify target", "verify primary", "pre-flight", "fence", "stop", "transfer", "promote", "route", "follow"]
ALL = os.environ.get("PGSWARM_CHAOS")
STATES = {"done", "rolled_back", "failed", "unknown"}


@pytest.fixture(scope="module")
def stage():
    s = Stage()
    yield s
    s.close()


@pytest.fixture
def player(stage):
    scenario = parse("operation.spec", SPEC)
    c = stage.cluster(scenario.topology)
    p = Player(scenario, c, stage.sandbox.folder)
    c.wait_whole(3, 90)
    p.start_load()
    try:
        yield p
    finally:
        for job in p.jobs.values():
            job.kill()
        p.load.stop()
        c.forget()


# ---- processes of the sandbox, by pod ----

def children_of(top):
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                text = f.read()
        except OSError:
            continue
        parents[int(text.split(" ", 1)[0])] = int(text.rpartition(")")[2].split()[1])

    def below(pid):
        while pid in parents:
            if pid == top:
                return True
            pid = parents[pid]
        return False
    return [pid for pid in parents if below(pid)]


def processes(sandbox, site, pod_env, name=None):
    """Pids in the site whose environment says pod_env (POD_NAME=...), optionally of this program only."""
    out = []
    for pid in children_of(sandbox.pids()[f"site {site}"]):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                env = f.read().split(b"\0")
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
        except OSError:
            continue
        if (not pod_env or pod_env.encode() in env) and (not name or os.path.basename(argv[0]).decode() == name):
            out.append(pid)
    return out


def killer(p, pids, *what):
    """Stops them on the spot, and has the site kill them, which starts them again however often that was."""
    def act():
        for pid in pids:
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                pass
        p.c.sandbox.ctl("sandbox", "kill", *what)
    return act


def satellite_logs(sandbox, site):
    return glob.glob(f"{sandbox.folder}/state/sites/{site}/logs/pgswarm-system_pg-swarm-satellite-*/*/*.log")


class At(threading.Thread):
    """Does `what` as soon as the satellite's log says that the step runs."""

    def __init__(self, sandbox, site, step, what):
        super().__init__(daemon=True)
        self.where = sandbox, site
        self.files = {path: os.path.getsize(path) for path in satellite_logs(sandbox, site)}
        self.mark, self.what, self.done_at, self.stop = f'name="{step}" status=running', what, None, False
        if " " not in step:
            self.mark = f"name={step} status=running"
        self.start()

    def run(self):
        while not self.stop:
            for path in satellite_logs(*self.where):
                try:
                    with open(path, errors="replace") as f:
                        f.seek(self.files.get(path, 0))
                        text = f.read()
                except OSError:
                    continue  # of an earlier life
                if self.mark in text:
                    self.what()
                    self.done_at = now_us()
                    return
            time.sleep(0.001)  # poll


def operation(p, ident):
    return p.c.sandbox.json("op", "show", ident)


def begin(p, *args):
    out = p.c.sandbox.ctl("cluster", *args, "--detach", "--yes", "-o", "json").stdout
    return json.loads(out)["id"]


def ended(p, ident, seconds=180):
    return wait_until(f"the end of {ident}", lambda: (o := operation(p, ident))["state"] in STATES and o, seconds)


def primary(p):
    return wait_until("one primary", p.c.primary)


def unfenced(p):
    for pod in p.c.pods():
        wait_until(f"{pod} lets a client in", lambda: p.c.sql("select 1", pod) == [("1",)])


def judged(p):
    p.until("60s", "a write after it", lambda: p.acked_since(now_us() - 1000000))
    p.c.wait_whole(3, 90)
    unfenced(p)
    p.marks["fault"] = 0
    return p.judge()


def test_a_switchover_loses_nothing(player):
    p = player
    old = primary(p)
    p.marks["fault"] = now_us()
    ident = begin(p, "switchover", p.c.name)
    o = ended(p, ident)
    assert o["state"] == "done", o
    assert primary(p) == o["target"] != old
    wait_until("all its steps are told", lambda: [(s["name"], s["status"]) for s in operation(p, ident)["steps"]] == [
        (s, "done") for s in STEPS])
    p.c.wait_whole(3, 90)
    unfenced(p)
    m = p.judge()
    print(f"switchover: gap {m['gap']:.0f} ms; " + ", ".join(f"{s['name']} {s['took_ms']}" for s in o["steps"]))
    assert m["gap"] <= 3000, m


def some(steps):
    return STEPS if ALL else steps


@pytest.mark.parametrize("step", some(["fence", "transfer"]))
def test_the_satellite_dies(player, step):
    p, site = player, player.c.site
    pids = processes(p.c.sandbox, site, "", "pg-swarm-satellite")
    assert pids, "no satellite"
    at = At(p.c.sandbox, site, step, killer(p, pids, "--satellite", "--site", site, "--pod"))
    o = ended(p, begin(p, "switchover", p.c.name))
    wait_until("killed", lambda: at.done_at)
    assert o["state"] in ("done", "rolled_back"), o
    judged(p)
    print(f"satellite killed at {step}: {o['state']} {o['error']}")


@pytest.mark.parametrize("step", some(["stop", "promote"]))
def test_the_target_dies(player, step):
    p, site = player, player.c.site
    to = wait_until("a replica", p.c.replicas)[0]
    pids = processes(p.c.sandbox, site, f"POD_NAME={to}")
    assert pids
    at = At(p.c.sandbox, site, step, killer(p, pids, p.c.name, to, "--pod"))
    o = ended(p, begin(p, "switchover", p.c.name, "--to", to))
    wait_until("killed", lambda: at.done_at)
    assert o["state"] in STATES, o
    judged(p)
    print(f"target killed at {step}: {o['state']} {o['error']}")


@pytest.mark.parametrize("step", some(["stop"]))
def test_the_old_primarys_sidecar_dies(player, step):
    p, site = player, player.c.site
    old = primary(p)
    pids = processes(p.c.sandbox, site, f"POD_NAME={old}", "pg-swarm-failover-sidecar")
    assert pids
    at = At(p.c.sandbox, site, step, killer(p, pids, p.c.name, old, "--process", "sidecar"))
    o = ended(p, begin(p, "switchover", p.c.name))
    wait_until("killed", lambda: at.done_at)
    assert o["state"] in STATES, o
    judged(p)
    print(f"sidecar of the old primary killed at {step}: {o['state']} {o['error']}")


def test_a_person_is_waited_for(player):
    p = player
    old = primary(p)
    ident = begin(p, "switchover", p.c.name, "--interactive")
    wait_until("it waits", lambda: operation(p, ident)["state"] == "waiting")
    asked = now_us()
    p.until("30s", "writes go on meanwhile", lambda: p.acked_since(asked))
    p.c.sandbox.ctl("op", "abort", ident, "--yes", check=False)
    o = ended(p, ident)
    assert o["state"] == "rolled_back" and primary(p) == old, o
    ident = begin(p, "switchover", p.c.name, "--interactive")
    wait_until("it waits", lambda: operation(p, ident)["state"] == "waiting")
    p.c.sandbox.ctl("op", "continue", ident)
    o = ended(p, ident)
    assert o["state"] == "done" and primary(p) != old, o
    judged(p)


def test_a_rolling_restart(player):
    p = player
    since = lambda pod: wait_until(f"{pod} answers", lambda: p.c.sql("select pg_postmaster_start_time()", pod))
    started = {pod: since(pod) for pod in p.c.pods()}
    assert len(started) == 3
    o = ended(p, begin(p, "restart", p.c.name, "--rolling"), 300)
    assert o["state"] == "done", o
    p.c.wait_whole(3, 90)
    for pod, at in started.items():
        assert since(pod) != at, pod
    judged(p)


def test_a_new_copy(player):
    p = player
    pod = wait_until("a replica", p.c.replicas)[-1]
    o = ended(p, begin(p, "reinit", p.c.name, pod), 300)
    assert o["state"] == "done", o
    judged(p)


def test_a_failover_that_somebody_asked_for(player):
    p = player
    old, to = primary(p), wait_until("a replica", p.c.replicas)[-1]
    o = ended(p, begin(p, "failover", p.c.name, "--to", to))
    assert o["state"] == "done" and o["target"] == to, o
    assert primary(p) == to != old
    judged(p)


def test_a_paused_cluster_is_switched_by_hand(player):
    p = player
    assert ended(p, begin(p, "pause", p.c.name))["state"] == "done"
    old = primary(p)
    o = ended(p, begin(p, "switchover", p.c.name))
    assert o["state"] == "done" and primary(p) == o["target"] != old, o
    assert ended(p, begin(p, "resume", p.c.name))["state"] == "done"
    judged(p)
