"""Elections by real sidecars over real PostgreSQL: who leads when the primary is gone, and what is never lost."""
import contextlib
import os
import signal
import threading
import time

import psycopg2
import pytest
from launcher_util import boot_ms, wait_until
from sidecar_util import LEASE, FakeKube, Pod, notes, stands


@pytest.fixture
def kube():
    k = FakeKube()
    yield k
    k.close()


@pytest.fixture
def cluster(kube):
    pods = []

    def make(n, launch=True, **env):
        pods.extend(Pod(kube, i, replicas=n, **env) for i in range(n))
        if launch:
            for p in pods:
                p.launch()
            stands(kube, pods)
            pods[0].query("create table t (id bigint primary key, who text)")
        return pods

    yield make
    if os.environ.get("PGSWARM_TEST_LOGS"):
        print(logs(pods))
    for p in pods:
        for proc in (p.sidecar, p.proc):
            if proc and proc.poll() is None:
                proc.send_signal(signal.SIGCONT)
        p.stop()


def spec(kube):
    return kube.lease(LEASE)["spec"]


def holder(kube):
    return spec(kube)["holderIdentity"]


def streaming(primary):
    try:
        return primary.query(
            "select count(*) from pg_stat_replication where state = 'streaming'")[0][0]
    except psycopg2.Error:
        return 0


def writable(pod):
    try:
        return not pod.query("select pg_is_in_recovery()")[0][0]
    except psycopg2.Error:
        return False


class Writer(threading.Thread):
    """Inserts ids wherever the label says; what was acknowledged, and by whom when."""

    def __init__(self, kube, pods):
        super().__init__(daemon=True)
        self.kube, self.pods, self.over = kube, {p.name: p for p in pods}, False
        self.acked, self.id = [], 0

    def primary(self):
        for name in self.pods:
            if self.kube.role(name) == "primary":
                return self.pods[name]
        return None

    def run(self):
        conn, who = None, None
        while not self.over:
            try:
                if conn is None:
                    who = self.primary()
                    if who is None:
                        time.sleep(0.005)  # poll
                        continue
                    conn = who.sql(connect_timeout=2, options="-c statement_timeout=1000")
                self.id += 1
                with conn.cursor() as cur:
                    cur.execute("insert into t values (%s, %s)", (self.id, who.name))
                self.acked.append((self.id, who.name, boot_ms()))
                time.sleep(0.005)  # pace of the load
            except psycopg2.Error:
                conn = None
                time.sleep(0.02)  # poll

    def stop(self):
        self.over = True
        self.join(60)
        assert not self.is_alive(), "what it is told from here on would be missed"

    def gap_ms(self, since):
        """The longest time without an acknowledgement that ends after `since`."""
        at = [t for _, _, t in self.acked]
        return max(b - a for a, b in zip(at, at[1:]) if b >= since)

    def first_after(self, t):
        return next((a for a in self.acked if a[2] > t), None)


@pytest.fixture
def writer(kube):
    made = []

    def make(pods):
        w = Writer(kube, pods)
        made.append(w)
        w.start()
        wait_until("writes", lambda: len(w.acked) > 20)
        return w

    yield make
    for w in made:
        w.stop()


def lead(pods, not_this=None, timeout=60):
    def found():
        return next((p for p in pods if p is not not_this and p.ready("primary")), None)
    return wait_until("somebody leads", found, timeout)


def check_rows(writer, primary, lossless=True):
    have = {r[0] for r in primary.query("select id from t")}
    missing = [a for a in writer.acked if a[0] not in have]
    if lossless:
        assert not missing, f"{len(missing)} acknowledged rows are gone, the first: {missing[:3]}"
    return missing


def no_overlap(writer):
    """Once another has acknowledged a write, the one before never does again."""
    seen = []
    for _, who, _ in writer.acked:
        if not seen or seen[-1] != who:
            assert who not in seen, f"{who} wrote again after {seen[-1]}"
            seen.append(who)
    return seen


def logs(pods):
    return "\n".join(f"==== {p.name}\n{p.sidecar_log()[-5000:]}\n{p.log()[-2500:]}" for p in pods)


def test_pod_killed_whole(kube, cluster, writer):
    """Sidecar, launcher and PostgreSQL at once, without a word: the lease runs out, and not before."""
    pods = a, b, c = cluster(3, LEASE_SECONDS="12")
    w = writer(pods)
    t0 = boot_ms()
    a.sidecar.send_signal(signal.SIGKILL)
    a.proc.send_signal(signal.SIGKILL)
    new = lead(pods, not_this=a)
    t1 = boot_ms()
    wait_until("writes again", lambda: w.first_after(t1))
    # Its last renewal let the old one write for 7 s, so 5 s are left at least.
    assert t1 - t0 > 5000, "nobody may lead before the lease is over"
    assert spec(kube)["leaseTransitions"] == 2 and holder(kube) == new.name
    assert kube.role(a.name) != "primary"
    other = b if new is c else c
    wait_until("the other follows", lambda: streaming(new) == 1)
    other.wait_ready("replica")
    w.stop()
    print(f"gap {w.gap_ms(t0)} ms")
    check_rows(w, new, lossless=False)
    no_overlap(w)


def test_protected_loses_nothing(kube, cluster, writer):
    pods = a, b, c = cluster(3, LEASE_SECONDS="9", DURABILITY="protected")
    w = writer(pods)
    wait_until("the record says so", lambda: '"k":1' in notes(kube).get("pg-swarm.io/sync", ""))
    n = len(w.acked)
    wait_until("writes under it", lambda: len(w.acked) > n + 50)
    a.sidecar.send_signal(signal.SIGKILL)
    a.proc.send_signal(signal.SIGKILL)
    new = lead(pods, not_this=a)
    t1 = boot_ms()
    wait_until("writes again", lambda: w.first_after(t1))
    w.stop()
    check_rows(w, new)
    no_overlap(w)


def test_protected_refuses_without_votes(kube, cluster):
    """Primary and one replica of three gone: the third says what is missing, and leads when it is told to."""
    pods = a, b, c = cluster(3, LEASE_SECONDS="9", DURABILITY="protected")
    wait_until("the record says so", lambda: '"k":1' in notes(kube).get("pg-swarm.io/sync", ""))
    for p in (a, b):
        p.sidecar.send_signal(signal.SIGKILL)
        p.proc.send_signal(signal.SIGKILL)
    wait_until("it says what is missing", lambda: all(
        s in c.readyz()[1] for s in ("missing", a.name, b.name)))
    assert not writable(c) and spec(kube)["leaseTransitions"] == 1
    kube.edit_lease(LEASE, {"metadata": {"annotations": {"pg-swarm.io/failover":
                    '{"operation":"op-1","to":"","accept_data_loss":true}'}}})
    wait_until("it leads", lambda: writable(c))
    assert holder(kube) == c.name and "rows may be lost" in c.sidecar_log()


def test_pod_deleted(kube, cluster, writer):
    """A clean end: PostgreSQL is down, the lease let go, and the next one leads at once."""
    pods = a, b, c = cluster(3, LEASE_SECONDS="60")
    w = writer(pods)
    t0 = boot_ms()
    a.stop_pod()
    new = lead(pods, not_this=a)
    t1 = boot_ms()
    wait_until("writes again", lambda: w.first_after(t1))
    w.stop()
    print(f"gap {w.gap_ms(t0)} ms")
    assert w.gap_ms(t0) < 40000  # the lease is of 60 s
    check_rows(w, new)
    no_overlap(w)
    assert spec(kube)["leaseTransitions"] == 2 and holder(kube) == new.name
    wait_until("the other follows", lambda: streaming(new) == 1)


def test_second_death_within_a_minute_moves_the_primary(kube, cluster, writer):
    pods = a, b, c = cluster(3)
    w = writer(pods)
    os.kill(a.postmaster(), signal.SIGKILL)
    wait_until("followed again", lambda: streaming(a) == 2)  # by a new connection, so there is a new postmaster
    a.wait_ready("primary")
    t0 = boot_ms()
    wait_until("again in place", lambda: w.first_after(t0))
    assert spec(kube)["leaseTransitions"] == 1
    t0 = boot_ms()
    os.kill(a.postmaster(), signal.SIGKILL)
    new = lead(pods, not_this=a)
    t1 = boot_ms()
    wait_until("writes again", lambda: w.first_after(t1))
    w.stop()
    print(f"gap {w.gap_ms(t0)} ms")
    assert spec(kube)["leaseTransitions"] == 2
    no_overlap(w)
    wait_until("the other follows", lambda: streaming(new) >= 1)


@pytest.mark.parametrize("who", ["postmaster", "all"])
def test_frozen_postgresql(kube, cluster, writer, who):
    pods = a, b, c = cluster(3, LEASE_SECONDS="60")
    w = writer(pods)
    t0 = boot_ms()
    if who == "all":
        a.freeze()
    else:
        os.kill(a.postmaster(), signal.SIGSTOP)
    new = lead(pods, not_this=a)
    t1 = boot_ms()
    wait_until("writes again", lambda: w.first_after(t1))
    w.stop()
    print(f"gap {w.gap_ms(t0)} ms, other leads after {t1 - t0} ms")
    assert t1 - t0 < 50000  # the lease is of 60 s, and was renewed all the time
    no_overlap(w)
    assert spec(kube)["leaseTransitions"] == 2


def test_a_new_primary_that_freezes_at_once_is_replaced_too(kube, cluster):
    """Who follows it is known when they come, not by the next look at all figures."""
    pods = a, b, c = cluster(3, HEALTH_INTERVAL_SECONDS="300", LEASE_SECONDS="60", DURABILITY="available")
    for p in pods:
        p.write_config("log_replication_commands = on\nlog_statement = all")
    wait_until("all is logged", lambda: all(p.query("show log_statement") == [("all",)] for p in pods))
    a.freeze()
    new = lead(pods, not_this=a)
    wait_until("followed", lambda: streaming(new) >= 1)
    wait_until("it was asked who follows", lambda: "wal_buffers_full" in new.log().rpartition("START_REPLICATION")[2])
    new.freeze()
    lead(pods, not_this=new)
    assert spec(kube)["leaseTransitions"] == 3


def test_a_label_that_changed_meanwhile_is_not_taken_away(kube, cluster):
    """The old primary may be a replica by the time that its label is to go, and does not write that twice."""
    pods = a, b, c = cluster(3, LEASE_SECONDS="9")
    a.sidecar.send_signal(signal.SIGSTOP)  # so that whoever writes its pod is the new primary

    def before(method, path):
        if method == "PATCH" and path.endswith(f"/pods/{a.name}"):
            kube.before = None
            kube.set_role(a.name, "replica")
    kube.before = before
    new = lead(pods, not_this=a)
    wait_until("labelled", lambda: kube.role(new.name) == "primary")
    assert kube.before is None and kube.role(a.name) == "replica"


def test_reads_go_on_until_another_leads(kube, cluster):
    """A node that is gone says nothing: its standbys lose their stream long before anybody may be promoted."""
    pods = a, b = cluster(2)
    b.write_config("wal_receiver_timeout = 3s")
    wait_until("an impatient receiver", lambda: b.query("show wal_receiver_timeout") == [("3s",)])
    for p in (a.proc, a.sidecar):
        p.send_signal(signal.SIGSTOP)
    a.freeze()
    wait_until("the standby serves without a stream",
               lambda: b.readyz() == (200, "ready replica epoch=1 the standby does not stream\n"))
    seen = []
    wait_until("it leads", lambda: seen.append(b.readyz()) or "primary" in seen[-1][1], 30)
    assert {code for code, _ in seen} == {200}, seen


def test_who_is_cut_off_from_a_living_primary_serves_no_reads(kube, cluster):
    a, b = cluster(2)
    (user,) = a.query("select usename from pg_stat_replication")[0]
    a.query(f'alter role "{user}" nologin')
    a.query("select pg_terminate_backend(pid) from pg_stat_replication")
    wait_until("not ready", lambda: b.readyz() == (503, "not ready replica epoch=1 the standby does not stream\n"))
    a.query(f'alter role "{user}" login')
    b.wait_ready("replica")


def test_frozen_sidecar_is_replaced_and_thaws_without_harm(kube, cluster, writer):
    pods = a, b, c = cluster(3, LEASE_SECONDS="9")
    w = writer(pods)
    a.sidecar.send_signal(signal.SIGSTOP)
    new = lead(pods, not_this=a)
    t1 = boot_ms()
    wait_until("writes again", lambda: w.first_after(t1))
    taken = spec(kube)["leaseTransitions"]
    a.sidecar.send_signal(signal.SIGCONT)
    a.wait_ready("replica")  # it knows
    w.stop()
    no_overlap(w)
    assert spec(kube)["leaseTransitions"] == taken and holder(kube) == new.name


def test_nobody_leads_while_the_api_is_away_then_one(kube, cluster):
    pods = a, b, c = cluster(3, LEASE_SECONDS="9")
    kube.away = True
    a.sidecar.send_signal(signal.SIGKILL)
    a.proc.send_signal(signal.SIGKILL)
    gone = time.monotonic()
    while time.monotonic() < gone + 12:
        assert not writable(b) and not writable(c)
        time.sleep(0.1)  # the fault is time itself
    kube.away = False
    new = lead(pods, not_this=a)
    assert holder(kube) == new.name
    wait_until("the other follows", lambda: streaming(new) == 1)


def test_lease_taken_by_an_outsider_who_vanishes(kube, cluster):
    pods = a, b, c = cluster(3, LEASE_SECONDS="12")
    kube.edit_lease(LEASE, {"spec": {"holderIdentity": "somebody-else", "leaseTransitions": 9}})
    wait_until("the primary stops", lambda: not a.ready("primary") and not writable(a))
    new = lead(pods)
    assert spec(kube)["leaseTransitions"] == 10 and holder(kube) == new.name
    wait_until("all follow", lambda: streaming(new) == 2, 90)


def test_lease_deleted_while_nobody_runs(kube, cluster):
    pods = a, b, c = cluster(3, LEASE_SECONDS="9")
    a.query("insert into t values (1, 'x')")
    for p in pods:
        p.stop_pod()
    kube.delete_lease(LEASE)
    for p in pods:
        p.launch()
    new = lead(pods, timeout=90)
    assert new.query("select id from t") == [(1,)]
    assert spec(kube)["leaseTransitions"] >= 2
    wait_until("all follow", lambda: streaming(new) == 2, 90)


def test_all_restart_at_once(kube, cluster, writer):
    pods = cluster(3, LEASE_SECONDS="60")  # for so long whoever has less waits for the one that has all
    w = writer(pods)
    for p in pods:
        p.sidecar.send_signal(signal.SIGTERM)
        p.proc.send_signal(signal.SIGTERM)
    for p in pods:
        p.proc.wait(70)
        p.sidecar.wait(70)
    for p in pods:
        p.launch()
    new = lead(pods, timeout=90)
    wait_until("all follow", lambda: streaming(new) == 2)
    w.stop()
    check_rows(w, new)
    assert all("clone.started" not in p.sidecar_log().split("asked to end")[-1] for p in pods)


def test_promoted_by_hand(kube, cluster):
    a, b = cluster(2)
    with contextlib.suppress(psycopg2.OperationalError):  # it may be stopped before it has answered
        b.query("select pg_promote(false)")
    wait_until("it is stopped", lambda: "somebody promoted" in b.log() and not writable(b))
    assert holder(kube) == a.name and spec(kube)["leaseTransitions"] == 1
    wait_until("it follows again", lambda: streaming(a) == 1)
    assert a.ready("primary")


def test_sidecar_restart_keeps_the_lease(kube, cluster):
    a, b = cluster(2)
    started = a.query("select pg_postmaster_start_time()")
    a.kill_sidecar(signal.SIGTERM)
    assert holder(kube) == a.name
    a.start_sidecar()
    a.wait_ready("primary")
    assert a.query("select pg_postmaster_start_time()") == started
    assert spec(kube)["leaseTransitions"] == 1


def test_paused(kube, cluster):
    a, b = cluster(2, LEASE_SECONDS="12")
    kube.edit_lease(LEASE, {"metadata": {"annotations": {
        "pg-swarm.io/paused": '{"by":"anna","operation":"op-1"}'}}})
    a.stop_pod()
    wait_until("it says why", lambda: "paused" in b.readyz()[1])
    assert not writable(b) and spec(kube)["leaseTransitions"] == 1
    kube.edit_lease(LEASE, {"metadata": {"annotations": {"pg-swarm.io/paused": None}}})
    b.wait_ready("primary")
    assert spec(kube)["leaseTransitions"] == 2


def test_letting_go_while_the_lease_is_read(kube, cluster):
    """Nothing but the end of that read tells that the lease may be written now."""
    a, b = cluster(2, LEASE_SECONDS="12")
    kube.edit_lease(LEASE, {"metadata": {"annotations": {
        "pg-swarm.io/paused": '{"by":"anna","operation":"op-1"}'}}})  # nobody else's write wakes it up
    refused, reading, read = threading.Event(), threading.Event(), threading.Event()

    def before(method, path):
        if method == "PUT" and path.endswith(LEASE) and not refused.is_set():
            refused.set()
            return kube.status(409, "Conflict", LEASE)
        if method == "GET" and path.endswith(LEASE) and not reading.is_set():
            reading.set()
            read.wait(20)
    kube.before = before
    assert reading.wait(20)
    a.proc.send_signal(signal.SIGTERM)
    a.sidecar.send_signal(signal.SIGTERM)
    a.proc.wait(70)
    wait_until("it wants to let go", lambda: "action=release" in a.sidecar_log())
    read.set()
    a.sidecar.wait(70)  # who is not told gives up after 55 s, and holds the lease then
    assert spec(kube)["holderIdentity"] == ""


def test_launcher_that_stands_still(cluster):
    """Its dead-man switch is gone: the lease is kept, so that nobody else leads, and that is told."""
    a, b = cluster(2)
    a.proc.send_signal(signal.SIGSTOP)
    try:
        wait_until("it is told", lambda: "kind=launcher.silent" in a.sidecar_log())
        assert writable(a) and not writable(b)
    finally:
        a.proc.send_signal(signal.SIGCONT)
    # It looks at the clock first: its permit is long over, so it stops PostgreSQL, whatever has come meanwhile.
    wait_until("it is told again", lambda: "kind=launcher.answers" in a.sidecar_log())
    assert a.sidecar_log().count("kind=launcher.silent") == 1
    wait_until("one leads", lambda: [writable(p) for p in (a, b)].count(True) == 1)


def test_forced_failover(kube, cluster):
    pods = a, b, c = cluster(3)
    kube.edit_lease(LEASE, {"metadata": {"annotations": {"pg-swarm.io/failover":
                    '{"operation":"op-1","to":"%s","accept_data_loss":false}' % c.name}}})
    new = lead(pods, not_this=a)
    assert new is c and spec(kube)["leaseTransitions"] == 2
    assert "pg-swarm.io/failover" not in notes(kube)
