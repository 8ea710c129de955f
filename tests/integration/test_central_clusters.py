"""Clusters: ten thousand of them listed, one found by any of its names, removed as a wish."""
import json
import time

import pytest

from rest_util import Central
from fleet_rows import make_profile


@pytest.fixture(scope="module")
def central(postgres):
    """Its own: with 100 satellites and 10,000 clusters."""
    c = Central(postgres.create_database())
    c.init()
    c.start()
    make_profile(c, "std")
    make_profile(c, "kept", deletion_protection=True)
    postgres.psql(c.database, """
        INSERT INTO satellites (name, state, labels, key_sha256, csr_pem)
        SELECT 'site-' || i, 'approved', jsonb_build_object('zone', 'z' || i % 10), sha256(('x' || i)::bytea), ''
          FROM generate_series(1, 100) i""")
    postgres.psql(c.database, """
        INSERT INTO clusters (name, namespace, satellite_id, profile_id, profile_version, config, acked_version,
                              config_state, deletion_protection)
        SELECT 'db-' || n, 'ns-' || n % 3, s.id, p.id, 1, v.doc, 1, 'applied', p.name = 'kept'
          FROM satellites s, generate_series(1, 100) n, profiles p JOIN profile_versions v ON v.profile_id = p.id
         WHERE p.name = CASE WHEN n % 10 = 0 THEN 'kept' ELSE 'std' END""")
    postgres.psql(c.database, """
        INSERT INTO cluster_health (cluster_id, state, reason, replicas, ready, primary_pod, lag_bytes, at)
        SELECT id, CASE WHEN name = 'db-7' THEN 'degraded' ELSE 'running' END,
               CASE WHEN name = 'db-7' THEN 'db-7-1: "no" disk' ELSE '' END, 3, 3, name || '-0',
               abs(hashtext(id::text)) % 100000, now() FROM clusters""")
    postgres.psql(c.database, "ANALYZE")
    yield c
    c.stop()


def test_ten_thousand_in_one_list(central):
    took = []
    for _ in range(7):
        start = time.monotonic()
        a = central.call("GET", "/api/v1/clusters?limit=10000")
        took.append((time.monotonic() - start) * 1000)
    took.sort()
    items = a.json["items"]
    assert a.json["total"] == len(items) == 10000 and "next" not in a.json
    print(f"10,000 clusters: {len(a.body)} bytes, median {took[3]:.0f} ms, worst {took[-1]:.0f} ms")
    names = [i["name"] for i in items]
    assert names == sorted(names)
    assert set(items[0]) == {
        "id", "name", "namespace", "satellite", "state", "reason", "profile", "profile_version", "config_version",
        "acked_version", "config_state", "config_error", "replicas", "ready", "primary", "lag_bytes", "lag_seconds", "rule",
        "paused", "durability", "sync", "failover_loss", "failover_loss_bytes", "created_at", "updated_at"}
    assert next(i for i in items if i["name"] == "db-7")["reason"] == 'db-7-1: "no" disk'


@pytest.mark.parametrize("query,total", [
    ("state=degraded", 100), ("state=degraded,running", 10000), ("state=failed", 0), ("satellite=site-5", 100),
    ("profile=kept", 1000), ("namespace=ns-1", 3400), ("name=b-10", 200), ("selector=zone%3Dz3", 1000),
    ("selector=zone%20in%20(z1,z2),!nope", 2000), ("selector=zone!%3Dz3", 9000),
    ("satellite=site-5&namespace=ns-0&state=degraded", 0), ("satellite=site-5&namespace=ns-1&state=degraded", 1)])
def test_filters(central, query, total):
    got = central.get(f"/api/v1/clusters?limit=3&{query}")
    assert got["total"] == total and len(got["items"]) == min(3, total)


@pytest.mark.parametrize("sort", ["name", "-name", "satellite", "-state", "lag_bytes", "-lag_bytes", "created_at",
                                  "-updated_at"])
def test_pages_follow_one_another(central, sort):
    seen, after = [], ""
    while True:
        got = central.get(f"/api/v1/clusters?limit=100&satellite=site-9&sort={sort}{after}"
                          if after else f"/api/v1/clusters?limit=33&satellite=site-9&sort={sort}")
        seen += got["items"]
        if "next" not in got:
            break
        after = "&after=" + got["next"]
    assert len({c["id"] for c in seen}) == len(seen) == 100
    keys = [c[sort.lstrip("-")] for c in seen]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


@pytest.mark.parametrize("query,field", [("sort=evil;drop", "sort"), ("state=fine", "state"), ("after=zz", "after"),
                                         ("after=" + "61" * 60, "after"), ("selector=a%20b", "selector"),
                                         ("limit=0", "limit"), ("limit=10001", "limit")])
def test_wrong_questions(central, query, field):
    a = central.call("GET", f"/api/v1/clusters?{query}")
    assert a.status == 422 and field in a.error["message"], a


def test_found_by_each_of_its_names(central):
    one = central.get("/api/v1/clusters?satellite=site-3&name=db-42")["items"][0]
    for ref in (one["id"], "db-42@site-3", "ns-0%2Fdb-42@site-3"):
        assert central.get(f"/api/v1/clusters/{ref}")["id"] == one["id"]
    a = central.call("GET", "/api/v1/clusters/db-42")
    assert a.status == 409 and a.error["code"] == "ambiguous" and "ns-0/db-42@site-1" in a.error["message"], a
    for ref in ("db-42@nowhere", "ns-1%2Fdb-42@site-3", "@", "x'y", "%2F@", "0" * 36):
        assert central.call("GET", f"/api/v1/clusters/{ref}").status == 404, ref


def test_removed_as_a_wish(central, postgres):
    before = central.get("/api/v1/clusters/db-1@site-1")
    a = central.call("DELETE", "/api/v1/clusters/db-1@site-1", headers={"If-Match": '"999999999"'})
    assert a.status == 412, a
    a = central.call("DELETE", "/api/v1/clusters/db-1@site-1?volumes=delete",
                     headers={"If-Match": f'"{before["config_version"]}"'})
    assert a.status == 202 and a.json["state"] == "deleting" and a.json["config_state"] == "deleting", a
    assert a.json["config_version"] > before["config_version"]
    assert central.get("/api/v1/clusters/db-1@site-1")["state"] == "deleting"
    assert postgres.psql(central.database, f"SELECT delete_volumes FROM clusters WHERE id = '{before['id']}'") == "t"
    row = [x for x in central.get("/api/v1/audit")["items"] if x["action"] == "cluster.delete"]
    assert len(row) == 1 and row[0]["target"] == "cluster/ns-1/db-1@site-1" and row[0]["after"] == {"volumes": "delete"}
    assert central.call("DELETE", "/api/v1/clusters/db-2@site-1?volumes=maybe").status == 422


def test_protected_volumes_are_not_deleted(central):
    a = central.call("DELETE", "/api/v1/clusters/db-10@site-1?volumes=delete")
    assert a.status == 412 and "deletion_protection" in a.error["message"], a
    assert central.get("/api/v1/clusters/db-10@site-1")["state"] == "running"
    assert central.call("DELETE", "/api/v1/clusters/db-10@site-1").status == 202


def test_the_record_of_a_lost_site_can_go(central, postgres):
    postgres.psql(central.database, "UPDATE satellites SET state = 'revoked' WHERE name = 'site-100'")
    assert central.call("DELETE", "/api/v1/clusters/db-5@site-100").status == 202
    assert central.call("GET", "/api/v1/clusters/db-5@site-100").status == 404


def test_without_a_stream_there_is_no_password_and_no_log(central):
    a = central.call("POST", "/api/v1/clusters/db-3@site-1/credentials")
    assert a.status == 503 and a.error["code"] == "unavailable", a
    assert central.call("GET", "/api/v1/clusters/db-3@site-1/logs").status == 503
    for query in ("pod=other-0", "pod=db-33-0", "container=..", "tail=x", "follow=maybe"):
        assert central.call("GET", f"/api/v1/clusters/db-3@site-1/logs?{query}").status == 422, query


def test_roles(central):
    viewer, operator = central.token_for("eve", "viewer"), central.token_for("otto", "operator")
    for token in (viewer, operator):
        assert central.call("DELETE", "/api/v1/clusters/db-4@site-1", token=token).status == 403
    assert central.call("POST", "/api/v1/clusters/db-4@site-1/credentials", token=viewer).status == 403
    assert central.call("GET", "/api/v1/clusters/db-4@site-1", token=viewer).status == 200


def test_shown_with_instances_and_events(central, postgres):
    one = central.get("/api/v1/clusters/db-8@site-2")
    doc = {"pod": "db-8-0", "role": "primary", "ready": True, "lsn": "0/3000060", "databases": [{"name": "postgres"}]}
    postgres.psql(central.database, f"""
        INSERT INTO instances VALUES ('{one["id"]}', 'db-8-0', 'primary', true, '{json.dumps(doc)}', now());
        INSERT INTO events (satellite, at, severity, kind, cluster, namespace, message)
        VALUES ('site-2', now(), 'warning', 'cluster.state', 'db-8', 'ns-2', 'degraded for a while');
        UPDATE cluster_health SET rw_host = '192.0.2.1', rw_port = 30432 WHERE cluster_id = '{one["id"]}'""")
    got = central.get("/api/v1/clusters/db-8@site-2")
    assert got["instances"] == [doc]
    assert got["rw"] == {"host": "192.0.2.1", "port": 30432} and got["ro"] == {"host": "", "port": 0}
    assert [e["message"] for e in got["events"]] == ["degraded for a while"]
    assert got["config"]["name"] == "std"
