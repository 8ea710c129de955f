"""Orders that operations are made of, given to a real sidecar with a real PostgreSQL by a satellite that grpcio plays."""
import itertools
import threading
import time

import psycopg2
import pytest
from fake_central import pb
from launcher_util import wait_until
from sidecar_util import LEASE, FakeKube, Pod, notes
from test_sidecar_link import FakeSatellite, told

P = pb.sidecar
IDS = itertools.count(100)


@pytest.fixture
def kube():
    k = FakeKube()
    yield k
    k.close()


@pytest.fixture
def made():
    things = []
    yield things
    for t in reversed(things):
        t.stop()


@pytest.fixture
def one(kube, made):
    """The first of three; the others never come."""
    sat = FakeSatellite()
    made.append(sat)
    pod = Pod(kube, 0, replicas=3, satellite=f"127.0.0.1:{sat.port}")
    made.append(pod)
    pod.launch()
    pod.wait_ready("primary")
    wait_until("connected", lambda: sat.of("identity"))
    pod.order = lambda **what: sat.ask(str(next(IDS)), **what)
    pod.sat = sat
    return pod


def session(pod):
    c = psycopg2.connect(host="127.0.0.1", port=pod.port, user="postgres", password=pod.PASSWORD,
                         dbname="postgres", connect_timeout=5)
    c.autocommit = True
    return c


def refused(pod):
    try:
        session(pod).close()
    except psycopg2.OperationalError as e:
        return "reject" in str(e)
    return False


def alive(c):
    try:
        c.cursor().execute("select 1")
        return True
    except psycopg2.Error:
        return False


def status(pod, operation=""):
    return pod.order(status=P.Status(operation_id=operation))


def running(pod):
    return told(lambda: status(pod))


def test_status_tells_all(one):
    r = running(one)
    assert r.success and not r.in_recovery and not r.is_fenced and r.code == ""
    assert (r.lease_holder, r.lease_epoch, r.epoch, r.state) == (one.name, 1, 1, "primary")
    assert r.timeline_id == 1 and r.sessions == 0 and r.started_at_us > 10**15
    c = session(one)
    assert running(one).sessions == 1
    c.close()


def test_a_fence_cuts_everybody_off_and_belongs_to_its_operation(one):
    one.query("create table t (x int)")
    sessions = [session(one) for _ in range(10)]
    sessions[0].cursor().execute("begin")
    began = time.monotonic()
    r = one.order(fence=P.Fence(operation_id="person-1"))
    took = time.monotonic() - began
    assert r.success and r.is_fenced and r.fence_operation == "person-1" and r.sessions == 0, r
    print(f"fence with 10 sessions: {took * 1000:.0f} ms")
    assert took < 8, took
    assert not any(alive(c) for c in sessions) and refused(one)
    # The lease is kept, PostgreSQL runs, and the sidecar itself gets in.
    assert running(one).lease_holder == one.name

    # The same again is the same; another operation neither takes it over nor away.
    assert one.order(fence=P.Fence(operation_id="person-1")).success
    r = one.order(fence=P.Fence(operation_id="other"))
    assert not r.success and r.code == "conflict" and "person-1" in r.error
    r = one.order(unfence=P.Unfence(operation_id="other"))
    assert not r.success and r.code == "conflict" and refused(one)

    # A person's fence outlives the sidecar, and PostgreSQL.
    one.kill_sidecar()
    one.start_sidecar()
    wait_until("connected again", lambda: len(one.sat.of("identity")) > 1)
    wait_until("still fenced", lambda: status(one).fence_operation == "person-1")
    r = one.order(restart=P.Restart(operation_id="restart-1"))
    assert r.success and r.is_fenced and refused(one), r

    assert one.order(unfence=P.Unfence(operation_id="x", force=True)).success
    c = session(one)
    c.cursor().execute("insert into t values (1)")
    c.close()


def test_a_drain_lets_sessions_end(one):
    c = session(one)
    done = []
    t = threading.Thread(target=lambda: done.append(
        one.order(fence=P.Fence(operation_id="d", drain_timeout_seconds=600))))
    t.start()
    wait_until("nobody new gets in", lambda: refused(one))
    assert alive(c) and not done
    c.close()
    t.join(80)
    assert done and done[0].success and done[0].sessions == 0
    assert one.order(unfence=P.Unfence(operation_id="d")).success and not refused(one)


def test_an_operation_that_nobody_drives_is_undone(one):
    hold = 10  # from one order to the next less than that
    r = one.order(fence=P.Fence(operation_id="op1", hold_seconds=hold))
    assert r.success and refused(one)
    # Stopped for the operation: the lease is kept, nothing starts PostgreSQL by itself.
    r = one.order(stop_clean=P.StopClean(operation_id="op2", hold_seconds=hold))
    assert not r.success and r.code in ("precondition", "conflict"), r
    r = one.order(stop_clean=P.StopClean(operation_id="op1", hold_seconds=hold))
    assert r.success and not r.running and r.clean and r.lsn and r.lease_holder == one.name, r
    assert one.order(stop_clean=P.StopClean(operation_id="op1", hold_seconds=hold)).success
    until = time.monotonic() + hold + 2
    while time.monotonic() < until:  # as long as it is heard of, it stays so
        r = status(one, "op1")
        assert not r.running and r.fence_operation == "op1"
        time.sleep(0.2)  # poll
    wait_until("made whole by itself", lambda: not refused(one) and one.accepts())
    wait_until("that is told", lambda: not status(one).is_fenced)
    assert running(one).lease_epoch == 1
    assert one.sat.events("operation.given_back")


def test_back_from_a_stop(one):
    one.order(fence=P.Fence(operation_id="op", hold_seconds=60))
    assert one.order(stop_clean=P.StopClean(operation_id="op", hold_seconds=60)).success
    r = one.order(start_again=P.StartAgain(operation_id="op"))
    assert r.success and r.is_fenced and not running(one).in_recovery, r
    assert one.order(start_again=P.StartAgain(operation_id="op")).success
    assert one.order(unfence=P.Unfence(operation_id="op")).success
    session(one).close()


def test_what_a_handover_refuses(one, kube):
    r = one.order(handover=P.Handover(operation_id="op", to="prod-pg-1", lsn="0/1", timeline_id=1))
    assert not r.success and r.code == "precondition"
    one.order(fence=P.Fence(operation_id="op", hold_seconds=60))
    stopped = one.order(stop_clean=P.StopClean(operation_id="op", hold_seconds=60))
    assert stopped.success
    for to, lsn, timeline, code in (("prod-pg-1", stopped.lsn, 1, "precondition"),
                                    ("prod-pg-7", None, 1, "invalid"), ("else-0", None, 1, "invalid"),
                                    (one.name, None, 1, "invalid"), ("prod-pg-1", None, 2, "precondition")):
        hi, lo = stopped.lsn.split("/")
        past = f"{hi}/{int(lo, 16) + 1:X}"
        r = one.order(handover=P.Handover(operation_id="op", to=to, lsn=lsn or past, timeline_id=timeline))
        assert not r.success and r.code == code, (to, r)
    assert kube.lease(LEASE)["spec"]["leaseTransitions"] == 1
    assert one.order(start_again=P.StartAgain(operation_id="op")).success


def test_pause_and_forced_failover_are_written_into_the_lease(one, kube):
    def note(key):
        return notes(kube).get(f"pg-swarm.io/{key}", "")
    assert one.order(pause=P.Pause(operation_id="p1", requested_by="ann")).success
    assert '"ann"' in note("paused") and status(one).paused
    assert one.order(resume=P.Resume(operation_id="p2")).success
    wait_until("on again", lambda: not note("paused") and not status(one).paused)
    assert one.order(reinit=P.Reinit(operation_id="r")).code == "precondition"
