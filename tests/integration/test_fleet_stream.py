"""The stream between a satellite and central, with grpcio as the satellite, over TLS with its own certificate."""
import re

import grpc
import pytest

from central_util import Central, Postgres, Satellite, ack, bump, pb, put_cluster, wait_until

H, S = pb.health, pb.satellite


@pytest.fixture(scope="module")
def postgres():
    pg = Postgres()
    yield pg
    pg.remove()


@pytest.fixture(scope="module")
def central(postgres):
    c = Central(postgres.database()).start()
    yield c
    c.remove()


@pytest.fixture
def sat(central, request):
    s = Satellite(central, re.sub("[^a-z0-9]+", "-", request.node.name)[:40].strip("-")).enrol()
    yield s
    s.close()


def row(central, cluster):
    rows = central.sql("SELECT config_state, acked_version, applied_version, config_error, desired_version"
                       " FROM clusters WHERE id = %s", cluster)
    return rows[0] if rows else None


def test_config_is_sent_by_comparison(central, sat):
    st = sat.connect()
    cid = put_cluster(central, sat)
    c = st.wait("cluster_config")
    assert (c.cluster_id, c.name, c.namespace, c.replicas) == (cid, "prod-pg", "databases", 3)
    assert c.postgres.major == 15 and c.postgres.image == "postgres:15" and c.storage.size == "1Gi"
    assert dict(c.parameters) == {"work_mem": "8MB"} and c.profile_name == "std"
    ack(st, c)
    wait_until("acknowledged", lambda: row(central, cid)[:3] == ("applied", c.config_version, c.config_version))
    v2 = bump(central, cid)
    assert st.wait("cluster_config", lambda m: m.config_version == v2)
    wait_until("pending again", lambda: row(central, cid)[1] < v2)
    # Never acknowledged: the next stream gets it, whatever was sent before.
    st.close()
    st = sat.connect(applied=[S.AppliedCluster(cluster_id=cid, applied_version=c.config_version)])
    c2 = st.wait("cluster_config", lambda m: m.config_version == v2)
    ack(st, c2)
    wait_until("acknowledged", lambda: row(central, cid)[:3] == ("applied", v2, v2))
    st.close()
    # What the site has is not sent again: of two clusters only the other one comes.
    other = put_cluster(central, sat, "other")
    st = sat.connect(applied=[S.AppliedCluster(cluster_id=cid, applied_version=v2)])
    assert st.wait("cluster_config").cluster_id == other
    assert [m.cluster_id for m in st.kinds("cluster_config")] == [other]
    st.close()
    # A site that lost everything gets everything.
    st = sat.connect()
    wait_until("both", lambda: {m.cluster_id for m in st.kinds("cluster_config")} == {cid, other})
    st.close()


def test_hello_alone_can_acknowledge(central, sat):
    """The site applied it and the acknowledgement was lost with the link."""
    cid = put_cluster(central, sat)
    v = row(central, cid)[4]
    st = sat.connect(applied=[S.AppliedCluster(cluster_id=cid, applied_version=v)])
    wait_until("noted", lambda: row(central, cid)[:3] == ("applied", v, v))
    assert not st.kinds("cluster_config")
    st.close()


def test_refusal_is_kept_with_its_reason(central, sat):
    cid = put_cluster(central, sat)
    st = sat.connect()
    c = st.wait("cluster_config")
    ack(st, c, "REFUSED", applied=0, error="no storage class 'fast'")
    wait_until("refused", lambda: row(central, cid)[0] == "refused")
    assert row(central, cid)[3] == "no storage class 'fast'"
    state, reason = central.sql("SELECT state, reason FROM cluster_list WHERE id = %s", cid)[0]
    assert (state, reason) == ("failed", "no storage class 'fast'")
    v2 = bump(central, cid)
    c2 = st.wait("cluster_config", lambda m: m.config_version == v2)
    ack(st, c2)
    wait_until("applied", lambda: row(central, cid)[0] == "applied" and row(central, cid)[3] == "")
    st.close()


# The first UPDATE naps before it looks at any row; `ended` counts those that came through.
NAP = """CREATE SEQUENCE begun; CREATE SEQUENCE ended;
CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_WHEN = 'AFTER' THEN PERFORM nextval('ended');
  ELSIF nextval('begun') = 1 THEN PERFORM pg_sleep(1.5); END IF;
  RETURN NULL; END $$;
CREATE TRIGGER nap BEFORE UPDATE {0} EXECUTE FUNCTION nap();
CREATE TRIGGER woke AFTER UPDATE {0} EXECUTE FUNCTION nap();"""


def ended(central):
    return central.sql("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ended")[0][0]


@pytest.fixture
def nap(central):
    yield lambda what="ON clusters": central.sql(NAP.format(what))
    central.sql("DROP FUNCTION IF EXISTS nap CASCADE; DROP SEQUENCE IF EXISTS begun, ended")


def test_acknowledgements_are_stored_in_their_order(central, sat, nap):
    """However long the database takes for one of them."""
    cid = put_cluster(central, sat)
    st = sat.connect()
    c = st.wait("cluster_config")
    nap()
    ack(st, c, "REFUSED", applied=0, error="no storage class yet")
    ack(st, c)
    wait_until("both are stored", lambda: ended(central) == 2)
    central.sql("LOCK TABLE clusters IN SHARE MODE")  # and their transactions are over
    assert row(central, cid)[:3] == ("applied", c.config_version, c.config_version)
    st.close()


def test_what_hello_says_does_not_overtake_an_acknowledgement(central, sat, nap):
    cid = put_cluster(central, sat)
    st = sat.connect()
    c = st.wait("cluster_config")
    ack(st, c)
    wait_until("acknowledged", lambda: row(central, cid)[0] == "applied")
    v2 = bump(central, cid)
    st.wait("cluster_config", lambda m: m.config_version == v2)
    st.close()
    nap()
    st = sat.connect(applied=[S.AppliedCluster(cluster_id=cid, applied_version=0)])  # it lost it meanwhile
    ack(st, st.wait("cluster_config", lambda m: m.config_version == v2))
    wait_until("both are stored", lambda: ended(central) == 2)
    central.sql("LOCK TABLE clusters IN SHARE MODE")
    assert row(central, cid)[:3] == ("applied", v2, v2)
    st.close()


def test_the_last_list_of_storage_classes_is_the_one_that_stays(central, sat, nap):
    nap("OF storage_classes ON satellites")
    st = sat.connect(storage_classes=[S.StorageClass(name="old", provisioner="p")])
    st.send(storage_classes=S.StorageClassReport(classes=[S.StorageClass(name="new", provisioner="p")]))
    wait_until("both are stored", lambda: ended(central) == 2)
    central.sql("LOCK TABLE satellites IN SHARE MODE")  # and their transactions are over
    assert [c["name"] for c in central.admin().get(f"/api/v1/satellites/{sat.name}")["storage_classes"]] == ["new"]
    st.close()


def test_delete_until_acknowledged(central, sat):
    cid = put_cluster(central, sat)
    st = sat.connect()
    ack(st, st.wait("cluster_config"))
    st.close()
    v = bump(central, cid, deleted_at="now()", delete_volumes=True, config_state="deleting")
    for _ in range(2):  # sent at every connect until it is answered
        st = sat.connect(applied=[S.AppliedCluster(cluster_id=cid, applied_version=v - 1)])
        d = st.wait("delete_cluster")
        assert d.cluster_id == cid and d.config_version == v and d.delete_volumes
        if _ == 0:
            st.close()
    ack(st, d, "DELETED", applied=0)
    wait_until("the row goes", lambda: row(central, cid) is None)
    assert central.sql("SELECT kind FROM events WHERE satellite = %s AND kind = 'cluster.deleted'", sat.name)
    # The name is free again, and versions only grow.
    cid2 = put_cluster(central, sat)
    assert st.wait("cluster_config", lambda m: m.cluster_id == cid2).config_version > v
    st.close()


def test_ack_of_another_satellite_counts_nothing(central, sat):
    cid = put_cluster(central, sat)
    thief = Satellite(central, "thief").enrol()
    st = thief.connect()
    ack(st, pb.config.ClusterConfig(cluster_id=cid, name="prod-pg", namespace="databases",
                                    config_version=row(central, cid)[4]))
    st.send(health=H.ClusterHealthReport(cluster_id=cid, state=H.CLUSTER_STATE_RUNNING, at_us=1))
    st.send(heartbeat=S.Heartbeat(at_us=1))
    st.wait("heartbeat_ack")
    own = put_cluster(central, thief)
    st.send(health=H.ClusterHealthReport(cluster_id=own, state=H.CLUSTER_STATE_RUNNING, at_us=1))
    wait_until("own health", lambda: central.sql("SELECT 1 FROM cluster_health WHERE cluster_id = %s", own))
    assert row(central, cid)[0] == "pending"
    assert not central.sql("SELECT 1 FROM cluster_health WHERE cluster_id = %s", cid)
    thief.close()


# ---- events ----

def event(seq, message="x", **kw):
    return H.EventReport(sequence=seq, at_us=1_700_000_000_000_000 + seq, severity=H.SEVERITY_INFO, kind="test.event",
                         message=message, source="satellite", **kw)


def stored(central, sat):
    return [r[0] for r in central.sql("SELECT seq FROM events WHERE satellite_id = %s ORDER BY id", sat.id)]


def test_events_once_and_in_order(central, sat):
    st = sat.connect()
    for i in range(1, 1501):
        st.send(event=event(i, f"event {i}", data={"n": str(i), 'quo"te': "back\\slash {a,b}"}))
        if i % 3 == 0:
            st.send(event=event(i))  # sent twice
    st.wait("event_ack", lambda a: a.sequence == 1500)
    assert stored(central, sat) == list(range(1, 1501))
    assert [a.sequence for a in st.kinds("event_ack")] == sorted(a.sequence for a in st.kinds("event_ack"))
    data = central.sql("SELECT data FROM events WHERE satellite_id = %s AND seq = 7", sat.id)[0][0]
    assert data == {"n": "7", 'quo"te': "back\\slash {a,b}"}
    st.close()
    # The link broke before the acknowledgement was seen: sent again, stored once.
    st = sat.connect(next_event_sequence=1506)
    assert st.wait("event_ack").sequence == 1500
    for i in range(1490, 1506):
        st.send(event=event(i))
    st.wait("event_ack", lambda a: a.sequence == 1505)
    assert stored(central, sat) == list(range(1, 1506))
    items = central.admin().get(f"/api/v1/events?satellite={sat.name}&limit=3")["items"]
    assert len(items) == 3 and all(e["kind"] == "test.event" for e in items)
    st.close()


def test_one_event_that_the_database_refuses(central, sat):
    """It is dropped alone, with a word in the log; those beside it are stored."""
    central.sql("ALTER TABLE events ADD CONSTRAINT no_poison CHECK (message <> 'poison') NOT VALID")
    st = sat.connect()
    for i in range(1, 21):
        st.send(event=event(i, "poison" if i == 13 else "fine"))
    st.wait("event_ack", lambda a: a.sequence == 20)
    assert stored(central, sat) == [i for i in range(1, 21) if i != 13]
    assert 'msg="event refused by the database"' in central.log()
    central.sql("ALTER TABLE events DROP CONSTRAINT no_poison")
    st.close()


# ---- health ----

def report(cid, at, state=H.CLUSTER_STATE_RUNNING, pods=3, **kw):
    inst = [H.InstanceHealth(pod_name=f"prod-pg-{i}", ready=True, lag_bytes=i * 10, server_version="15.4",
                             role=H.INSTANCE_ROLE_PRIMARY if i == 0 else H.INSTANCE_ROLE_REPLICA) for i in range(pods)]
    return H.ClusterHealthReport(cluster_id=cid, name="prod-pg", namespace="databases", state=state, at_us=at,
                                 replicas_wanted=3, primary_pod="prod-pg-0", instances=inst,
                                 rw=H.Endpoint(host="127.0.0.1", port=30001), **kw)


def test_health_newest_wins(central, sat):
    cid = put_cluster(central, sat)
    st = sat.connect()
    for at in range(1, 200):
        st.send(health=report(cid, at, H.CLUSTER_STATE_DEGRADED if at < 199 else H.CLUSTER_STATE_RUNNING))
    shown = "SELECT state, ready, lag_bytes, rw_port FROM cluster_list WHERE id = %s"
    wait_until("running", lambda: central.sql(shown, cid) == [("running", 3, 20, 30001)])
    assert central.sql("SELECT pod FROM instances WHERE cluster_id = %s ORDER BY 1", cid) == \
        [(f"prod-pg-{i}",) for i in range(3)]
    # One pod fewer, then an older report that came late.
    st.send(health=report(cid, 300, H.CLUSTER_STATE_DEGRADED, pods=2, reason="one is gone"))
    wait_until("degraded", lambda: central.sql("SELECT state FROM cluster_list WHERE id = %s", cid) == [("degraded",)])
    assert len(central.sql("SELECT pod FROM instances WHERE cluster_id = %s", cid)) == 2
    st.send(health=report(cid, 200))
    other = put_cluster(central, sat, "other")
    st.send(health=report(other, 1))
    wait_until("the other", lambda: central.sql("SELECT state FROM cluster_list WHERE id = %s", other) == [("running",)])
    assert central.sql("SELECT state FROM cluster_list WHERE id = %s", cid) == [("degraded",)]
    st.send(health=H.ClusterHealthReport(cluster_id="not a uuid", at_us=1))
    st.send(heartbeat=S.Heartbeat(at_us=5))
    assert st.wait("heartbeat_ack", lambda a: a.at_us == 5)
    st.close()


# ---- the link ----

def connected(central, sat):
    return central.admin().get(f"/api/v1/satellites/{sat.name}")["connected"]


def test_deadline_and_cancel(central, sat):
    for seconds in (1.5, 6, 24):  # long enough to be seen
        st = sat.open(timeout=seconds).hello()
        if wait_until("connected, or over", lambda: connected(central, sat) or st.code) is True:
            break
    else:
        raise AssertionError(f"it was never seen: {st.code} {st.details}")
    assert st.ended() == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until("its end is seen", lambda: not connected(central, sat))
    st = sat.connect()
    st.call.cancel()
    assert st.ended() == grpc.StatusCode.CANCELLED
    wait_until("its end is seen", lambda: not connected(central, sat))


def test_large_messages(central, sat):
    st = sat.connect()
    big = "x" * (1024 * 1024)
    st.send(event=event(1, big))
    st.wait("event_ack", lambda a: a.sequence == 1)
    # The message arrives whole; of its text so much is kept as a person would read.
    assert central.sql("SELECT length(message) FROM events WHERE satellite_id = %s", sat.id) == [(2000,)]
    st.send(event=event(2, "y" * (5 * 1024 * 1024)))
    assert st.ended() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert sat.connect().close() == grpc.StatusCode.OK


def test_newer_stream_wins(central, sat):
    old = sat.connect()
    new = sat.connect()
    assert old.ended() == grpc.StatusCode.ABORTED
    new.send(heartbeat=S.Heartbeat(at_us=3))
    assert new.wait("heartbeat_ack").at_us == 3
    cid = put_cluster(central, sat)
    assert new.wait("cluster_config").cluster_id == cid
    assert connected(central, sat)
    new.close()


@pytest.mark.parametrize("first", [
    b"\xff\xff\xff\xff", S.SatelliteMessage(heartbeat=S.Heartbeat(at_us=1)),
    S.SatelliteMessage(hello=S.Hello(satellite_id="someone else"))])
def test_bad_first_messages(central, sat, first):
    st = sat.open()
    st.out.put(first)
    assert st.ended() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED)
    assert sat.connect().close() == grpc.StatusCode.OK


def test_unknown_payloads_are_skipped(central, sat):
    """A newer satellite may say more than this central knows."""
    st = sat.connect()
    st.out.put(b"\xfa\x3e\x01x")  # field 1007
    st.send(storage_classes=S.StorageClassReport(classes=[S.StorageClass(name="local", provisioner="p", is_default=True)]))
    wait_until("its storage classes", lambda: [c["name"] for c in central.admin().get(
        f"/api/v1/satellites/{sat.name}")["storage_classes"]] == ["local"])
    st.close()


def test_logs_and_log_level(central, sat):
    st = sat.connect()
    for i in range(1200):
        st.send(log=S.LogEntry(at_us=i + 1, level="warn" if i % 10 == 0 else "info", logger="op", message=f"line {i}"))
    path = f"/api/v1/satellites/{sat.name}/logs"
    wait_until("all lines", lambda: central.admin().get(path + "?limit=1")["items"][-1:] and central.admin().get(
        path + "?limit=1")["items"][-1]["message"] == "line 1199")
    lines = central.admin().get(path + "?limit=1000")["items"]
    assert len(lines) == 1000 and lines[0]["message"] == "line 200"
    assert len(central.admin().get(path + "?limit=1000&level=warn")["items"]) == 100
    status, body = central.admin().call("POST", f"/api/v1/satellites/{sat.name}/log-level", {"level": "debug"})
    assert status == 204, body
    assert st.wait("set_log_level").level == "debug"
    assert central.admin().call("POST", f"/api/v1/satellites/{sat.name}/log-level", {"level": "loud"})[0] == 422
    st.close()
    wait_until("gone", lambda: not connected(central, sat))
    assert central.admin().call("POST", f"/api/v1/satellites/{sat.name}/log-level", {"level": "debug"})[0] == 503


# ---- questions ----

def in_background(fn):
    import concurrent.futures
    pool = concurrent.futures.ThreadPoolExecutor(1)
    return pool.submit(fn)


def test_credentials_are_asked_of_the_site(central, sat):
    put_cluster(central, sat)
    path = f"/api/v1/clusters/databases%2Fprod-pg@{sat.name}/credentials"
    assert central.admin().call("POST", path)[0] == 503  # not connected
    st = sat.connect()
    answer = in_background(lambda: central.admin().call("POST", path))
    q = wait_until("the question", lambda: next((m for m in st.got if m.WhichOneof("payload") == "credential"), None))
    assert (q.credential.namespace, q.credential.cluster_name) == ("databases", "prod-pg") and q.id
    st.send(id="nobody asked", credential=S.CredentialReply(user="x"))
    st.send(id=q.id, credential=S.CredentialReply(user="postgres", password="pw of the site",
                                                  rw=H.Endpoint(host="127.0.0.1", port=31000)))
    status, body = answer.result(60)
    assert status == 200 and body["user"] == "postgres" and body["password"] == "pw of the site", body
    assert body["rw"] == {"host": "127.0.0.1", "port": 31000}
    # The link breaks before the answer: the caller is told, at once.
    answer = in_background(lambda: central.admin().call("POST", path))
    wait_until("asked again", lambda: len([m for m in st.got if m.WhichOneof("payload") == "credential"]) == 2)
    st.call.cancel()
    assert answer.result(60)[0] == 503  # after the time of the question it were another one
    assert "pw of the site" not in central.log()
    assert "pw of the site" not in str(central.sql("SELECT * FROM audit"))
    assert central.sql("SELECT count(*) FROM audit WHERE action = 'cluster.credentials'")[0][0] >= 1


def test_pod_logs_come_through(central, sat):
    cid = put_cluster(central, sat)
    st = sat.connect()
    st.send(health=report(cid, 1))
    wait_until("pods known", lambda: central.sql("SELECT count(*) FROM instances WHERE cluster_id = %s", cid) == [(3,)])
    import ssl
    import urllib.request
    req = urllib.request.Request(f"https://localhost:{central.http_port}/api/v1/clusters/{cid}/logs?pod=prod-pg-1&tail=5",
                                 headers={"Authorization": f"Bearer {central.admin().token}"})
    ctx = ssl.create_default_context(cafile=central.ca_file)
    answer = in_background(lambda: urllib.request.urlopen(req, timeout=60, context=ctx).read())
    q = wait_until("the question", lambda: next((m for m in st.got if m.WhichOneof("payload") == "pod_log"), None))
    assert (q.pod_log.namespace, q.pod_log.pod_name, q.pod_log.tail_lines) == ("databases", "prod-pg-1", 5)
    for chunk in (b"one\n", b"two\n"):
        st.send(id=q.id, pod_log=S.PodLogChunk(data=chunk))
    st.send(id=q.id, pod_log=S.PodLogChunk(end=True))
    assert answer.result(60) == b"one\ntwo\n"
    st.close()
