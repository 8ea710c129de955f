"""The launcher against real PostgreSQL: initdb, start, stop, clone, permit, log, refusals."""
import os
import random
import re
import signal
import subprocess
import threading

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


def primary_of(nodes, **kw):
    n = nodes("node-0", **kw)
    n.initdb()
    n.start_primary()
    return n


def test_version_help_and_install(tmp_path):
    exe = f"{BIN}/pg-swarm-launcher"
    assert "pg-swarm-launcher" in subprocess.check_output([exe, "--version"], text=True)
    assert "PGDATA" in subprocess.check_output([exe, "--help"], text=True)
    subprocess.run([exe, "--install", f"{tmp_path}/copy"], check=True)
    assert open(exe, "rb").read() == open(f"{tmp_path}/copy", "rb").read()
    assert os.stat(f"{tmp_path}/copy").st_mode & 0o777 == 0o755
    assert subprocess.run([exe, "--bogus"], capture_output=True).returncode == 2


def test_initdb_start_stop(nodes):
    n = nodes()
    assert n.client.status().get("data", EMPTY) == EMPTY
    n.initdb(epoch=3)
    s = n.client.status()
    assert (s["data"], s["stamp_role"], s["stamp_epoch"]) == (READY, PRIMARY, 3)
    assert s["timeline"] == 1 and s["pg_major"] == 15
    n.start_primary(epoch=3)
    assert n.query("select system_identifier::text from pg_control_system()")[0][0] == \
        str(s["system_id"])
    assert n.query("show data_checksums") == [("on",)]
    n.client.call(STOP, mode=FAST)
    assert n.client.status().get("pg", DOWN) == DOWN
    assert n.processes() == []
    wait_until("its last words", lambda: "database system is shut down" in n.log())


def test_secrets_stay_out_of_files_and_log(nodes):
    a = primary_of(nodes)
    a.add_repl_user()
    b = nodes("node-1")
    b.clone(a)
    b.start_standby(a)
    assert b.mode("run/replication.pgpass") == 0o600
    assert b.mode("run/launcher.sock") == 0o660
    for n in (a, b):
        assert not os.path.exists(f"{n.base}/run/initdb.password")
        for path in (f"{n.base}/run/postgresql.conf", f"{n.base}/run/pg_hba.conf",
                     f"{n.base}/launcher.log", f"{n.pgdata}/postgresql.auto.conf"):
            text = open(path, errors="replace").read()
            assert n.PASSWORD not in text and n.REPL_PASSWORD not in text, path


def test_clone_streams_with_slot_and_survives_repointing(nodes):
    a = primary_of(nodes)
    a.add_repl_user()
    a.query("select pg_create_physical_replication_slot('member_1')")
    a.query("create table t as select 1 as x")
    b = nodes("node-1")
    b.clone(a, slot="member_1")
    s = b.client.status()
    assert (s["data"], s["stamp_role"]) == (READY, STANDBY)
    b.start_standby(a, slot="member_1")
    wait_until("a streaming standby", lambda: b.streams_from(a) and a.query(
        "select application_name from pg_stat_replication where state='streaming'")
        == [("node-1.e1",)])
    assert a.query("select active from pg_replication_slots") == [(True,)]
    a.query("insert into t values (2)")
    wait_until("the row", lambda: b.query("select count(*) from t") == [(2,)])
    assert b.query("select pg_is_in_recovery()") == [(True,)]
    # Same instance under a new epoch: no restart, and the name upstream changes.
    pid = b.client.status()["pid"]
    b.client.call(FOLLOW, slot="member_1", **b.upstream(a, epoch=2))
    wait_until("the new epoch upstream", lambda: a.query(
        "select application_name from pg_stat_replication where state='streaming'")
        == [("node-1.e2",)])
    s = b.client.status()
    assert s["pid"] == pid and s["epoch"] == 2 and s["stamp_epoch"] == 2


def test_clone_makes_a_slot_that_the_primary_lacks(nodes):
    a = primary_of(nodes)
    a.add_repl_user()
    b = nodes("node-7", wal=True)
    b.clone(a, slot="member_7")
    assert a.query("select slot_name from pg_replication_slots") == [("member_7",)]
    b.start_standby(a, slot="member_7")
    wait_until("the slot in use", lambda: a.query("select active from pg_replication_slots")
               == [(True,)])


def test_wal_volume_holds_the_wal_and_reclone_keeps_it_tidy(nodes):
    a = primary_of(nodes, wal=True)
    a.add_repl_user()
    assert os.path.realpath(f"{a.pgdata}/pg_wal").startswith(f"{a.base}/wal/pg_wal-")
    b = nodes("node-1", wal=True)
    b.clone(a)
    first = os.path.realpath(f"{b.pgdata}/pg_wal")
    b.clone(a)
    second = os.path.realpath(f"{b.pgdata}/pg_wal")
    assert first != second and os.path.dirname(second) == f"{b.base}/wal"
    # The old folder is kept beside, and so is its WAL; a third clone lets the first go.
    assert len([d for d in os.listdir(f"{b.base}/volume") if ".old." in d]) == 1
    assert sorted(os.listdir(f"{b.base}/wal")) == sorted(map(os.path.basename, (first, second)))
    b.clone(a)
    assert len(os.listdir(f"{b.base}/wal")) == 2 and os.path.exists(second)
    b.start_standby(a)


def test_initdb_refuses_whatever_held_data(nodes):
    n = nodes()
    n.initdb()
    with pytest.raises(Refused, match="not empty"):
        n.initdb()
    # The folder is gone, but the volume knows that it held a cluster.
    n.kill(signal.SIGTERM)
    os.rename(n.pgdata, n.pgdata + ".away")
    n.launch()
    assert n.client.status()["data"] == LOST
    with pytest.raises(Refused, match="held a cluster"):
        n.initdb()
    assert not os.path.exists(n.pgdata)


def test_foreign_data_is_left_alone(nodes):
    n = nodes()
    os.mkdir(n.pgdata)
    open(f"{n.pgdata}/precious", "w").write("x")
    n.chown()
    assert n.client.status()["data"] == FOREIGN
    for kind, fields in ((INITDB, {"password": "x"}), (BASEBACKUP, n.upstream(n)),
                         (START, {"role": PRIMARY, "deadline": boot_ms() + 5000})):
        with pytest.raises(Refused):
            n.client.call(kind, **fields)
    assert os.listdir(n.pgdata) == ["precious"]


def test_start_refusals(nodes):
    n = nodes()
    n.initdb(epoch=5)
    for fields, why in ((dict(role=PRIMARY, epoch=5), "deadline passed"),
                        (dict(role=PRIMARY, epoch=5, deadline=boot_ms() - 1), "deadline passed"),
                        (dict(role=PRIMARY, epoch=5, deadline=boot_ms() + 10**9), "too far"),
                        (dict(role=PRIMARY, epoch=4, deadline=boot_ms() + 9000), "is past"),
                        (dict(role=STANDBY, epoch=5), "named instance"),
                        (dict(role=7, epoch=5), "not primary or standby")):
        with pytest.raises(Refused, match=why):
            n.client.call(START, **fields)
    assert n.client.status().get("pg", DOWN) == DOWN


def test_standby_data_never_starts_as_primary(nodes):
    a = primary_of(nodes)
    a.add_repl_user()
    b = nodes("node-1")
    b.clone(a)
    with pytest.raises(Refused, match="promotion"):
        b.client.call(START, role=PRIMARY, epoch=2, deadline=boot_ms() + 5000)


def test_clone_of_another_cluster_is_refused(nodes):
    a = primary_of(nodes)
    a.add_repl_user()
    b = nodes("node-1")
    with pytest.raises(Refused, match="of cluster"):
        b.clone(a, system_id=12345)
    assert b.client.status().get("data", EMPTY) == EMPTY
    assert sorted(os.listdir(f"{b.base}/volume")) == []


def writer(node, acks):
    """When each acknowledged write was begun: one follows the other, so whoever lets them go on is seen by that, and a
    test that is slow to take an answer does not pass for it."""
    conn = node.sql()
    with conn.cursor() as cur:
        while True:
            try:
                begun = boot_ms()
                cur.execute("insert into w values (1)")
                acks.append(begun)
            except psycopg2.Error:
                return


def test_a_permit_of_a_new_epoch_is_told_at_once(nodes):
    n = nodes()
    n.initdb()
    n.start_primary()
    n.client.call(WATCH)
    n.client.unasked.clear()
    n.client.call(PERMIT, epoch=5, deadline=boot_ms() + 20000)
    assert [m["epoch"] for m in n.client.unasked if m["kind"] == STATE] == [5]


def test_permit_expiry_stops_a_primary_and_all_its_backends(nodes):
    n = nodes()
    n.initdb()
    n.start_primary()
    n.query("create table w (x int)")
    expired = []

    def expiry():
        acks = []
        threads = [threading.Thread(target=writer, args=(n, acks)) for _ in range(4)]
        for t in threads:
            t.start()
        wait_until("writes", lambda: len(acks) > 10)
        deadline = n.permit(700)
        wait_until("PostgreSQL down", lambda: n.client.status().get("pg", DOWN) == DOWN)
        down_at = boot_ms()
        for t in threads:
            t.join(60)
        assert n.processes() == []
        expired.append(deadline)
        s = n.client.status()
        assert s["permits_expired"] == len(expired) and s.get("exits", 0) == 0
        with pytest.raises(Refused):
            n.client.call(PERMIT, epoch=1, deadline=boot_ms() + 5000)
        n.start_primary()
        assert min(acks) < deadline
        return max(max(acks) - deadline, down_at - deadline - 4750)  # 5 s for the last process, which is killed

    quickly(250, expiry)  # until when a write may have begun that is still acknowledged


def test_permit_expiry_kills_a_frozen_postgres(nodes):
    n = primary_of(nodes)

    def expiry():
        conn = n.sql()
        n.freeze()
        wait_until("the stop noticed", lambda: n.client.status().get("stopped_at"))
        deadline = n.permit(1000)
        wait_until("PostgreSQL down", lambda: n.client.status().get("pg", DOWN) == DOWN)
        late = boot_ms() - deadline
        assert late >= 0
        assert n.processes() == []
        assert not n.client.status().get("stopped_at")
        conn.close()
        n.start_primary()
        return late

    quickly(500, expiry)  # it would not hear a SIGQUIT, so nobody waits for it to


def test_frozen_launcher_looks_at_the_clock_before_at_its_mail(nodes):
    n = nodes()
    n.initdb()
    n.start_primary()
    deadline = n.permit(1500)
    n.proc.send_signal(signal.SIGSTOP)
    wait_until("it stands still", lambda: process_state(n.proc.pid) == "T")
    # A renewal that was on its way when everything froze, read too late to count.
    ident = n.client.send(PERMIT, epoch=1, deadline=boot_ms() + PERMIT_MS)
    wait_until("the old deadline", lambda: boot_ms() > deadline + 300)
    n.proc.send_signal(signal.SIGCONT)
    with pytest.raises(Refused):
        n.client.result(ident)
    wait_until("PostgreSQL down", lambda: n.client.status().get("pg", DOWN) == DOWN)


def test_postmaster_death_is_told_at_once_and_backends_go(nodes):
    n = primary_of(nodes)
    n.client.call(WATCH)
    deaths = []

    def death():
        conn = n.sql()
        with conn.cursor() as cur:
            pid = n.client.status()["pid"]
            os.kill(pid, signal.SIGKILL)
            t0 = boot_ms()
            while True:
                m = n.client.recv(30)
                if m["kind"] == STATE and not m.get("pg"):
                    break
            took = boot_ms() - t0
            deaths.append(pid)
            assert (m["exits"], m["exit_signal"]) == (len(deaths), signal.SIGKILL)
            assert n.processes() == []
            with pytest.raises(psycopg2.Error):
                cur.execute("select 1")
        n.start_primary()
        return took

    quickly(500, death)


def test_log_reaches_stdout_and_the_subscriber(nodes):
    n = nodes()
    n.client.call(LOGS)
    n.initdb()
    n.client.call(START, role=PRIMARY, epoch=1, deadline=boot_ms() + PERMIT_MS)
    # Whoever does not read loses lines, and each connection that comes too early is one.
    wait_until("it accepts connections", lambda: n.client.status() and n.accepts())
    n.query("do $$ begin raise log 'mark the spot %', repeat('x', 20000); end $$")
    n.client.status()

    def lines():
        n.client.status()
        return [m["line"] for m in n.client.unasked if m["kind"] == LOG]

    wait_until("the line", lambda: any("mark the spot" in l for l in lines()))
    assert max(map(len, lines())) <= 8192
    assert any("ready to accept connections" in l for l in lines())
    wait_until("the whole line on stdout",
               lambda: re.search(r"mark the spot x{20000}", n.log()))


def test_reload_takes_the_cluster_file_again(nodes):
    n = primary_of(nodes)
    n.write_config("work_mem = 7MB")
    n.client.call(RELOAD)
    wait_until("the new value", lambda: n.query("show work_mem") == [("7MB",)])


def test_reload_right_after_the_start_does_not_end_it(nodes):
    """PostgreSQL that was just begun has no handlers yet: SIGHUP would be its end."""
    n = nodes()
    n.initdb()
    n.client.call(START, role=PRIMARY, epoch=1, deadline=boot_ms() + PERMIT_MS)
    n.write_config("work_mem = 7MB")
    for _ in range(20):
        n.client.call(RELOAD)
    n.wait_accepts()
    wait_until("the new value", lambda: n.query("show work_mem") == [("7MB",)])
    assert not n.client.status().get("exits")


def test_sigterm_is_a_clean_shutdown(nodes):
    n = nodes()
    n.kill(signal.SIGTERM)
    n.launch(PGSWARM_STOP_GRACE_SECONDS="60")
    n.initdb()
    n.start_primary()
    conn = n.sql()
    n.proc.send_signal(signal.SIGTERM)
    assert n.proc.wait(90) == 0
    assert "received fast shutdown request" in n.log() and "database system is shut down" in n.log()
    assert "immediate shutdown" not in n.log()
    conn.close()
    n.launch()
    n.start_primary()


def test_another_user_and_garbage_are_turned_away(nodes):
    n = nodes()
    if os.geteuid() == 0:
        with pytest.raises((EOFError, OSError)):
            Client(f"{n.base}/run/launcher.sock", user=False).status()
    c = Client(f"{n.base}/run/launcher.sock")
    c.sock.sendall(random.Random(1).randbytes(4096))  # all lengths are too long, but a few in a million
    with pytest.raises((EOFError, ConnectionResetError)):
        while True:
            c.recv()
    with pytest.raises(Refused, match="knows no request"):
        n.client.call(200)
    assert n.client.status()["version"]


def test_small_in_memory(nodes):
    n = primary_of(nodes)
    n.client.status()
    text = open(f"/proc/{n.proc.pid}/smaps_rollup").read()  # the exact number, which VmRSS of some kernels is not
    rss = int(re.search(r"Rss:\s+(\d+) kB", text).group(1))
    print(f"launcher resident: {rss} KiB")
    if "release" in BIN:
        assert rss <= 1024
