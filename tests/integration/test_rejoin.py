"""Coming back behind another leader: the real sidecar and launcher of one member, real PostgreSQL on both sides. The
leader is a bare launcher that the test drives; the lease is the test's."""
import datetime
import glob
import json
import os
import shutil
import signal
import threading

import pytest
from kubeapi_fake import LEASES
from launcher_util import *
from sidecar_util import CLUSTER, LEASE, FakeKube, Pod
from test_launcher_roles import down, forked, grant_rewind, pair, promote, replayed, streaming, tool_of


@pytest.fixture
def kube():
    k = FakeKube()
    yield k
    k.close()


@pytest.fixture
def nodes(kube):
    """make("node-0") gives the member under test (no sidecar yet), others are bare."""
    made = []

    def make(name, sidecar=None, **kw):
        ordinal = int(name[-1])
        if ordinal == 0 if sidecar is None else sidecar:
            n = Pod(kube, ordinal, replicas=3)
        else:
            n = Node(f"{CLUSTER}-{ordinal}", **kw)
        n.major, n.root = make.major, make.root
        made.append(n)
        return Node.launch(n)

    make.major, make.root = 15, None
    yield make
    for n in made:
        n.stop()


class Lead:
    """The lease in the name of a node, renewed as a sidecar would."""

    def __init__(self, kube, node, epoch):
        self.kube, self.node, self.epoch, self.stop = kube, node, epoch, threading.Event()
        node.query("select pg_create_physical_replication_slot('member_' || i) from generate_series(0, 2) i "
                   "where not exists (select from pg_replication_slots where slot_name = 'member_' || i)")
        self.write()
        self.thread = threading.Thread(target=self.renew, daemon=True)
        self.thread.start()

    def write(self):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
        now = now.replace("+00:00", "Z")
        system_id = self.node.query("select system_identifier::text from pg_control_system()")[0][0]
        obj = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
               "metadata": {"name": LEASE, "namespace": self.kube.ns, "uid": "lease",
                            "annotations": {"pg-swarm.io/primary-addr": f"127.0.0.1:{self.node.port}",
                                            "pg-swarm.io/system-id": system_id}},
               "spec": {"holderIdentity": self.node.name, "leaseTransitions": self.epoch,
                        "leaseDurationSeconds": 15, "renewTime": now, "acquireTime": now}}
        with self.kube.cond:
            exists = (LEASES.format(self.kube.ns), LEASE) in self.kube.objects
            self.kube.put(LEASES.format(self.kube.ns), obj, "MODIFIED" if exists else "ADDED")

    def renew(self):
        while not self.stop.wait(2):
            now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
            self.kube.edit_lease(LEASE, {"spec": {"renewTime": now.replace("+00:00", "Z")}})

    def end(self):
        self.stop.set()
        self.thread.join()


@pytest.fixture
def lead(kube):
    made = []

    def make(node, epoch):
        for old in made:
            old.end()
        made.append(Lead(kube, node, epoch))
        return made[-1]

    yield make
    for m in made:
        m.end()


def decisions(pod):
    try:
        return open(f"{pod.base}/run/decisions", errors="replace").read()
    except FileNotFoundError:
        return ""


def back(pod, leader):
    """The member is a ready replica of the leader, with its rows."""
    pod.wait_ready("replica")
    streaming(leader, pod)
    pod.wait_ready("replica")  # a receiver that asks for WAL which is gone also streams, for a moment
    replayed(leader, pod)
    assert pod.query("select count(*) from t") == leader.query("select count(*) from t")
    assert pod.query("select pg_is_in_recovery()") == [(True,)]


def use(nodes, major):
    if major != 15:
        nodes.major, nodes.root = major, pg_root(major)
        if not nodes.root:
            pytest.skip(f"tools/pg-root {major} has not been run, or this is not root")


@pytest.mark.parametrize("major", [15, 17])
def test_forked_primary_is_rewound(nodes, lead, major):
    use(nodes, major)
    a, b = forked(nodes)
    lead(b, 2)
    t0 = time.monotonic()
    a.start_sidecar()
    back(a, b)
    print(f"rejoined in {time.monotonic() - t0:.2f} s")
    assert "pg_rewind: Done!" in a.log() and "rejoin.clone" not in decisions(a)
    assert "rejoin.rewind" in decisions(a)
    assert a.query("select to_regclass('only_here')") == [(None,)]


@pytest.mark.parametrize("major", [15, 17])
def test_clean_handover_needs_no_rewind(nodes, lead, major):
    use(nodes, major)
    a, b = pair(nodes)
    grant_rewind(a)
    a.query("insert into t select generate_series(1, 1000)")
    a.client.call(STOP, mode=FAST)
    promote(b)
    b.query("insert into t values (-1)")
    lead(b, 2)
    a.start_sidecar()
    back(a, b)
    assert "pg_rewind" not in a.log() and "rejoin.stream" in decisions(a)


def test_rewind_waits_for_the_promotion_checkpoint(nodes, lead):
    a, b = pair(nodes, conf="checkpoint_timeout = 1h\ncheckpoint_completion_target = 0.9\n"
                            "max_wal_size = 4GB\nshared_buffers = 64MB")
    grant_rewind(a)
    a.query("insert into t select generate_series(1, 300000)")  # dirty pages make the checkpoint slow
    replayed(a, b)
    b.client.call(SEAL, epoch=2)
    wait_until("no receiver", lambda: b.query("select 1 from pg_stat_wal_receiver") == [])
    a.query("insert into t select generate_series(1, 1000)")
    a.client.call(STOP, mode=IMMEDIATE)
    promote(b)
    assert b.query("select timeline_id from pg_control_checkpoint()") == [(1,)]
    lead(b, 2)
    a.start_sidecar()
    wait_until("it waits", lambda: "has not checkpointed" in a.sidecar_log())
    assert b.query("select timeline_id from pg_control_checkpoint()") == [(1,)]
    assert "pg_rewind" not in a.log()
    b.query("checkpoint")
    back(a, b)
    assert "pg_rewind: Done!" in a.log()


def test_wal_for_the_rewind_is_gone(nodes, lead):
    a, b = forked(nodes)
    for _ in range(3):
        b.query("select pg_switch_wal()")
        b.query("checkpoint")
    lead(b, 2)
    a.start_sidecar()
    back(a, b)
    assert "no longer has the WAL" in a.sidecar_log()
    assert "rejoin.clone" in decisions(a) and "pg_rewind" not in a.log()
    # What it had is kept aside until the new one has streamed a while.
    assert len(glob.glob(f"{a.base}/volume/pgdata.old.*")) == 1
    assert a.client.status()["old_data"] > 20 << 20


def test_replica_whose_wal_is_gone_is_cloned_anew(nodes, lead):
    b = nodes("node-1")
    b.initdb()
    b.start_primary()
    b.add_repl_user()
    grant_rewind(b)
    b.query("create table t (x int)")
    lead(b, 1)
    a = nodes("node-0")
    a.start_sidecar()
    back(a, b)
    a.stop_pod()
    wait_until("its walsender has gone", lambda: b.query(
        "select active from pg_replication_slots where slot_name = 'member_0'") == [(False,)])
    b.query("select pg_drop_replication_slot('member_0')")
    for _ in range(4):
        b.query("insert into t values (1)")
        b.query("select pg_switch_wal()")
        b.query("checkpoint")
    b.query("select pg_create_physical_replication_slot('member_0')")
    a.launch()
    a.connect()
    back(a, b)
    assert "no longer has the WAL that this standby needs" in a.sidecar_log()
    assert "has already been removed" in a.log()


def ahead(nodes, running):
    """node-1 leads from a fork; node-0 is a standby that had received more than that from node-2."""
    c = nodes("node-2")
    c.initdb()
    c.start_primary()
    c.add_repl_user()
    grant_rewind(c)
    c.query("create table t (x int)")
    b, a = nodes("node-1"), nodes("node-0")
    for n in (b, a):
        n.clone(c)
        n.start_standby(c)
        streaming(c, n)
    replayed(c, b)
    b.client.call(SEAL, epoch=2)
    wait_until("no receiver", lambda: b.query("select 1 from pg_stat_wal_receiver") == [])
    c.query("insert into t select generate_series(1, 5000)")
    c.query("create table only_here as select 1 as x")
    replayed(c, a)
    c.client.call(STOP, mode=IMMEDIATE)
    if not running:
        a.client.call(STOP, mode=KILL)
    promote(b)
    b.query("insert into t values (-1)")
    b.query("checkpoint")
    return a, b


@pytest.mark.parametrize("running,major", [(False, 15), (True, 15), (True, 17)])
def test_standby_beyond_the_fork_is_found_and_rewound(nodes, lead, running, major):
    use(nodes, major)
    a, b = ahead(nodes, running)
    lead(b, 2)
    a.start_sidecar()
    back(a, b)
    assert a.query("select to_regclass('only_here')") == [(None,)]
    # It never streamed from the leader with what the leader does not have.
    assert "forked off current database system timeline" not in a.log()
    # A standby that was stopped while it ran may have recycled what a rewind begins with.
    assert "rejoin.rewind" in decisions(a) or running and "rejoin.clone" in decisions(a)


def test_standby_behind_the_fork_just_follows(nodes, lead):
    a, b = pair(nodes)
    c = nodes("node-2")
    grant_rewind(a)
    c.clone(a)
    c.start_standby(a)
    streaming(a, c)
    a.query("insert into t values (1)")
    replayed(a, c)
    replayed(a, b)
    a.client.call(STOP, mode=FAST)
    promote(b)
    lead(b, 2)
    # node-0 was shut down cleanly; use it as the standby of the moment after, twice over.
    a.start_sidecar()
    back(a, b)
    pid = a.client.status()["pid"]
    # The leader changes once more while it runs: a look at the lines, and no restart.
    c.client.call(FOLLOW, **c.upstream(b, epoch=2))
    streaming(b, c)
    replayed(b, c)
    replayed(b, a)
    b.client.call(STOP, mode=FAST)
    promote(c, epoch=3)
    c.query("insert into t values (3)")
    lead(c, 3)
    wait_until("follows the next", lambda: a.client.status().get("leader") == c.name)
    back(a, c)
    assert a.client.status()["pid"] == pid
    assert "pg_rewind" not in a.log()


@pytest.mark.parametrize("major", [15, 17])
def test_rewind_killed_again_and_again(nodes, lead, major):
    """The whole pod dies at several points of the rewind; in the end it is back, rewound or cloned."""
    use(nodes, major)
    a, b = forked(nodes)
    b.query("create table big as select repeat('x', 1000) from generate_series(1, 20000)")
    lead(b, 2)
    for sign in ("postgres", "pg_rewind", "rewinding from"):
        seen = a.log().count("rewinding from")
        a.start_sidecar()
        # A rewind that was through, or a clone, never says it.
        wait_until(sign, lambda: (a.log().count("rewinding from") > seen if sign == "rewinding from"
                                  else tool_of(a, sign)) or a.ready("replica"))
        if a.ready("replica"):
            break
        a.kill_sidecar()
        a.kill()
        wait_until("nothing of it lives",
                   lambda: not tool_of(a, "pg_rewind") and not tool_of(a, "postgres"))
        Node.launch(a)
    if not a.sidecar or a.sidecar.poll() is not None:
        a.start_sidecar()
    back(a, b)
    assert a.query("select to_regclass('only_here')") == [(None,)]


def test_promoted_by_hand_comes_back(nodes, lead):
    b = nodes("node-1")
    b.initdb()
    b.start_primary()
    b.add_repl_user()
    grant_rewind(b)
    b.query("create table t (x int)")
    lead(b, 1)
    a = nodes("node-0")
    a.start_sidecar()
    back(a, b)
    pid = a.client.status()["pid"]
    a.look("select pg_promote(false)")  # its end may be quicker than the answer
    wait_until("stopped", lambda: "somebody promoted" in a.log())
    b.query("insert into t values (1)")
    wait_until("it runs again", lambda: a.client.status().get("pid", pid) not in (0, pid))
    back(a, b)


def test_data_of_another_cluster_is_not_touched(nodes, lead):
    a, b = nodes("node-0"), nodes("node-1")
    for n in (a, b):
        n.initdb()
    a.start_primary()
    a.query("create table mine as select 1 as x")
    a.client.call(STOP, mode=FAST)
    b.start_primary()
    b.add_repl_user()
    grant_rewind(b)
    lead(b, 2)
    a.start_sidecar()
    wait_until("it says so", lambda: "not touched" in a.readyz()[1])
    a.kill_sidecar()
    a.start_primary()
    assert a.query("select x from mine") == [(1,)]


def test_data_deleted_is_cloned_never_initialised(nodes, lead):
    a, b = pair(nodes)
    grant_rewind(a)
    replayed(a, b)
    promote(b)
    lead(b, 2)
    shutil.rmtree(a.pgdata, ignore_errors=True)
    down(a)
    shutil.rmtree(a.pgdata, ignore_errors=True)
    a.start_sidecar()
    back(a, b)
    assert "initdb" not in a.sidecar_log().replace("pg_initdb", "")


def test_old_directory_goes_when_asked(nodes, lead):
    a, b = forked(nodes)
    lead(b, 2)
    a.clone(b, epoch=2)
    assert a.client.status()["old_data"] > 20 << 20
    a.start_sidecar()
    back(a, b)
    # Ten minutes are not waited for here; that it stays until then is.
    assert a.client.status()["old_data"] > 20 << 20
    json.dumps(decisions(a))
    a.client.call(FORGET)
    assert not a.client.status().get("old_data")
    back(a, b)


def test_paused_member_is_left_as_it_is(nodes, lead, kube):
    a, b = ahead(nodes, running=True)
    held = lead(b, 2)
    held.kube.edit_lease(LEASE, {"metadata": {"annotations": {
        "pg-swarm.io/paused": json.dumps({"by": "anna", "operation": "op-1"})}}})
    pid = a.client.status()["pid"]
    a.start_sidecar()
    wait_until("it says so", lambda: "paused: coming back would" in a.sidecar_log())
    assert a.client.status()["pid"] == pid and "pg_rewind" not in a.log()
    held.kube.edit_lease(LEASE, {"metadata": {"annotations": {"pg-swarm.io/paused": None}}})
    back(a, b)
    assert "pg_rewind: Done!" in a.log()
