"""Centrals that die, restart, and share one database; a database that goes away."""
import signal

import grpc
import pytest

from central_util import Central, Postgres, Satellite, ack, bump, pb, put_cluster, wait_until

H, S = pb.health, pb.satellite


@pytest.fixture(scope="module")
def postgres():
    pg = Postgres()
    yield pg
    pg.remove()


@pytest.fixture
def central(postgres):
    c = Central(postgres.database()).start()
    yield c
    c.remove()


def test_restart_converges(central):
    sat = Satellite(central, "edge-a").enrol()
    st = sat.connect()
    cid = put_cluster(central, sat)
    c = st.wait("cluster_config")
    ack(st, c)
    wait_until("applied", lambda: central.sql("SELECT config_state FROM clusters") == [("applied",)])
    central.kill()
    assert st.ended() == grpc.StatusCode.UNAVAILABLE
    v2 = bump(central, cid)  # somebody wished something just before it died
    central.start()
    st = sat.connect(applied=[S.AppliedCluster(cluster_id=cid, applied_version=c.config_version)])
    ack(st, st.wait("cluster_config", lambda m: m.config_version == v2))
    wait_until("applied", lambda: central.sql("SELECT applied_version FROM clusters") == [(v2,)])
    assert sat.check().certificate_pem == sat.cert  # enrolment survives too
    sat.close()


def test_drain(central):
    """SIGTERM: streams are told to go, the rows of this central go with it."""
    sat = Satellite(central, "edge-a").enrol()
    st = sat.connect()
    central.proc.send_signal(signal.SIGTERM)
    assert st.ended() == grpc.StatusCode.UNAVAILABLE
    assert central.proc.wait(60) == 0
    central.proc = None
    # Its last statement; for a database that is slow to answer it does not wait, but nobody else is there to do it.
    wait_until("its rows are gone", lambda: central.sql(
        "SELECT (SELECT count(*) FROM centrals), (SELECT count(*) FROM streams)") == [(0, 0)])
    sat.close()


def test_two_centrals_on_one_database(central):
    other = Central(central.conninfo, folder=central.dir).start()
    sat = Satellite(central, "edge-a").enrol()
    a = sat.connect(central)
    cid = put_cluster(central, sat)
    ack(a, a.wait("cluster_config"))
    b = sat.connect(other)
    assert a.ended() == grpc.StatusCode.ABORTED  # the newer wins, wherever it is
    v2 = bump(central, cid)
    ack(b, b.wait("cluster_config", lambda m: m.config_version == v2))
    wait_until("applied", lambda: central.sql("SELECT applied_version FROM clusters") == [(v2,)])
    assert central.admin().get("/api/v1/satellites/edge-a")["connected"]
    # Revoked at one, cut at the other.
    assert central.admin().call("POST", "/api/v1/satellites/edge-a/revoke")[0] == 200
    assert b.ended() == grpc.StatusCode.PERMISSION_DENIED
    # Killed without a word: nobody believes for long that it holds streams.
    two = Satellite(central, "edge-b").enrol()
    two.connect(other)
    other.kill()
    st = two.connect(central)
    put_cluster(central, two)
    assert st.wait("cluster_config")
    two.close()
    sat.close()


def test_database_goes_and_comes(central, postgres):
    sat = Satellite(central, "edge-a").enrol()
    cid = put_cluster(central, sat)
    st = sat.connect(applied=[S.AppliedCluster(cluster_id=cid, applied_version=10 ** 9)])
    postgres.stop()
    st.send(event=H.EventReport(sequence=1, at_us=1, kind="x", message="while away"))
    st.send(health=H.ClusterHealthReport(cluster_id=cid, state=H.CLUSTER_STATE_RUNNING, at_us=1))
    st.send(heartbeat=S.Heartbeat(at_us=9))
    assert st.wait("heartbeat_ack").at_us == 9  # the link does not need it
    assert not st.kinds("event_ack")
    wait_until("healthz says so", lambda: central.admin().call("GET", "/healthz")[0] == 503)
    postgres.start()
    st.send(heartbeat=S.Heartbeat(at_us=10))  # it does not fall silent meanwhile
    assert st.wait("event_ack").sequence == 1
    wait_until("health", lambda: central.sql("SELECT state FROM cluster_health") == [("running",)])
    assert central.sql("SELECT message FROM events WHERE seq = 1") == [("while away",)]
    wait_until("healthy again", lambda: central.admin().call("GET", "/healthz")[0] == 200)
    sat.close()
