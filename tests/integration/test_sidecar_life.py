"""The failover sidecar's healthy life: real PostgreSQL, the real launcher, a small fake Kubernetes API."""
import os
import shutil
import signal
import time

import pytest
from launcher_util import boot_ms, free_port, wait_until
from sidecar_util import LEASE, FakeKube, Pod, notes, said_at, stands


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
        return pods

    yield make
    for p in pods:
        p.stop()


def spec(kube):
    return kube.lease(LEASE)["spec"]


def streaming(primary):
    return primary.query("select count(*) from pg_stat_replication where state = 'streaming'")[0][0]


def test_three_members_form_a_cluster(kube, cluster):
    a, b, c = cluster(3)
    lease = spec(kube)
    assert (lease["holderIdentity"], lease["leaseTransitions"]) == (a.name, 1)
    assert notes(kube)["pg-swarm.io/primary-addr"] == f"127.0.0.1:{a.port}"
    assert notes(kube)["pg-swarm.io/system-id"] == \
        a.query("select system_identifier::text from pg_control_system()")[0][0]
    wait_until("the labels", lambda: [kube.role(p.name) for p in (a, b, c)] == ["primary", "replica", "replica"])
    a.query("create table t as select generate_series(1, 100) x")
    for p in (b, c):
        wait_until("rows on the replica", lambda p=p: p.look("select count(*) from t") == [(100,)])
    assert sorted(a.query("select slot_name, active from pg_replication_slots")) == \
        [("member_1", True), ("member_2", True)]
    # At rest: the holder renews, and nobody else writes anything.
    n = len(kube.writes)
    wait_until("three renewals", lambda: len(kube.writes) >= n + 3)
    assert set(kube.writes[n:]) == {("PUT", "leases", LEASE)}
    for p in (a, b, c):
        assert p.PASSWORD not in p.sidecar_log() and p.REPL_PASSWORD not in p.sidecar_log()
        assert p.REPL_PASSWORD not in p.log()


def test_sidecar_restart_leaves_postgresql_alone(kube, cluster):
    a, b = cluster(2)
    before = [p.query("select pg_postmaster_start_time()") for p in (a, b)]
    for p in (a, b):
        p.kill_sidecar()
        p.start_sidecar()
    a.wait_ready("primary")
    b.wait_ready("replica")
    assert [p.query("select pg_postmaster_start_time()") for p in (a, b)] == before
    assert spec(kube)["leaseTransitions"] == 1
    renewed = spec(kube)["renewTime"]
    wait_until("renewals go on", lambda: spec(kube)["renewTime"] != renewed)


def test_a_sidecar_that_stays_away_lets_the_permit_run_out(kube, cluster):
    (a,) = cluster(1, LEASE_SECONDS="9")
    a.kill_sidecar()
    wait_until("PostgreSQL is down", lambda: not a.processes())
    assert "the permit ran out" in a.log()
    a.start_sidecar()
    a.wait_ready("primary")


def test_frozen_sidecar_too(kube, cluster):
    (a,) = cluster(1, LEASE_SECONDS="9")
    t0 = time.time()
    a.sidecar.send_signal(signal.SIGSTOP)
    wait_until("PostgreSQL is down", lambda: not a.processes() and "PostgreSQL ended" in a.log())
    assert said_at(a.log(), "PostgreSQL ended") - t0 < 9  # within the lease
    a.sidecar.send_signal(signal.SIGCONT)
    a.wait_ready("primary")


def test_postmaster_crash_restarts_in_place(kube, cluster):
    a, b = cluster(2)
    a.query("create table t as select 1 x")
    pid = int(open(f"{a.pgdata}/postmaster.pid").readline())
    os.kill(pid, signal.SIGKILL)
    wait_until("writable again", lambda: a.accepts() and not a.query(
        "select pg_is_in_recovery()")[0][0])
    a.wait_ready("primary")
    wait_until("streaming again", lambda: streaming(a) == 1)
    assert a.query("select count(*) from t") == [(1,)]
    assert spec(kube)["leaseTransitions"] == 1


def test_whole_cluster_restart_resumes(kube, cluster):
    pods = cluster(3, LEASE_SECONDS="60")  # all are to be back within it, or another leads
    pods[0].query("create table t as select 42 x")
    for p in pods:
        p.kill_sidecar()
        p.kill()
    # The same pod with its own data may resume while nobody else leads.
    for p in pods:
        p.launch()
    pods[0].wait_ready("primary")
    for p in pods[1:]:
        p.wait_ready("replica")
        wait_until("the row", lambda p=p: p.look("select x from t") == [(42,)])  # it may only now have come
    assert spec(kube)["leaseTransitions"] == 1


def test_replicas_follow_a_holder_that_comes_back_elsewhere(kube, cluster):
    a, b = cluster(2, LEASE_SECONDS="60")
    started = b.query("select pg_postmaster_start_time()")
    a.kill_sidecar()
    a.kill()
    wait_until("all of it is gone", lambda: not a.processes())
    a.port = free_port()
    a.launch()
    stands(kube, [a, b])
    wait_until("streaming from the new address", lambda: streaming(a) == 1)
    assert b.query("select pg_postmaster_start_time()") == started


def test_lost_lease_stops_the_primary(kube, cluster):
    a, b = cluster(2, LEASE_SECONDS="60")  # nobody else leads before the end of it
    kube.edit_lease(LEASE, {"spec": {"holderIdentity": "somebody-else", "leaseTransitions": 9}})
    wait_until("PostgreSQL is down", lambda: not a.processes(), 40)
    assert "the permit ran out" not in a.log()  # that is of 55 s
    assert "somebody-else" in a.sidecar_log() and a.readyz()[0] == 503
    wait_until("the label is gone", lambda: kube.role(a.name) != "primary")
    assert spec(kube)["holderIdentity"] == "somebody-else"


def test_deleted_lease_comes_back_with_a_higher_epoch(kube, cluster):
    a, b = cluster(2)
    started = [p.query("select pg_postmaster_start_time()") for p in (a, b)]
    kube.delete_lease(LEASE)
    wait_until("a lease again", lambda: kube.lease(LEASE))
    assert (spec(kube)["holderIdentity"], spec(kube)["leaseTransitions"]) == (a.name, 2)
    assert notes(kube)["pg-swarm.io/system-id"]
    # Were the primary to die now, nobody's data would be of epoch 2: it must not be asked for.
    made = [e[3] for e in kube.events if e[1] == "ADDED" and e[3]["metadata"]["name"] == LEASE]
    assert made[-1]["metadata"]["annotations"]["pg-swarm.io/served-epoch"] == "1"
    wait_until("the new epoch is served", lambda: notes(kube)["pg-swarm.io/served-epoch"] == "2")
    wait_until("the replica follows at the new epoch", lambda: a.query(
        "select application_name from pg_stat_replication where state = 'streaming'")
        == [(f"{b.name}.e2",)])
    assert [p.query("select pg_postmaster_start_time()") for p in (a, b)] == started


def test_nobody_initialises_over_lost_data(kube, cluster):
    (a,) = cluster(1)
    a.stop_pod()
    shutil.rmtree(f"{a.base}/volume")
    os.mkdir(f"{a.base}/volume")
    a.chown()
    a.launch()
    wait_until("it waits", lambda: "no data here to lead with" in a.readyz()[1])
    assert not os.path.exists(a.pgdata)


def test_an_emptied_primary_is_cloned_from_who_leads_then(kube, cluster):
    a, b = cluster(2)
    a.query("create table t as select 42 x")
    a.stop_pod()
    shutil.rmtree(f"{a.base}/volume")
    os.mkdir(f"{a.base}/volume")
    a.chown()
    a.launch()
    b.wait_ready("primary")
    a.wait_ready("replica")
    assert a.query("select x from t") == [(42,)] and spec(kube)["leaseTransitions"] == 2


def test_an_emptied_replica_clones_again(kube, cluster):
    a, b = cluster(2)
    b.stop_pod()
    shutil.rmtree(f"{b.base}/volume/pgdata")
    b.launch()
    b.wait_ready("replica")
    assert b.sidecar_log().count("kind=clone.finished") >= 2  # the first is of its birth


def test_data_of_another_cluster_is_not_touched(kube, cluster):
    a, b = cluster(2)
    b.stop_pod()
    a.stop_pod()  # or its next renewal would put it right again
    kube.edit_lease(LEASE, {"metadata": {"annotations": {"pg-swarm.io/system-id": "12345"}}})
    b.launch()
    wait_until("it waits", lambda: "of another cluster" in b.readyz()[1])
    assert os.path.exists(f"{b.pgdata}/PG_VERSION")


def test_configmap_change_is_reloaded(kube, cluster):
    a, b = cluster(2)
    for p in (a, b):
        p.write_config("work_mem = 9MB")
        p.chown()
    for p in (a, b):
        wait_until("the new value", lambda p=p: p.query("show work_mem") == [("9MB",)])


def test_what_changed_without_a_sidecar_is_reloaded(kube, cluster):
    (a,) = cluster(1)
    a.kill_sidecar()
    a.write_config("work_mem = 9MB")
    a.start_sidecar()
    wait_until("the new value", lambda: a.query("show work_mem") == [("9MB",)])


def test_the_reason_for_not_staying_up_is_told(kube, cluster):
    (a,) = cluster(1, launch=False)
    a.write_config("max_connections = 40\nwal_level = minimal\nmax_wal_senders = 5")
    a.chown()
    a.launch()
    wait_until("the reason", lambda: "does not stay up: FATAL:" in a.readyz()[1]
               and "wal_level" in a.readyz()[1], 90)
    a.write_config()
    a.chown()
    a.wait_ready("primary")
    assert a.readyz()[1] == f"ready primary epoch=1\n"


def test_slow_shutdown_keeps_its_permit(kube, cluster):
    a, b = cluster(2, launch=False, LEASE_SECONDS="12")
    b.write_config("wal_receiver_timeout = 60s")  # of its birth: a receiver may be late to hear of another
    b.chown()
    for p in (a, b):
        p.launch(PGSWARM_STOP_GRACE_SECONDS="60")  # the test ends the shutdown, not its patience
    stands(kube, [a, b])
    assert b.query("show wal_receiver_timeout") == [("1min",)]
    walreceiver = wait_until("it streams", lambda: b.query("select pid from pg_stat_wal_receiver where status = 'streaming'"))[0][0]
    os.kill(walreceiver, signal.SIGSTOP)  # a fast shutdown waits until the standby has everything
    a.query("create table t as select generate_series(1, 10000) x")
    t0 = boot_ms()
    for p in (a.sidecar, a.proc):
        p.send_signal(signal.SIGTERM)
    wait_until("the permit of the start is over", lambda: boot_ms() > t0 + 7500)
    assert a.processes() and a.sidecar.poll() is None
    os.kill(walreceiver, signal.SIGCONT)
    assert a.proc.wait(60) == 0 and a.sidecar.wait(60) == 0
    assert "the permit ran out" not in a.log() and "database system is shut down" in a.log()
    wait_until("replayed", lambda: b.look("select count(*) from t") == [(10000,)])


def test_a_pod_that_ends_while_its_launcher_stands_still(kube, cluster):
    """The sidecar would leave the lease to run out, if it took the silence for an end of its own only."""
    (a,) = cluster(1, LEASE_SECONDS="60")
    a.proc.send_signal(signal.SIGSTOP)
    for p in (a.sidecar, a.proc):
        p.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    wait_until("it has stood still for long", lambda: time.monotonic() > asked + 5)
    assert a.sidecar.poll() is None
    a.proc.send_signal(signal.SIGCONT)
    assert a.proc.wait(70) == 0 and a.sidecar.wait(70) == 0
    assert spec(kube)["holderIdentity"] == ""


def test_short_outage_of_the_api_is_no_event(kube, cluster):
    a, b = cluster(2)
    started = a.query("select pg_postmaster_start_time()")
    kube.away = True
    gone = time.monotonic()
    wait_until("3 s without API", lambda: time.monotonic() > gone + 3)
    kube.away = False
    renewed = spec(kube)["renewTime"]
    wait_until("renewals go on", lambda: spec(kube)["renewTime"] != renewed)
    assert a.query("select pg_postmaster_start_time()") == started
    assert a.ready("primary")


def outage(kube, pods, seconds):
    """The API goes, and whoever leads still writes after so long; it is returned. Who stands still for a second may be
    vouched for no more, and stops, which is no fault: then once more."""
    for _ in range(4):
        a = wait_until("one leads", lambda: next((p for p in pods if p.ready("primary")), None))
        stands(kube, sorted(pods, key=lambda p: p is not a))
        started = a.query("select pg_postmaster_start_time()")
        expired = a.log().count("the permit ran out")
        kube.away = True
        gone = time.monotonic()
        wait_until(f"{seconds} s without API", lambda: time.monotonic() > gone + seconds, seconds + 20)
        wrote = a.look("create table if not exists t (x int); insert into t values (1) returning x")
        if a.log().count("the permit ran out") == expired:
            assert wrote == [(1,)] and a.query("select pg_postmaster_start_time()") == started
            return a
        kube.away = False
    raise AssertionError(f"its permit ran out each time:\n{a.sidecar_log()[-6000:]}")


def test_standbys_vouch_for_a_primary_without_api(kube, cluster):
    pods = cluster(2, LEASE_SECONDS="9")
    a = outage(kube, pods, 9)  # twice the permit of the last renewal
    (b,) = [p for p in pods if p is not a]
    assert "the standbys vouch" in a.sidecar_log()
    # The standby goes: nobody vouches any more, and the primary stops within the grant.
    t0 = time.time()
    b.sidecar.send_signal(signal.SIGKILL)
    b.proc.send_signal(signal.SIGKILL)
    wait_until("PostgreSQL is down", lambda: not a.processes(), 40)
    assert said_at(a.log(), "the permit ran out") - t0 < 8
    kube.away = False
    a.wait_ready("primary")


def test_single_instance_goes_on_without_api(kube, cluster):
    a = outage(kube, cluster(1, LEASE_SECONDS="9"), 7)
    kube.away = False
    renewed = spec(kube)["renewTime"]
    wait_until("renewals go on", lambda: spec(kube)["renewTime"] != renewed)


def test_conflicting_write_is_not_forced(kube, cluster):
    (a,) = cluster(1)
    for i in range(2):
        kube.edit_lease(LEASE, {"metadata": {"annotations": {"example.org/n": str(i)}}})
        renewed = spec(kube)["renewTime"]
        wait_until("renewed", lambda: spec(kube)["renewTime"] != renewed)
        assert notes(kube)["example.org/n"] == str(i)
    assert a.ready("primary")


def test_password_of_the_secret_reaches_the_role_and_no_statistics(kube, cluster):
    a, b = cluster(2, launch=False)
    for p in (a, b):
        p.write_config("shared_preload_libraries = 'pg_stat_statements'\n"
                       "pg_stat_statements.track = all\nlog_statement = all\n"
                       "log_min_duration_statement = 0")
        p.chown()
        p.launch()
    a.wait_ready("primary")
    b.wait_ready("replica")
    assert a.query("select extname from pg_extension where extname = 'pg_stat_statements'")
    texts = " ".join(r[0] for r in a.query("select query from pg_stat_statements"))
    assert "SCRAM-SHA-256$" not in texts
    for p in (a, b):
        assert "SCRAM-SHA-256$" not in p.log()
        assert p.REPL_PASSWORD not in p.log() and p.PASSWORD not in p.log()


def test_small_at_rest(kube, cluster):
    a, b = cluster(2)
    for p in (a, b):
        wait_until("settled", lambda p=p: time.clock_gettime(time.CLOCK_BOOTTIME) - float(
            open(f"/proc/{p.sidecar.pid}/stat").read().rsplit(")")[1].split()[19])
            / os.sysconf("SC_CLK_TCK") > 7)
        print(f"{p.name}: sidecar resident {p.rss_kib()} KiB")
        if "release" in os.environ.get("PGSWARM_BIN", "release"):
            wait_until("small", lambda p=p: p.rss_kib() <= 6 * 1024, 90)  # it gives back what its start took: at 5 s, and every minute
