"""PG-Swarm as it is installed, on a Kubernetes as it is."""
from conftest import CENTRAL, DB, SYSTEM, wait_until

CLUSTERS = ("old-pg", "new-pg")


def test_central_runs_on_its_own_database(central):
    assert central.ask("status")["satellites"]["total"] == 0
    database = central.get("statefulset", "pg-swarm-database", ns=CENTRAL)
    assert database["status"]["readyReplicas"] == 1


def test_the_satellite_is_admitted(site):
    s = site.satellite()
    assert s["state"] == "approved" and s["connected"] and s["kubernetes_version"] == site.version
    assert [c for c in s["storage_classes"] if c["is_default"]]
    [token] = site.ask("satellite", "token", "list")["items"]
    assert token["name"] == "check" and token["used_at"] and s["labels"] == {"tier": "check"}
    rows = [r for r in site.ask("audit")["items"] if r["action"] == "satellite.enrol"]
    assert len(rows) == 1 and rows[0]["user"] == "admin" and rows[0]["target"] == "satellite/check"


def test_two_majors_side_by_side(clusters):
    assert clusters.psql("old-pg", "show server_version").startswith("15")
    assert clusters.psql("new-pg", "show server_version").startswith("17")
    assert clusters.get("pvc", "wal-new-pg-2")["status"]["phase"] == "Bound"
    for name in CLUSTERS:
        roles = sorted(p["metadata"]["labels"]["pg-swarm.io/role"] for p in clusters.pods(name))
        assert roles == ["primary", "replica", "replica"]


def test_rows_travel(clusters):
    for name in CLUSTERS:
        clusters.psql(name, "create table if not exists t(id int primary key); insert into t values (1), (2), (3)")
        wait_until(f"3 rows on a replica of {name}",
                   lambda n=name: clusters.psql(n, "select count(*) from t", "replica", check=False) == "3")
        assert clusters.psql(name, "select count(*) from pg_stat_replication where state = 'streaming'") == "2"
