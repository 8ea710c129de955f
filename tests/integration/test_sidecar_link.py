"""The sidecar's stream to its satellite, which grpcio plays here: identity, token, health, commands, events."""
import os
import queue
import re
import tempfile
import threading
from concurrent import futures

import grpc
import pytest
from fake_central import CA, pb
from launcher_util import free_port, wait_until
from sidecar_util import CLUSTER, FakeKube, Pod
from tcp_proxy import TcpProxy

M, C = pb.sidecar.SidecarMessage, pb.sidecar.SidecarCommand


class FakeSatellite:
    """Accepts one service; keeps what came, sends what is asked."""

    def __init__(self, ca=None, port=0, refuse=None):
        self.received, self.meta, self.down = [], [], None  # down: to the latest stream
        self.refuse, self.lock, self.streams = refuse, threading.Lock(), 0
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        handler = grpc.stream_stream_rpc_method_handler(
            self.connect, request_deserializer=M.FromString, response_serializer=C.SerializeToString)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "pgswarm.v1.SidecarStreamService", {"Connect": handler}),))
        if ca:
            creds = grpc.ssl_server_credentials([(ca.server_key.encode(), ca.server_cert.encode())])
            self.port = self.server.add_secure_port(f"127.0.0.1:{port}", creds)
        else:
            self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()

    def connect(self, requests, context):
        self.meta.append(dict(context.invocation_metadata()))
        if self.refuse:
            context.abort(*self.refuse)
        self.streams += 1
        down = self.down = queue.Queue()  # one each: what is for a stream is not eaten by one that ends
        context.send_initial_metadata(())

        def read():
            try:
                for m in requests:
                    with self.lock:
                        self.received.append(m)
                    if m.WhichOneof("payload") == "heartbeat":
                        down.put(C(heartbeat_ack=pb.sidecar.SidecarHeartbeatAck(at_us=m.heartbeat.at_us)))
            except grpc.RpcError:
                pass
            down.put(None)
        threading.Thread(target=read, daemon=True).start()
        while (command := down.get()) is not None:
            yield command

    def of(self, kind):
        with self.lock:
            return [m for m in self.received if m.WhichOneof("payload") == kind]

    def ask(self, ident, timeout=70, **payload):
        self.down.put(C(id=ident, **payload))
        return wait_until(f"answer to {ident}",
                          lambda: [m for m in self.of("result") if m.id == ident], timeout)[0].result

    def events(self, kind):
        return [m.event for m in self.of("event") if m.event.kind == kind]

    def stop(self):
        self.server.stop(0).wait(5)


def told(ask):
    """A status that looked into PostgreSQL: without an answer from there within 1.5 s it is given without."""
    def attempt():
        r = ask()
        return r if r.running else None
    return wait_until("PostgreSQL is looked into", attempt)


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


def test_identity_health_events_and_commands(kube, made):
    sat = FakeSatellite()
    made.append(sat)
    pods = [Pod(kube, i, replicas=2, satellite=f"127.0.0.1:{sat.port}") for i in range(2)]
    made.extend(pods)
    a, b = pods
    a.write_config("shared_preload_libraries = 'pg_stat_statements'")
    a.chown()
    a.launch()
    a.wait_ready("primary")
    wait_until("identity", lambda: sat.of("identity"))
    first = sat.received[0]
    assert first.WhichOneof("payload") == "identity"
    ident = first.identity
    assert (ident.pod_name, ident.cluster_name, ident.namespace, ident.pod_uid) == \
        (a.name, CLUSTER, kube.ns, a.name)
    assert sat.meta[0]["authorization"] == "Bearer t0ken"
    assert wait_until("the lease is told", lambda: sat.events("lease.acquired"))[0].cluster_name == CLUSTER

    # An empty table has no size yet; one with rows shows in the heavy round of a restarted sidecar.
    a.query("create table big as select generate_series(1, 5000) x")
    a.query("analyze big")
    a.kill_sidecar()
    a.start_sidecar()
    a.wait_ready("primary")
    h = wait_until("health with the heavy figures", lambda: [
        m.health for m in sat.of("health") if m.health.pod_name == a.name and m.health.ready and
        any(t.table == "big" for t in m.health.tables)])[-1]
    assert h.role == pb.health.INSTANCE_ROLE_PRIMARY and h.error == "" and h.epoch == 1
    assert h.timeline_id == 1 and "/" in h.lsn and h.server_version.startswith("15")
    assert h.connections_max == 40 and h.connections_used >= 1 and h.started_at_us > 10**15
    assert 0 < h.disk_used_bytes <= h.disk_total_bytes and h.wal_bytes_on_disk >= 16 << 20
    assert h.wal_records > 0 and h.wal_bytes > 0 and h.transactions > 0
    assert 0 <= h.index_hit_ratio <= 1 and 0 < h.commit_ratio <= 1
    assert [d.name for d in h.databases] == ["postgres"] and h.databases[0].size_bytes > 1 << 20
    (t,) = [t for t in h.tables if t.table == "big"]
    assert (t.database, t.schema, t.live_tuples, t.inserts) == ("postgres", "public", 5000, 5000)
    assert t.size_bytes > 100000
    assert h.slow_queries and all(q.calls > 0 and q.query for q in h.slow_queries)

    b.launch()
    b.wait_ready("replica")
    wait_until("its clone is told", lambda: sat.events("clone.finished"))
    h = wait_until("health of the replica", lambda: [
        m.health for m in sat.of("health") if m.health.pod_name == b.name and m.health.ready
        and m.health.lag_seconds == 0])[-1]  # it may be looked at while something is on its way
    assert h.role == pb.health.INSTANCE_ROLE_REPLICA and h.wal_receiver_active and h.received_lsn
    wait_until("the primary counts it", lambda: [
        m for m in sat.of("health") if m.health.pod_name == a.name
        and m.health.streaming_replicas == 1])


def test_commands(kube, made):
    sat = FakeSatellite()
    made.append(sat)
    a = Pod(kube, 0, replicas=1, satellite=f"127.0.0.1:{sat.port}")
    made.append(a)
    a.launch()
    a.wait_ready("primary")
    wait_until("connected", lambda: sat.of("identity"))
    P = pb.sidecar
    r = told(lambda: sat.ask("1", status=P.Status()))
    assert r.success and not r.in_recovery and not r.is_fenced and r.output == "primary"
    assert r.timeline_id == 1 and r.epoch == 1 and "/" in r.lsn
    before = a.query("select checkpoints_req from pg_stat_bgwriter")
    assert sat.ask("2", checkpoint=P.Checkpoint()).success
    wait_until("a checkpoint", lambda: a.query("select checkpoints_req from pg_stat_bgwriter") != before)
    assert sat.ask("3", reload=P.ReloadConfig()).success
    assert sat.ask("4", set_log_level=P.SetSidecarLogLevel(level="debug")).success
    r = sat.ask("5", set_log_level=P.SetSidecarLogLevel(level="loud"))
    assert not r.success and "'loud' is none" in r.error
    r = sat.ask("6", create_database=P.CreateDatabase(name="x"))
    assert not r.success and "create_database is not part of this version" in r.error
    for ident, payload in (("7", dict(fence=P.Fence())), ("8", dict(promote=P.Promote())),
                           ("9", dict(unfence=P.Unfence()))):
        r = sat.ask(ident, **payload)
        assert not r.success and r.code == "invalid" and r.error.startswith("operation_id: empty")
    assert a.query("select count(*) from pg_database where datname = 'x'") == [(0,)]


def test_tls_and_a_satellite_that_comes_late(kube, made):
    with tempfile.TemporaryDirectory() as folder:
        ca = CA(folder)
        port = free_port()
        a = Pod(kube, 0, replicas=1, satellite=f"127.0.0.1:{port}", SATELLITE_CA_FILE="")
        a.extra["SATELLITE_CA_FILE"] = f"{a.base}/satellite-ca.crt"
        with open(a.extra["SATELLITE_CA_FILE"], "w") as f:
            f.write(ca.pem)
        a.chown()
        made.append(a)
        a.launch()
        a.wait_ready("primary")  # nothing of the cluster needs the satellite
        sat = FakeSatellite(ca, port)
        made.append(sat)
        wait_until("connected", lambda: sat.of("health"))
        wait_until("events that waited for the satellite", lambda: sat.events("lease.acquired"))


def test_a_satellite_that_was_away_for_long_is_soon_told(kube, made):
    port = free_port()
    a = Pod(kube, 0, replicas=1, satellite=f"127.0.0.1:{port}")
    made.append(a)
    a.launch()
    a.wait_ready("primary")
    waits = lambda: [int(n) for n in re.findall(r"the stream ended.* retry_ms=(\d+)", a.sidecar_log())]
    wait_until("ten attempts", lambda: len(waits()) >= 10, 150)
    assert max(waits()) <= 5000
    made.append(sat := FakeSatellite(port=port))
    wait_until("its events", lambda: sat.events("lease.acquired"))


def test_a_connection_that_is_dead_is_left(kube, made):
    """No word of its end comes: silence tells, on a stream that stands and on one that is being opened."""
    made.append(sat := FakeSatellite())
    made.append(proxy := TcpProxy(sat.port))
    a = Pod(kube, 0, replicas=1, satellite=f"127.0.0.1:{proxy.port}")
    made.append(a)
    a.launch()
    a.wait_ready("primary")
    wait_until("connected", lambda: sat.events("lease.acquired"))
    beats = len(sat.of("heartbeat"))
    wait_until("a heartbeat behind it", lambda: len(sat.of("heartbeat")) > beats)
    sat.ask("behind", status=pb.sidecar.Status())  # so the answer to the heartbeat has come
    n, streams = proxy.accepted, sat.streams
    proxy.deaf = True
    a.write_config("work_mem = '5MB'")
    wait_until("something to tell", lambda: "kind=config.reloaded" in a.sidecar_log())
    assert not sat.events("config.reloaded")
    wait_until("another connection", lambda: proxy.accepted > n)
    wait_until("and another, for that one is deaf too", lambda: proxy.accepted >= n + 2)
    proxy.deaf = False
    health = len(sat.of("health"))
    wait_until("another stream", lambda: sat.streams > streams and len(sat.of("health")) > health)
    wait_until("what the dead connection swallowed", lambda: sat.events("config.reloaded"))
    assert len(sat.events("lease.acquired")) == 1, "what was answered is not said again"
    assert "stream=up" in a.sidecar_log() and "stream=opening" in a.sidecar_log()


def test_untrusted_satellite_gets_nothing(kube, made):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        sat = FakeSatellite(CA(one))
        made.append(sat)
        a = Pod(kube, 0, replicas=1, satellite=f"127.0.0.1:{sat.port}")
        a.extra["SATELLITE_CA_FILE"] = f"{a.base}/satellite-ca.crt"
        with open(a.extra["SATELLITE_CA_FILE"], "w") as f:
            f.write(CA(two).pem)
        a.chown()
        made.append(a)
        a.launch()
        a.wait_ready("primary")
        wait_until("two attempts", lambda: a.sidecar_log().count("the stream ended") >= 2)
        assert not sat.meta and "t0ken" not in a.sidecar_log()


def test_refused_token_is_tried_again_slowly(kube, made):
    sat = FakeSatellite(refuse=(grpc.StatusCode.UNAUTHENTICATED, "no such cluster"))
    made.append(sat)
    a = Pod(kube, 0, replicas=1, satellite=f"127.0.0.1:{sat.port}")
    made.append(a)
    a.launch()
    a.wait_ready("primary")
    wait_until("two attempts", lambda: len(sat.meta) >= 2)
    assert "no such cluster" in a.sidecar_log()
