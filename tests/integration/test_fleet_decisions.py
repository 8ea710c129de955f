"""Leadership, durability and decisions of a cluster at central: what a site says is kept as it was said, and shown."""
import re

import pytest

from central_util import Central, Postgres, Satellite, pb, put_cluster, wait_until
from decision_util import chain, data

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
def sat(central, request):
    s = Satellite(central, re.sub("[^a-z0-9]+", "-", request.node.name)[:40].strip("-")).enrol()
    yield s
    s.close()


NOTES = [(7, "election.sealed", "db-0 was not heard for 15 s", "sealed", "the lease expired"),
         (8, "election.won", 'positions of "db-1" and db-2', "took the lease", "most advanced"),
         (8, "promote.done", "timeline 2", "let clients in", "it holds epoch 8")]


def send_decision(st, seq, d):
    st.send(event=H.EventReport(sequence=seq, at_us=d["at_us"], severity=H.SEVERITY_INFO, kind="decision",
                                cluster_name="prod-pg", namespace="databases", pod_name=d["member"],
                                message=d["did"], source="sidecar", data=data(d)))


def decisions(central, sat, query=""):
    return central.admin().get(f"/api/v1/clusters/databases%2Fprod-pg@{sat.name}/decisions{query}")


def test_decisions_are_kept_as_they_were_said(central, sat):
    put_cluster(central, sat)
    st = sat.connect()
    said = chain("prod-pg-1", NOTES)
    for i, d in enumerate(said):
        send_decision(st, i + 1, d)
    send_decision(st, 4, said[2])  # said again after a lost acknowledgement
    st.send(event=H.EventReport(sequence=5, at_us=9, severity=H.SEVERITY_INFO, kind="cluster.state",
                                cluster_name="prod-pg", namespace="databases", message="running"))
    wait_until("stored", lambda: any(a.sequence == 5 for a in st.kinds("event_ack")))
    got = decisions(central, sat)
    assert got["total"] == 3
    items = got["items"][::-1]
    for want, have in zip(said, items):
        for key in ("member", "chain", "number", "epoch", "kind", "saw", "did", "why", "prev", "hash"):
            assert have[key] == want[key], key
    assert items[0]["at"] == "2023-11-14T22:13:20.000000Z"
    # They are no events: nobody's list is flooded.
    events = central.admin().get(f"/api/v1/events?satellite={sat.name}")["items"]
    assert [e["kind"] for e in events if e["kind"] in ("decision", "cluster.state")] == ["cluster.state"]
    # By time, and page by page.
    assert decisions(central, sat, "?since=2023-11-14T22:13:20.150Z")["total"] == 1
    page = decisions(central, sat, "?limit=2")
    rest = decisions(central, sat, "?limit=2&after=" + page["next"])
    assert [d["number"] for d in page["items"] + rest["items"]] == [3, 2, 1]
    st.close()


def test_two_stories_under_one_number_are_both_kept(central, sat):
    put_cluster(central, sat)
    st = sat.connect()
    send_decision(st, 1, chain("prod-pg-1", NOTES)[0])
    other = [(7, "election.sealed", "nothing", "did nothing", "it was not me")]
    send_decision(st, 2, chain("prod-pg-1", other)[0])
    wait_until("stored", lambda: any(a.sequence == 2 for a in st.kinds("event_ack")))
    assert decisions(central, sat)["total"] == 2
    st.close()


def test_what_is_no_decision_does_not_stop_the_rest(central, sat):
    put_cluster(central, sat)
    st = sat.connect()
    bad = dict(chain("prod-pg-1", NOTES)[0])
    bad["number"] = "many"
    send_decision(st, 1, bad)
    send_decision(st, 2, chain("prod-pg-1", NOTES)[0])
    wait_until("stored", lambda: any(a.sequence == 2 for a in st.kinds("event_ack")))
    assert decisions(central, sat)["total"] == 1
    st.close()


def test_durability_is_shown(central, sat):
    cid = put_cluster(central, sat)
    st = sat.connect()
    path = f"/api/v1/clusters/databases%2Fprod-pg@{sat.name}"
    assert central.admin().get(path)["ha"] == {}
    summary = H.HaSummary(durability="protected", sync="ok", sync_k=1, sync_names=["prod-pg-1", "prod-pg-2"], epoch=7,
                          timeline_id=3, lease_holder="prod-pg-0", lease_age_ms=1200, lease_seconds=15, loss="none",
                          loss_text="no: every acknowledged row is on 2 members")
    facts = H.HaFacts(lease_holder="prod-pg-0", lease_epoch=7, lease_age_ms=900, durability="protected",
                      sync_in_force='ANY 1 ("prod-pg-1.e7","prod-pg-2.e7")',
                      followers=[H.FollowerHealth(pod_name="prod-pg-1", epoch=7, state="streaming", sync_state="quorum",
                                                  lag_bytes=12)])
    st.send(health=H.ClusterHealthReport(
        cluster_id=cid, state=H.CLUSTER_STATE_RUNNING, at_us=1_700_000_000_000_000, primary_pod="prod-pg-0", ha=summary,
        instances=[H.InstanceHealth(pod_name="prod-pg-0", role=H.INSTANCE_ROLE_PRIMARY, ready=True, ha=facts)]))
    ha = wait_until("shown", lambda: central.admin().get(path)["ha"])
    assert ha == {"at": "2023-11-14T22:13:20.000000Z", "durability": "protected", "sync": "ok", "sync_k": 1,
                  "sync_names": ["prod-pg-1", "prod-pg-2"], "epoch": 7, "timeline": 3, "lease_holder": "prod-pg-0",
                  "lease_age_ms": 1200, "lease_seconds": 15, "failover_loss": "none", "failover_loss_bytes": 0,
                  "failover_loss_text": "no: every acknowledged row is on 2 members", "fenced_pod": "",
                  "fence_operation": "", "paused": False, "paused_by": "", "api_away": False}
    member = central.admin().get(path)["instances"][0]["ha"]
    assert member["lease_epoch"] == 7 and member["followers"][0]["lag_bytes"] == 12
    # A site that does not tell yet.
    st.send(health=H.ClusterHealthReport(cluster_id=cid, state=H.CLUSTER_STATE_RUNNING, at_us=1_700_000_001_000_000))
    wait_until("unknown", lambda: central.admin().get(path)["ha"]["lease_age_ms"] == -1)
    st.close()
