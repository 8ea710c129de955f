"""swarmctl on leadership, durability and decisions, against a real central: cluster show, cluster topology, explain."""
import json
import re
import time

import pytest

from central_util import Central, Postgres, Satellite, pb, put_cluster, wait_until
from decision_util import chain, data
from test_cli_operations import Ctl

H = pb.health


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
def ctl(central, tmp_path):
    return Ctl(central, tmp_path)


@pytest.fixture
def site(central, request):
    s = Satellite(central, re.sub("[^a-z0-9]+", "-", request.node.name)[:40].strip("-")).enrol()
    s.cluster = put_cluster(central, s)
    s.stream, s.ref, s.sequence = s.connect(), f"prod-pg@{s.name}", 0
    yield s
    s.close()


def say(site, decisions):
    for d in decisions:
        site.sequence += 1
        site.stream.send(event=H.EventReport(
            sequence=site.sequence, at_us=d["at_us"], severity=H.SEVERITY_INFO, kind="decision", cluster_name="prod-pg",
            namespace="databases", pod_name=d["member"], message=d["did"], source="sidecar", data=data(d)))
    wait_until("stored", lambda: any(a.sequence == site.sequence for a in site.stream.kinds("event_ack")))


T = (int(time.time()) - 3600) * 1_000_000
DIED = chain("prod-pg-0", [
    (7, "lease.created", "there was no lease", "created the lease and holds it", "somebody must lead"),
    (7, "postgres.died", "PostgreSQL ended by signal 9", "released the lease", "its restart is not predicted to be quick")],
    start_us=T)
WON = chain("prod-pg-1", [
    (7, "election.sealed", "prod-pg-0 released the lease", "follows nobody any more", "the lease is free"),
    (8, "lease.taken", "2 of 2 votes", "took the lease at epoch 8", "it is the most advanced"),
    (8, "promote.done", "timeline 2", "lets clients in", "it leads")], name="aa" * 8, start_us=T + 150_000)


def test_a_failover_is_explained(ctl, site):
    say(site, WON)  # a member may be heard before another
    say(site, DIED)
    r = ctl.run("explain", site.ref)
    assert r.returncode == 0, r.stderr
    lines = [" ".join(line.split()) for line in r.stdout.splitlines() if line.strip()]
    day, at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(T // 1_000_000)).split()
    assert lines[0] == f"{site.ref}: what happened on {day} from {at}.000 to {at}.350 UTC (0.3 s)"
    told = [line for line in lines if line.startswith(("Epoch", at[:2] + ":"))]
    assert told == ["Epoch 7, held by prod-pg-0",
                    f"{at}.000 +0.000 s prod-pg-0: created the lease and holds it",
                    f"{at}.100 +0.100 s prod-pg-0: released the lease",
                    f"{at}.150 +0.150 s prod-pg-1: follows nobody any more",
                    "Epoch 8, held by prod-pg-1",
                    f"{at}.250 +0.250 s prod-pg-1: took the lease at epoch 8",
                    f"{at}.350 +0.350 s prod-pg-1: lets clients in"]
    assert "why: it is the most advanced" in lines and "saw: PostgreSQL ended by signal 9" in lines
    assert lines[-1] == "The record: 5 decisions in 2 chains, every hash fits."
    tree = json.loads(ctl.run("explain", site.ref, "-o", "json").stdout)
    assert tree["whole"] and tree["incident"] and [e["holder"] for e in tree["epochs"]] == ["prod-pg-0", "prod-pg-1"]
    assert tree["epochs"][1]["decisions"][0]["hash"] == WON[1]["hash"]
    r = ctl.run("explain", site.ref, "--since", f"{day}T{at}.200Z")
    assert "took the lease" in r.stdout and "released the lease" not in r.stdout
    assert "no decisions are kept" in ctl.run("explain", site.ref, "--since", "10m").stdout
    assert ctl.run("explain", site.ref, "--since", "soon").returncode == 2
    assert ctl.run("explain", "nobody@nowhere").returncode == 5


def test_tampering_is_said(ctl, site, central):
    say(site, DIED + WON)
    central.sql("UPDATE decisions SET data = jsonb_set(data, '{why}', '\"nobody knows\"') WHERE member = 'prod-pg-0' AND"
                " number = 2 AND satellite_id = (SELECT id FROM satellites WHERE name = %s) RETURNING 1", site.name)
    central.sql("DELETE FROM decisions WHERE member = 'prod-pg-1' AND number = 2 AND satellite_id ="
                " (SELECT id FROM satellites WHERE name = %s) RETURNING 1", site.name)
    r = ctl.run("explain", site.ref)
    assert "The record is BROKEN" in r.stdout
    assert "record 2 of prod-pg-0 is not what was written" in r.stdout
    assert "records 2 to 2 of prod-pg-1 are missing" in r.stdout
    tree = json.loads(ctl.run("explain", site.ref, "-o", "json").stdout)
    assert not tree["whole"] and {b["fault"] for b in tree["breaks"]} == {"altered", "gap"}
    assert not any(c["whole"] for c in tree["chains"])


def health(site, at_us=T):
    followers = [H.FollowerHealth(pod_name="prod-pg-1", epoch=7, state="streaming", sync_state="quorum", lag_bytes=0),
                 H.FollowerHealth(pod_name="prod-pg-2", epoch=7, state="streaming", sync_state="quorum",
                                  lag_bytes=2 << 20, replay_lag_bytes=3 << 20)]
    facts = H.HaFacts(lease_holder="prod-pg-0", lease_epoch=7, lease_age_ms=900, durability="protected",
                      followers=followers)
    member = dict(ready=True, timeline_id=3, epoch=7, lsn="0/5000060")
    site.stream.send(health=H.ClusterHealthReport(
        cluster_id=site.cluster, state=H.CLUSTER_STATE_RUNNING, at_us=at_us, primary_pod="prod-pg-0",
        ha=H.HaSummary(durability="protected", sync="ok", sync_k=1, sync_names=["prod-pg-1", "prod-pg-2"], epoch=7,
                       timeline_id=3, lease_holder="prod-pg-0", lease_age_ms=1200, lease_seconds=15, loss="none",
                       loss_text="no: every acknowledged row is on 2 members", fenced_pod="prod-pg-0",
                       fence_operation="op-1", paused=True, paused_by="ann"),
        instances=[H.InstanceHealth(pod_name="prod-pg-0", role=H.INSTANCE_ROLE_PRIMARY, ha=facts, **member),
                   H.InstanceHealth(pod_name="prod-pg-1", role=H.INSTANCE_ROLE_REPLICA, **member),
                   H.InstanceHealth(pod_name="prod-pg-2", role=H.INSTANCE_ROLE_REPLICA, lag_seconds=4.5, **member),
                   H.InstanceHealth(pod_name="prod-pg-3", error="waiting: its data is gone"),
                   H.InstanceHealth(pod_name="prod-pg-4", role=H.INSTANCE_ROLE_REPLICA, wal_receiver_active=True, **member),
                   H.InstanceHealth(pod_name="prod-pg-5", role=H.INSTANCE_ROLE_REPLICA, **member)]))


def test_show_and_topology(ctl, site):
    health(site)
    wait_until("reported", lambda: "Data loss" in ctl.run("cluster", "show", site.ref).stdout)
    text = ctl.run("cluster", "show", site.ref).stdout
    for line in ("Durability protected: a write waits for 1 of prod-pg-1, prod-pg-2",
                 "Data loss  no: every acknowledged row is on 2 members", "Timeline   3",
                 "Fenced     prod-pg-0, by operation op-1", "Paused     no automatic failover, by ann"):
        assert line in text, text
    assert re.search(r"Lease +epoch 7, prod-pg-0, renewed at most 1.2 s before the report of", text)
    tree = ctl.run("cluster", "topology", site.ref).stdout
    assert "Data loss  no: every acknowledged row is on 2 members" in tree
    rows = [line for line in tree.splitlines() if "prod-pg-" in line and "  TL " in line]
    assert rows[0].startswith("prod-pg-0  primary  TL 3  epoch 7  0/5000060")
    assert rows[1].startswith("├─ prod-pg-1  replica") and "streaming, quorum; receive-lag 0 B, replay-lag" in rows[1]
    assert rows[2].startswith("└─ prod-pg-2  replica")
    assert "receive-lag 2.0 MB, replay-lag 3.0 MB (4.5 s)" in rows[2].replace("MiB", "MB")
    assert rows[3].startswith("·  prod-pg-3") and "waiting: its data is gone" in rows[3]
    assert "follows nobody" not in rows[3]
    assert "streams, newer than the primary's report" in rows[4] and "follows nobody here" in rows[5]
    ha = json.loads(ctl.run("cluster", "topology", site.ref, "-o", "json").stdout)["ha"]
    assert ha["failover_loss"] == "none" and ha["sync"] == "ok" and ha["epoch"] == 7


def test_topology_is_followed(ctl, site):
    health(site)
    p = ctl.start("cluster", "topology", site.ref, "-w")
    try:
        first = json.loads(p.stdout.readline())
        while not first["instances"]:
            first = json.loads(p.stdout.readline())
        health(site, T + 5_000_000)
        second = first
        while second["ha"]["at"] == first["ha"]["at"]:  # the first report may be told twice: as it was, and as news
            second = json.loads(p.stdout.readline())
        assert second["ha"]["at"] > first["ha"]["at"]
    finally:
        p.terminate()
        p.wait(30)
