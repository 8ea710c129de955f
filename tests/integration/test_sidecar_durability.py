"""Durability at a primary, with real PostgreSQL: who must have a row is recorded in the lease before it is let go of."""
import contextlib
import json
import os
import signal
import threading
import time

import psycopg2
import pytest
from launcher_util import wait_until
from sidecar_util import CLUSTER, LEASE, FakeKube, Pod, notes, stands


@pytest.fixture
def kube():
    k = FakeKube()
    yield k
    k.close()


@pytest.fixture
def cluster(kube):
    pods = []

    def make(n, **env):
        pods.extend(Pod(kube, i, replicas=n, **env) for i in range(n))
        for p in pods:
            p.launch()
        stands(kube, pods)
        return pods

    yield make
    for p in pods:
        p.stop()


def record(kube):
    return json.loads(notes(kube).get("pg-swarm.io/sync", "{}"))


def names(pod):
    return pod.query("show synchronous_standby_names")[0][0]


def member(i):
    return f'"{CLUSTER}-{i}.e1"'


def lose(pod):
    """The whole pod at once, as when its machine dies."""
    pod.kill_sidecar()
    pod.kill()

    def gone():
        left = pod.processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left
    wait_until("nothing of it lives", gone)


class Write(threading.Thread):
    """One insert on a connection of its own; `acked` once the client was told."""

    def __init__(self, pod, value):
        super().__init__(daemon=True)
        self.pod, self.value, self.acked, self.error = pod, value, None, None
        self.start()

    def run(self):
        try:
            self.pod.query("insert into t values (%s)", self.value)
            self.acked = time.time()
        except Exception as e:  # noqa: BLE001: the server went away, which is no acknowledgement
            self.error = e


def waits(write, seconds):
    """Not acknowledged for so long."""
    write.join(seconds)
    assert write.acked is None and write.error is None, write.error


def completed(write, timeout=60):
    write.join(timeout)
    assert write.acked, write.error or "the write was never acknowledged"


def prepared(pod):
    pod.query("create table t (x int)")


def test_performance_waits_for_nobody(kube, cluster):
    a, b = cluster(2, DURABILITY="performance")
    wait_until("the record", lambda: record(kube) == {"mode": "performance", "k": 0, "names": [], "degraded": False})
    assert names(a) == names(b) == ""


def test_protected_blocks_rather_than_lies(kube, cluster):
    a, b, c = cluster(3, DURABILITY="protected")
    want = {"mode": "protected", "k": 1, "names": [b.name, c.name], "degraded": False}
    wait_until("the record", lambda: record(kube) == want)
    assert names(a) == f"ANY 1 ({member(1)},{member(2)})"
    # A standby waits from its first commit as a primary on, so it has names as well.
    assert names(b) and names(c)
    prepared(a)
    lose(b)
    completed(Write(a, 1))  # one of two is enough
    lose(c)
    w = Write(a, 2)
    waits(w, 6)
    assert record(kube) == want and names(a) == f"ANY 1 ({member(1)},{member(2)})"
    b.launch()
    completed(w)
    wait_until("it is on the replica", lambda: b.look("select count(*) from t where x = 2") == [(1,)])


def test_available_degrades_with_a_record_and_returns(kube, cluster):
    a, b = cluster(2, DURABILITY="available")
    good = {"mode": "available", "k": 1, "names": [b.name], "degraded": False}
    wait_until("the record", lambda: record(kube) == good)
    prepared(a)
    completed(Write(a, 1))
    looked = wait_until("a look", lambda: a.query(
        "select extract(epoch from max(query_start))::float8 from pg_stat_activity "
        "where query like 'SELECT current_setting(''synchronous_standby_names'')%'")[0][0])
    start = time.time()
    lose(b)
    w = Write(a, 2)
    completed(w)
    # Not before it was recorded, and not for long. The 2 s count from the last look that saw a follower.
    assert record(kube)["degraded"] is True and record(kube)["k"] == 0
    assert w.acked - looked > 2 and w.acked - start < 30
    wait_until("the decision", lambda: "sync.degraded" in open(f"{a.base}/run/decisions").read())
    wait_until("the log", lambda: "kind=durability.degraded" in a.sidecar_log())
    completed(Write(a, 3))
    b.launch()
    wait_until("again", lambda: record(kube) == good)
    assert names(a) == f"ANY 1 ({member(1)})"
    wait_until("the rows", lambda: b.look("select count(*) from t where x in (2, 3)") == [(2,)])
    wait_until("the log", lambda: "kind=durability.restored" in a.sidecar_log())


def test_available_names_who_is_there(kube, cluster):
    """A follower that is gone for long is not named any more, so that the other one's vote is enough."""
    a, b, c = cluster(3, DURABILITY="available")
    wait_until("both", lambda: record(kube).get("names") == [b.name, c.name])
    lose(c)
    wait_until("one", lambda: record(kube) == {"mode": "available", "k": 1, "names": [b.name], "degraded": False})
    assert names(a) == f"ANY 1 ({member(1)})"
    c.launch()
    wait_until("both again", lambda: record(kube).get("names") == [b.name, c.name])


def test_nothing_is_let_go_while_the_api_is_away(kube, cluster):
    a, b = cluster(2, DURABILITY="available", LEASE_SECONDS="30")  # the permit is not what ends the write
    wait_until("the record", lambda: record(kube).get("k") == 1)
    prepared(a)
    kube.away = True
    lose(b)
    w = Write(a, 1)
    waits(w, 5)
    assert record(kube)["degraded"] is False
    kube.away = False
    completed(w)
    assert record(kube)["degraded"] is True


def test_alter_system_is_taken_back(kube, cluster):
    a, b = cluster(2, DURABILITY="protected")
    want = f"ANY 1 ({member(1)})"
    wait_until("in force", lambda: names(a) == want)
    a.query("alter system set synchronous_standby_names = ''")
    a.query("select pg_reload_conf()")
    # Empty for a second at most, which a look may miss.
    wait_until("let go", lambda: names(a) == "" or "kind=durability.overridden" in a.sidecar_log())
    wait_until("in force again", lambda: names(a) == want)
    wait_until("the log", lambda: "kind=durability.overridden" in a.sidecar_log())


def test_a_frozen_follower_counts_as_gone(kube, cluster):
    """Its TCP connection stands, but nothing answers."""
    a, b = cluster(2, DURABILITY="available")
    wait_until("the record", lambda: record(kube).get("k") == 1)
    prepared(a)
    pids = [b.sidecar.pid, b.proc.pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    pids += b.freeze()
    try:
        start = time.time()
        w = Write(a, 1)
        completed(w)
        assert w.acked - start < 50  # wal_sender_timeout is of 60 s
        assert record(kube)["degraded"] is True
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    wait_until("again", lambda: record(kube)["degraded"] is False)


def slots(pod):
    return dict(pod.query("select slot_name, restart_lsn::text from pg_replication_slots"))


def test_slots_for_every_member_on_every_node(kube, cluster):
    """Whoever leads next has them, at what it still has; they move, and those of members that are no more go."""
    a, b, c = cluster(3)
    for pod, others in ((a, "12"), (b, "02"), (c, "01")):
        wait_until(f"slots of {pod.name}", lambda p=pod, o=others: sorted(slots(p)) == [f"member_{i}" for i in o], 90)
    before = slots(b)["member_2"]
    a.query("create table t as select generate_series(1, 10000) x")
    a.query("checkpoint")
    lsn = a.query("select redo_lsn::text from pg_control_checkpoint()")[0][0]
    # With the record of the checkpoint itself, or there is nothing to make a restartpoint at.
    end = a.query("select pg_current_wal_lsn()::text")[0][0]
    wait_until("replayed", lambda: b.query("select pg_last_wal_replay_lsn() >= %s::pg_lsn", end)[0][0])
    b.query("checkpoint")  # a restartpoint
    wait_until("moved", lambda: b.query("select restart_lsn >= %s::pg_lsn from pg_replication_slots"
                                        " where slot_name = 'member_2'", lsn)[0][0], 90)
    assert slots(b)["member_2"] != before
    for p in (a, b, c):  # the cluster shrinks
        with open(f"{p.base}/config/members", "w", encoding="ascii") as f:
            f.write("2\n")
    lose(c)
    for pod, others in ((a, "1"), (b, "0")):
        wait_until(f"slots of {pod.name}", lambda p=pod, o=others: sorted(slots(p)) == [f"member_{i}" for i in o], 90)


class Writers:
    """Clients that insert numbers wherever writes are taken, and remember each one they were told is there."""

    def __init__(self, pods, n=3):
        self.pods, self.acked, self.stop, self.lock = pods, [], threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(n)]
        for t in self.threads:
            t.start()

    def run(self, i):
        value, at = i, 0
        while not self.stop.is_set():
            try:
                conn = self.pods[at % len(self.pods)].sql(connect_timeout=2)
                with contextlib.closing(conn), conn.cursor() as cur:
                    cur.execute("show transaction_read_only")
                    if cur.fetchone()[0] == "on":
                        raise psycopg2.OperationalError("a standby")
                    while not self.stop.is_set():
                        value += len(self.threads)
                        cur.execute("insert into t values (%s)", (value,))
                        with self.lock:
                            self.acked.append(value)
                        self.stop.wait(0.01)
            except psycopg2.Error:
                at += 1
                self.stop.wait(0.05)

    def total(self):
        with self.lock:
            return len(self.acked)

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join(30)
        return set(self.acked)


def leader(pods):
    return wait_until("one leads", lambda: next(
        (p for p in pods if p.proc and p.proc.poll() is None and p.ready("primary")), None))


def test_no_acknowledged_row_is_lost(kube, cluster):
    """Primaries and their followers die under writers, one after the other; every member comes back by itself."""
    pods = cluster(3, DURABILITY="protected", LEASE_SECONDS="9")
    wait_until("the record", lambda: record(kube).get("k") == 1)
    prepared(pods[0])
    writers = Writers(pods)
    wait_until("writes", lambda: writers.total() > 50)
    for victim in ("follower", "primary", "primary"):
        first = leader(pods)
        pod = first if victim == "primary" else next(p for p in pods if p is not first)
        lose(pod)
        so_far = writers.total()
        wait_until("writes again", lambda n=so_far: writers.total() > n + 50, 90)
        pod.launch()
        wait_until("all are back", lambda: sum(p.ready() for p in pods) == 3, 90)
        wait_until("all follow", lambda: leader(pods).look(
            "select count(*) from pg_stat_replication where state = 'streaming' and sync_state = 'quorum'") == [(2,)])
    acked = writers.end()
    now = leader(pods)
    there = {row[0] for row in now.query("select x from t")}
    assert not acked - there, f"{len(acked - there)} of {len(acked)} acknowledged rows are gone"
    assert record(kube) == {"mode": "protected", "k": 1, "degraded": False,
                            "names": sorted(p.name for p in pods if p is not now)}
    assert kube.lease(LEASE)["spec"]["leaseTransitions"] >= 3
