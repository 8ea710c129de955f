"""The launcher against real PostgreSQL: seal, promote, rewind, fence, sync, and SIGKILLs in between."""
import glob
import os
import shutil
import signal
import subprocess
import time

import psycopg2
import pytest
from launcher_util import *


@pytest.fixture
def nodes():
    made = []

    def make(name="node-0", **kw):
        made.append(Node(name, **kw))
        return made[-1].launch()

    yield make
    for n in made:
        n.stop()


def pair(nodes, conf="", **kw):
    """A primary at epoch 1 and a standby that streams from it."""
    a = nodes("node-0", **kw)
    a.write_config(conf)
    a.initdb()
    a.start_primary()
    a.add_repl_user()
    a.query("create table t (x int)")
    b = nodes("node-1", **kw)
    b.clone(a)
    b.start_standby(a)
    streaming(a, b)
    return a, b


def streaming(leader, follower):
    wait_until(f"{follower.name} streams", lambda: follower.streams_from(leader))


def sealed(n):
    """Word is given for epoch 2, and the receiver is gone that was there."""
    n.client.call(SEAL, epoch=2)
    wait_until("no receiver", lambda: n.query("select 1 from pg_stat_wal_receiver") == [])


def replayed(leader, follower):
    lsn = leader.query("select pg_current_wal_lsn()")[0][0]
    wait_until("replayed", lambda: follower.query(
        "select pg_last_wal_replay_lsn() >= %s::pg_lsn", lsn) == [(True,)])


def promote(n, epoch=2, permit_ms=PERMIT_MS, **kw):
    while True:
        try:
            return n.client.call(PROMOTE, epoch=epoch, deadline=boot_ms() + permit_ms, **kw)
        except Refused as e:
            if "the deadline passed" not in str(e):  # before it was heard of
                raise


def down(n):
    wait_until("PostgreSQL down", lambda: n.client.status().get("pg", DOWN) == DOWN)


def controldata(n):
    out = subprocess.check_output(["/usr/lib/postgresql/15/bin/pg_controldata", n.pgdata],
                                  text=True, env=dict(os.environ, LC_ALL="C"))
    return {k: v.strip() for k, v in (line.split(":", 1) for line in out.splitlines() if ":" in line)}


def lsn(text):
    hi, lo = text.split("/")
    return int(hi, 16) << 32 | int(lo, 16)


def test_control_file_as_pg_controldata_has_it(nodes):
    a, b = pair(nodes)
    a.query("insert into t select generate_series(1, 1000)")
    replayed(a, b)
    b.query("checkpoint")
    states = {"in production": 6, "in archive recovery": 5, "shut down": 1,
              "shut down in recovery": 2}

    def told(n):
        s = n.client.status()
        return [s.get(k, 0) for k in ("db_state", "ckpt_lsn", "ckpt_redo", "ckpt_timeline", "min_recovery_lsn",
                                      "min_recovery_timeline")]

    def found(n):
        c = controldata(n)
        return [states[c["Database cluster state"]], lsn(c["Latest checkpoint location"]),
                lsn(c["Latest checkpoint's REDO location"]), int(c["Latest checkpoint's TimeLineID"]),
                lsn(c["Minimum recovery ending location"]), int(c["Min recovery ending loc's timeline"])]

    for n in (a, b):
        # Two looks, and a node that runs may write the file in between.
        wait_until(f"{n.name} tells what is in its control file", lambda n=n: told(n) == found(n))
        n.client.call(STOP, mode=FAST)
        assert told(n) == found(n)


def test_seal_drops_the_upstream_and_lasts(nodes):
    a, b = pair(nodes)
    sealed(b)
    s = b.client.status()
    assert (s["sealed"], s["epoch"], s["stamp_epoch"]) == (2, 1, 1)
    a.query("insert into t values (1)")
    # Restarted it still knows its word, and comes up following nobody.
    b.kill()
    b.launch()
    assert b.client.status()["sealed"] == 2
    with pytest.raises(Refused, match="or be sealed"):
        b.client.call(START, role=STANDBY, epoch=1)
    b.client.call(START, role=STANDBY, epoch=1, sealed=2)
    b.wait_accepts()
    assert b.query("select count(*) from t") == [(0,)]
    assert b.query("select pg_is_in_recovery()") == [(True,)]
    with pytest.raises(Refused, match="sealed for 2"):
        promote(b, epoch=1)
    b.client.call(FOLLOW, **b.upstream(a))
    streaming(a, b)
    assert not b.client.status().get("sealed")
    wait_until("the row", lambda: b.query("select count(*) from t") == [(1,)])


def test_promote_is_through_when_it_answers(nodes):
    a, b = pair(nodes)
    a.query("insert into t values (1)")
    replayed(a, b)
    b.client.call(SEAL, epoch=2)
    t0 = time.monotonic()
    promote(b, sync='ANY 1 ("node-0.e2")')
    took = time.monotonic() - t0
    print(f"promotion answered after {took * 1000:.0f} ms")
    assert b.query("select pg_is_in_recovery()") == [(False,)]
    assert b.query("show synchronous_standby_names") == [('ANY 1 ("node-0.e2")',)]
    assert b.query("select current_setting('pgswarm.promoted_epoch')") == [("2",)]
    s = b.client.status()
    assert (s["role"], s["stamp_role"], s["epoch"], s["stamp_epoch"]) == (PRIMARY, PRIMARY, 2, 2)
    assert (s["promoted_epoch"], s["timeline"]) == (2, 2)
    assert not s.get("in_recovery") and not s.get("sealed")
    promote(b)  # asked again: the same answer
    with pytest.raises(Refused, match="at epoch 2"):
        promote(b, epoch=3)
    m = b.client.call(HISTORY)
    assert m["timeline"] == 2 and m["text"].startswith("1 0/")
    with pytest.raises(Refused):
        b.client.call(HISTORY, timeline=3)
    # Its data is a primary's from now on, and the old epoch is past.
    b.client.call(SYNC, sync="")
    wait_until("nobody waited for", lambda: b.query("show synchronous_standby_names") == [("",)])
    b.client.call(STOP, mode=FAST)
    with pytest.raises(Refused, match="is past"):
        b.client.call(START, role=PRIMARY, epoch=1, deadline=boot_ms() + 5000)
    b.start_primary(epoch=2)
    assert b.client.status()["promoted_epoch"] == 2
    assert b.query("select current_setting('pgswarm.promoted_epoch')") == [("2",)]


def test_commits_wait_from_the_first_moment_after_promotion(nodes):
    a, b = pair(nodes)
    b.client.call(SYNC, sync='ANY 1 ("nobody.e1")')
    wait_until("the names on the standby",
               lambda: b.query("show synchronous_standby_names") == [('ANY 1 ("nobody.e1")',)])
    b.client.call(SEAL, epoch=2)
    promote(b, sync='ANY 1 ("nobody.e2")')
    conn = b.sql(options="-c statement_timeout=0")
    conn.autocommit = True
    cur = conn.cursor()
    cur.execute("set lock_timeout = 0")
    other = b.sql()
    import threading
    done = []
    t = threading.Thread(target=lambda: (cur.execute("insert into t values (7)"), done.append(1)))
    t.start()
    wait_until("the commit waits", lambda: b.query(
        "select 1 from pg_stat_activity where wait_event = 'SyncRep'"))
    assert not done
    b.client.call(SYNC, sync="")
    t.join(60)
    assert done
    other.close()
    conn.close()


def test_promote_permit_runs_out_in_the_middle(nodes):
    a, b = pair(nodes)
    sealed(b)
    b.freeze()
    wait_until("the stop noticed", lambda: b.client.status().get("stopped_at"))
    with pytest.raises(Refused, match="ended before"):
        promote(b, permit_ms=2000)
    s = b.client.status()
    assert s["stamp_role"] == STANDBY and s["permits_expired"] == 1
    with pytest.raises(Refused, match="promotion only"):
        b.client.call(START, role=PRIMARY, epoch=2, deadline=boot_ms() + 5000)
    b.client.call(START, role=STANDBY, epoch=2, sealed=2)
    b.wait_accepts()
    assert b.query("select pg_is_in_recovery()") == [(True,)]
    promote(b, epoch=3)
    assert b.query("select pg_is_in_recovery()") == [(False,)]


def history_of(n, timeline):
    with open(f"{n.pgdata}/pg_wal/{timeline:08X}.history") as f:
        return f.read()


def test_launcher_killed_during_promotions(nodes):
    """At whatever instant: the data comes up as the standby it was, or as the primary it was made, never as a primary
    on the timeline that it shares with others."""
    a, b = pair(nodes)
    a.query("insert into t values (1)")
    replayed(a, b)
    a.client.call(STOP, mode=FAST)
    b.client.call(SEAL, epoch=2)
    epoch, timeline, rows, seen = 2, 1, 1, []
    for delay_ms in (0, 1, 2, 4, 6, 8, 10, 12, 15, 18, 22, 30):
        b.client.send(PROMOTE, epoch=epoch, deadline=boot_ms() + 60000)
        end = time.monotonic() + delay_ms / 1000
        while time.monotonic() < end:
            pass
        b.kill()
        b.launch()
        s = b.client.status()
        assert s["data"] == READY, s
        seen.append(s["stamp_role"])
        epoch += 1
        if s["stamp_role"] == PRIMARY:
            assert s["timeline"] > timeline, s
            timeline = s["timeline"]
            b.start_primary(epoch=epoch)
            assert b.query("select pg_is_in_recovery()") == [(False,)]
            b.query("insert into t values (1)")
            rows += 1
            b.client.call(STOP, mode=IMMEDIATE)
        else:
            with pytest.raises(Refused, match="promotion only"):
                b.client.call(START, role=PRIMARY, epoch=epoch, deadline=boot_ms() + 5000)
        b.client.call(START, role=STANDBY, epoch=epoch, sealed=epoch)
        b.wait_accepts()
        assert b.query("select pg_is_in_recovery()") == [(True,)]
        wait_until("replayed", lambda: b.query("select count(*) from t") == [(rows,)])
    print("after the kills:", ["", "primary", "standby"][1:], seen)
    b.client.call(PROMOTE, epoch=epoch, deadline=boot_ms() + 60000)
    assert b.query("select count(*) from t") == [(rows,)]
    newest = b.client.call(HISTORY)["timeline"]
    assert newest > timeline
    # The history knows every promotion that got there, and each only once.
    ancestors = [int(line.split()[0]) for line in history_of(b, newest).splitlines() if line.strip()]
    assert ancestors == sorted(set(ancestors)) and ancestors[0] == 1


def test_promotion_by_hand_is_stopped_and_marked(nodes):
    a, b = pair(nodes)
    t0 = boot_ms()
    try:
        b.query("select pg_promote(false)")
    except psycopg2.Error:
        pass  # it was quicker than the answer
    down(b)
    assert boot_ms() - t0 < 20000
    assert b.client.status()["data"] == MARKED
    for fields in (dict(role=PRIMARY, epoch=9, deadline=boot_ms() + 5000),
                   dict(role=STANDBY, epoch=9, sealed=10)):
        with pytest.raises(Refused, match="half rewound"):
            b.client.call(START, **fields)
    assert "somebody promoted" in b.log()
    grant_rewind(a)
    try:
        rewind(b, a)
    except Refused as e:  # it was quick to recycle the segment that the last common checkpoint is in
        assert "could not open file" in str(e)
        b.clone(a)
    b.start_standby(a)
    streaming(a, b)


def test_stopped_postmaster_is_told(nodes):
    a, _ = pair(nodes)
    a.client.call(WATCH)

    def stopped():
        pid = a.client.status()["pid"]
        os.kill(pid, signal.SIGSTOP)
        t0 = boot_ms()
        while True:
            m = a.client.recv(30)
            if m["kind"] == STATE and m.get("stopped_at"):
                break
        took = boot_ms() - t0
        os.kill(pid, signal.SIGCONT)
        wait_until("it goes on", lambda: not a.client.status().get("stopped_at"))
        return took

    def ended():
        if a.client.status().get("pg", DOWN) == DOWN:
            a.start_primary()
        os.kill(a.client.status()["pid"], signal.SIGSTOP)
        t0 = boot_ms()
        a.client.call(STOP, mode=IMMEDIATE)
        took = boot_ms() - t0
        assert a.processes() == []
        return took

    quickly(300, stopped)
    quickly(450, ended)  # half a second has whoever may hear


def test_postmaster_killed_with_many_backends_and_started_again(nodes):
    """The group is verified dead before anything is cleaned; both quickly."""
    a, _ = pair(nodes)
    a.client.call(WATCH)

    def death():
        conns = [a.sql() for _ in range(30)]
        pid = a.client.status()["pid"]
        t0 = boot_ms()
        os.kill(pid, signal.SIGKILL)
        while True:
            m = a.client.recv(30)
            if m["kind"] == STATE and not m.get("pg"):
                break
        t1 = boot_ms()
        assert a.processes() == []
        assert not os.path.exists(f"{a.pgdata}/postmaster.pid")
        a.start_primary()
        t2 = boot_ms()
        print(f"group dead after {t1 - t0} ms, accepts again {t2 - t1} ms later")
        for c in conns:
            c.close()
        return t1 - t0

    quickly(450, death)


def turned_away(n):
    try:
        n.sql().close()
        return False
    except psycopg2.OperationalError as e:
        return "rejects" in str(e)


def test_fence_outlives_restarts_and_belongs_to_its_operation(nodes):
    a, b = pair(nodes)
    a.client.call(FENCE, operation="op-1")
    wait_until("clients are turned away", lambda: turned_away(a))
    a.client.call(FENCE, operation="op-1")
    for kind, op, why in ((FENCE, "op-2", "op-1 has fenced"), (UNFENCE, "op-2", "of operation op-1"),
                          (FENCE, "", "an id"), (FENCE, "a b", "an id")):
        with pytest.raises(Refused, match=why):
            a.client.call(kind, operation=op)
    s = a.client.status()
    assert (s["fenced"], s["operation"]) == (1, "op-1")
    a.client.call(STOP, mode=FAST)
    a.kill()
    a.launch()
    a.client.call(START, role=PRIMARY, epoch=1, deadline=boot_ms() + PERMIT_MS)
    # Replication and the local socket get in.
    socket_query = ["psql", "-h", f"{a.base}/run", "-p", str(a.port), "-U", "postgres", "-Atc",
                    "select count(*) from pg_stat_replication"]
    wait_until("the standby is back", lambda: subprocess.run(
        [*DEMOTE, *socket_query], env=dict(os.environ, PGPASSWORD=a.PASSWORD), capture_output=True,
        text=True).stdout.strip() == "1")
    assert turned_away(a)
    a.client.call(UNFENCE, operation="op-1")
    a.wait_accepts()
    assert not a.client.status().get("fenced")
    a.client.call(UNFENCE, operation="op-1")
    a.client.call(FENCE, operation="op-3")
    a.client.call(UNFENCE)  # whoever's it is
    a.wait_accepts()


# ---- rewind ----

REWIND_GRANTS = ("pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)",
                 "pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)")


def grant_rewind(n):
    for f in REWIND_GRANTS:
        n.query(f"grant execute on function pg_catalog.{f} to repl_user")


def rewind(n, leader, epoch=1):
    """As the sidecar does it: one that got on its timeline by halves is stopped in order, and rewound once more."""
    n.client.call(REWIND, **n.upstream(leader, epoch=epoch))
    if n.client.status()["timeline"] > leader.client.status()["timeline"]:
        n.client.call(START, role=STANDBY, epoch=epoch, sealed=epoch)
        n.wait_accepts()
        n.client.call(STOP, mode=FAST)
        n.client.call(REWIND, **n.upstream(leader, epoch=epoch))


def forked(nodes, clean=False, **kw):
    """node-1 was promoted; node-0, the old primary, went on a little by itself and is down."""
    a, b = pair(nodes, **kw)
    grant_rewind(a)
    a.query("insert into t select generate_series(1, 20000)")
    replayed(a, b)
    sealed(b)
    a.query("insert into t select 1 from generate_series(1, 20000)")
    a.query("create table only_here as select generate_series(1, 20000) as x")
    a.client.call(STOP, mode=FAST if clean else IMMEDIATE)
    promote(b)
    b.query("insert into t values (-1)")
    b.query("checkpoint")
    return a, b


def rewound(a, b, epoch=2):
    """node-0 is down behind node-1 and is whole: it streams, and has the same rows."""
    s = a.client.status()
    assert (s["data"], s["stamp_role"]) == (READY, STANDBY)
    a.start_standby(b, epoch=epoch)
    streaming(b, a)
    replayed(b, a)
    assert a.query("select count(*) from t") == b.query("select count(*) from t")
    assert a.query("select to_regclass('only_here')") == [(None,)]
    assert a.query("select count(*) from pg_class where relname = 'only_here'") == [(0,)]


@pytest.mark.parametrize("clean", [False, True])
def test_rewind_brings_a_forked_primary_back(nodes, clean):
    # A clean shutdown throws away WAL that a rewind would need.
    a, b = forked(nodes, clean, wal=True, conf="wal_keep_size = 256MB")
    a.client.call(REWIND, **a.upstream(b, epoch=2))
    s = a.client.status()
    assert s["stamp_epoch"] == 2 and not s.get("promoted_epoch")
    rewound(a, b)


def test_rewind_without_the_wal_changes_nothing(nodes):
    a, b = forked(nodes, clean=True)
    with pytest.raises(Refused, match="pg_rewind"):
        a.client.call(REWIND, **a.upstream(b, epoch=2))
    assert a.client.status()["data"] == READY
    a.clone(b, epoch=2)
    rewound(a, b)


def test_rewind_that_cannot_begin_changes_nothing(nodes):
    a, b = forked(nodes)
    b.client.call(STOP, mode=FAST)
    with pytest.raises(Refused, match="pg_rewind"):
        a.client.call(REWIND, **a.upstream(b, epoch=2))
    s = a.client.status()
    assert (s["data"], s["stamp_role"], s["stamp_epoch"]) == (READY, PRIMARY, 1)
    with pytest.raises(Refused, match="of cluster"):
        a.client.call(REWIND, system_id=7, **a.upstream(b, epoch=2))
    a.start_primary(epoch=3)
    assert a.query("select count(*) from only_here") == [(20000,)]


def tool_of(n, name):
    """Children of the launcher's worker by name."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                args = f.read().split(b"\0")
        except OSError:
            continue
        if args[0].endswith(b"/" + name.encode()) and n.pgdata.encode() in b" ".join(args):
            return int(pid)
    return None


def stopped_tool(n):
    """The crash recovery or the pg_rewind of a rewind, once it is stopped in the middle; None when it has just ended."""
    pid = tool_of(n, "postgres") or tool_of(n, "pg_rewind")
    if not pid:
        return None
    try:
        os.kill(pid, signal.SIGSTOP)
        return pid if process_state(pid) == "T" else None
    except OSError:
        return None


@pytest.mark.parametrize("when", ["recovery", "tool", "late"])
def test_launcher_killed_during_rewind(nodes, when):
    a, b = forked(nodes)
    b.query("create table big as select repeat('x', 1000) from generate_series(1, 30000)")
    a.client.send(REWIND, **a.upstream(b, epoch=2))
    # A tool that ran between two looks is not seen, but heard of.
    tool = "postgres" if when == "recovery" else "pg_rewind"
    wait_until(tool, lambda: tool_of(a, tool) or "rewinding from" in a.log())
    if when == "late":
        wait_until("the first bytes", lambda: "rewinding from" in a.log() or not tool_of(a, "pg_rewind"))
    a.kill()
    wait_until("nothing of it lives", lambda: not tool_of(a, "pg_rewind") and not tool_of(a, "postgres"))
    a.launch()
    s = a.client.status()
    if s["data"] == MARKED:
        with pytest.raises(Refused, match="half rewound"):
            a.client.call(START, role=PRIMARY, epoch=3, deadline=boot_ms() + 5000)
        with pytest.raises(Refused, match="half rewound"):
            a.client.call(START, role=STANDBY, **a.upstream(b, epoch=2))
        with pytest.raises(Refused, match="not empty"):
            a.client.call(INITDB, password="x", epoch=9)
        with pytest.raises(Refused, match="forget: refused"):
            a.client.call(FORGET)
    try:
        a.client.call(REWIND, **a.upstream(b, epoch=2))
    except Refused as e:
        print("rewind again:", e)
        a.clone(b, epoch=2)
    rewound(a, b)


def rewind_stopped_in_the_middle(nodes):
    while True:  # both tools may be through between two looks
        a, b = forked(nodes)
        a.client.send(REWIND, **a.upstream(b, epoch=2))
        if wait_until("a tool in the middle, or the end",
                      lambda a=a: stopped_tool(a) or (not a.client.status().get("job") and "missed")) != "missed":
            return a, b


def test_clone_over_a_half_rewound_directory(nodes):
    a, b = rewind_stopped_in_the_middle(nodes)
    a.kill()
    wait_until("nothing of it lives", lambda: not tool_of(a, "pg_rewind") and not tool_of(a, "postgres"))
    a.launch()
    assert a.client.status()["data"] == MARKED
    # The mark lasts through a clone that does not get there.
    a.client.send(BASEBACKUP, **a.upstream(b, epoch=2))
    wait_until("pg_basebackup", lambda: glob.glob(f"{a.base}/volume/pgdata.clone") or
               glob.glob(f"{a.base}/volume/pgdata.old.*"))
    a.kill()
    wait_until("nothing of it lives", lambda: not tool_of(a, "pg_basebackup"))
    a.launch()
    s = a.client.status()
    assert s["data"] == MARKED or s.get("old_data")
    a.clone(b, epoch=2)
    s = a.client.status()
    assert s["data"] == READY and s["old_data"] > 20 << 20
    rewound(a, b)
    a.client.call(FORGET)
    assert not a.client.status().get("old_data")
    assert glob.glob(f"{a.base}/volume/pgdata.*") == []


def test_data_deleted_under_a_running_primary(nodes):
    a, b = pair(nodes)
    promote(b)
    shutil.rmtree(a.pgdata, ignore_errors=True)
    down(a)
    shutil.rmtree(a.pgdata, ignore_errors=True)
    assert a.client.status()["data"] == LOST
    with pytest.raises(Refused, match="initdb: refused"):
        a.initdb()
    a.clone(b, epoch=2)
    a.start_standby(b, epoch=2)
    streaming(b, a)
