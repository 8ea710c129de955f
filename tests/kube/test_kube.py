"""PG-Swarm as it is installed, on a Kubernetes as it is."""
import json

import pytest

from conftest import CENTRAL, DB, SYSTEM, storage_class, wait_until
from webhook import Webhook

CLUSTERS = ("old-pg", "new-pg")


def test_central_runs_on_its_own_database(central):
    assert central.ask("status")["satellites"]["total"] == 0
    database = central.get("statefulset", "pg-swarm-database", ns=CENTRAL)
    assert database["status"]["readyReplicas"] == 1


def test_the_satellite_is_admitted(site):
    s = site.satellite()
    assert s["state"] == "approved" and s["connected"] and s["kubernetes_version"] == site.version
    wait_until("a default storage class", lambda: [c for c in site.satellite()["storage_classes"] if c["is_default"]])
    [token] = site.ask("satellite", "token", "list")["items"]
    assert token["name"] == "check" and token["used_at"] and s["labels"] == {"tier": "check"}
    rows = [r for r in site.ask("audit")["items"] if r["action"] == "satellite.enrol"]
    assert len(rows) == 1 and rows[0]["user"] == "admin" and rows[0]["target"] == "satellite/check"


def test_two_majors_side_by_side(clusters):
    assert clusters.psql("old-pg", "show server_version").startswith("15")
    assert clusters.psql("new-pg", "show server_version").startswith("17")
    assert clusters.get("pvc", "wal-new-pg-2")["status"]["phase"] == "Bound"
    for name in CLUSTERS:
        roles = lambda n=name: sorted(p["metadata"]["labels"].get("pg-swarm.io/role", "") for p in clusters.pods(n))
        wait_until(f"the roles in {name}", lambda: roles() == ["primary", "replica", "replica"])


def test_rows_travel(clusters):
    for name in CLUSTERS:
        clusters.psql(name, "create table if not exists t(id int primary key); insert into t values (1), (2), (3)")
        wait_until(f"3 rows on a replica of {name}",
                   lambda n=name: clusters.psql(n, "select count(*) from t", "replica", check=False) == "3")
        wait_until(f"both replicas of {name} stream", lambda n=name: clusters.psql(
            n, "select count(*) from pg_stat_replication where state = 'streaming'") == "2")


OBJECTS = ["statefulset/{n}", "service/{n}-headless", "service/{n}-rw", "service/{n}-ro", "secret/{n}-secret",
           "configmap/{n}-config", "configmap/pg-swarm-config-{n}", "configmap/{n}-recovery-rules", "serviceaccount/{n}-failover",
           "role/{n}-failover", "rolebinding/{n}-failover", "lease/{n}-leader", "poddisruptionbudget/{n}", "networkpolicy/{n}"]


def test_every_object_is_there(clusters):
    for name in CLUSTERS:
        wait_until("all objects", lambda: clusters.kubectl("-n", DB, "get", *[o.format(n=name) for o in OBJECTS],
                                                           check=False).returncode == 0)
        named = lambda: [a["targetRef"]["name"] for s in clusters.get("endpoints", f"{name}-rw").get("subsets", [])
                         for a in s.get("addresses", [])]
        wait_until("the service names the primary alone",
                   lambda: named() == [p["metadata"]["name"] for p in clusters.pods(name, "primary")])


def test_no_secret_leaks(clusters):
    secrets = {clusters.password(n, k) for n in CLUSTERS for k in ("superuser-password", "replication-password",
                                                                   "sidecar-stream-token")}
    seen = [clusters.kubectl("get", "configmaps,events,pods,leases,statefulsets", "-A", "-o", "json").stdout, clusters.said(),
            clusters.ctl("events", "--limit", "500", "-o", "json").stdout, clusters.ctl("audit", "-o", "json").stdout]
    assert len(secrets) == 6 and not [s for s in secrets if any(s in text for text in seen)]


def test_who_may_not_and_what_is_not_right(clusters):
    token = clusters.ctl("token", "create", "looker", "--role", "viewer").stdout.strip()
    env, clusters.env = clusters.env, dict(clusters.env, SWARM_TOKEN=token)
    try:
        assert clusters.ctl("cluster", "list").returncode == 0
        p = clusters.ctl("cluster", "delete", "old-pg@check", "--confirm", "old-pg", check=False)
    finally:
        clusters.env = env
    assert p.returncode == 4 and "forbidden" in p.stderr
    p = clusters.ctl("profile", "create", "bad", "--set", "replicas=0", "--set", "storage.size=10Gx", "--set",
                     "parameters.wrok_mem=1MB", check=False)
    assert p.returncode == 7 and all(w in p.stderr for w in ("replicas", "storage.size", "wrok_mem", "work_mem"))


def test_scale_to_five_and_back(clusters):
    clusters.wish("old-pg", replicas=5)
    wait_until("five members", lambda: (clusters.get("statefulset", "old-pg")["status"].get("readyReplicas")) == 5, 180)
    clusters.running("old-pg")
    wait_until("four replicas", lambda: len(clusters.pods("old-pg", "replica")) == 4)
    wait_until("four of them stream", lambda: clusters.psql(
        "old-pg", "select count(*) from pg_stat_replication where state = 'streaming'") == "4")
    clusters.wish("old-pg", replicas=3)
    wait_until("three members", lambda: len(clusters.pods("old-pg")) == 3, 120)
    clusters.running("old-pg")
    assert clusters.psql("old-pg", "select count(*) from t") == "3"
    assert clusters.get("pvc", "data-old-pg-4")["status"]["phase"] == "Bound", "claims outlive their members"


def test_drift_by_hand(clusters):
    env, clusters.env = clusters.env, dict(clusters.env, KUBE_EDITOR="sed -i s/5432/5433/g")
    try:
        clusters.kubectl("-n", DB, "edit", "service", "old-pg-ro")
    finally:
        clusters.env = env
    wait_until("the port again", lambda: clusters.get("service", "old-pg-ro")["spec"]["ports"][0]["port"] == 5432)
    clusters.patch("configmap", "old-pg-config", {"data": {"postgresql.conf": "fsync = off\n"}})
    wait_until("the configuration again", lambda: "fsync = off" not in clusters.get("configmap", "old-pg-config")["data"][
        "postgresql.conf"])
    clusters.kubectl("-n", DB, "delete", "role,networkpolicy,pdb", "-l", "pg-swarm.io/cluster=old-pg")
    wait_until("the rest again", lambda: all(clusters.get(*o.format(n="old-pg").split("/")) for o in OBJECTS))


def test_a_deleted_replica_comes_back(clusters):
    pod = clusters.pods("old-pg", "replica")[0]["metadata"]
    clusters.kubectl("-n", DB, "delete", "pod", pod["name"], "--wait=false")
    wait_until("another pod of that name", lambda: (clusters.get("pod", pod["name"]) or {"metadata": {"uid": pod["uid"]}})[
        "metadata"]["uid"] != pod["uid"], 90)
    clusters.running("old-pg")
    wait_until("both stream", lambda: clusters.psql(
        "old-pg", "select count(*) from pg_stat_replication where state = 'streaming'") == "2", 90)


def test_a_deleted_primary_costs_no_row(clusters):
    pod = clusters.pods("new-pg", "primary")[0]["metadata"]
    clusters.psql("new-pg", "insert into t values (4)")
    clusters.kubectl("-n", DB, "delete", "pod", pod["name"], "--wait=false")
    wait_until("another pod of that name", lambda: (clusters.get("pod", pod["name"]) or {"metadata": {"uid": pod["uid"]}})[
        "metadata"]["uid"] != pod["uid"], 90)
    wait_until("a primary takes writes", lambda: clusters.psql("new-pg", "insert into t values (5) returning id",
                                                               check=False) == "5", 120)
    clusters.running("new-pg")
    assert clusters.psql("new-pg", "select count(*) from t") == "5"
    wait_until("one primary", lambda: len(clusters.pods("new-pg", "primary")) == 1)
    wait_until("both stream", lambda: clusters.psql(
        "new-pg", "select count(*) from pg_stat_replication where state = 'streaming'") == "2", 120)


def test_a_killed_satellite(clusters):
    """By a signal on its node; the cluster does not notice, and what changes meanwhile is made up for."""
    [pod] = clusters.json("-n", SYSTEM, "get", "pods", "-l", "app.kubernetes.io/name=pg-swarm-satellite")["items"]
    status = pod["status"]["containerStatuses"][0]
    if clusters.real:
        clusters.on_node("ctr", "tasks", "kill", "-s", "SIGKILL", status["containerID"].split("//")[1])
        again = lambda p: p["status"]["containerStatuses"][0]["restartCount"] > status["restartCount"]
    else:
        clusters.kubectl("-n", SYSTEM, "delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0")
        again = lambda p: p["metadata"]["uid"] != pod["metadata"]["uid"]
    clusters.kubectl("-n", DB, "delete", "service", "old-pg-ro", "--wait=false")
    assert clusters.psql("old-pg", "insert into t values (9) returning id") == "9"
    wait_until("another satellite", lambda: any(again(p) for p in clusters.json(
        "-n", SYSTEM, "get", "pods", "-l", "app.kubernetes.io/name=pg-swarm-satellite")["items"]
        if p["status"].get("containerStatuses")), 90)
    wait_until("it is connected", lambda: clusters.satellite()["connected"], 90)
    wait_until("the service again", lambda: clusters.get("service", "old-pg-ro"), 60)
    clusters.running(*CLUSTERS)


def test_a_restarted_central(clusters):
    clusters.kubectl("-n", CENTRAL, "rollout", "restart", "deployment/pg-swarm-central")
    clusters.available("deployment/pg-swarm-central", CENTRAL)
    clusters.reach_central()
    wait_until("the satellite is back", lambda: clusters.satellite()["connected"], 90)
    clusters.running(*CLUSTERS)


def test_storage_class_by_name(clusters):
    """The default one is in use already; one that is not there is told, and taken as soon as it comes."""
    clusters.make("class-pg", "storage.storage_class=pgs-check-late")
    assert "pgs-check-late" in clusters.refusal("class-pg", "storage")
    if clusters.real:
        clusters.apply(storage_class("pgs-check-late"))
    else:
        default = next(c for c in clusters.json("get", "storageclass")["items"] if c["metadata"].get("annotations", {}).get(
            "storageclass.kubernetes.io/is-default-class") == "true")
        clusters.apply({**default, "metadata": {"name": "pgs-check-late", "labels": {"pgs-check": "1"}}})
    clusters.volumes("pgs-check-late")
    clusters.healed("class-pg")
    assert clusters.get("pvc", "data-class-pg-0")["spec"]["storageClassName"] == "pgs-check-late"
    clusters.remove("class-pg")
    wait_until("its claim goes", lambda: not clusters.get("pvc", "data-class-pg-0"))


def test_deletion_protection(clusters):
    clusters.make("kept-pg", "deletion_protection=true")
    clusters.running("kept-pg")
    wait_until("a guarded claim", lambda: "pg-swarm.io/protection" in clusters.get("pvc", "data-kept-pg-0")["metadata"][
        "finalizers"])
    p = clusters.ctl("cluster", "delete", "kept-pg@check", "--confirm", "kept-pg", check=False)
    assert p.returncode != 0 and "protection" in p.stderr
    clusters.kubectl("-n", DB, "delete", "pvc", "data-kept-pg-0", "--wait=false")
    assert clusters.psql("kept-pg", "select 1") == "1"
    assert clusters.get("pvc", "data-kept-pg-0"), "a guarded claim stays while it is guarded"
    clusters.wish("kept-pg", deletion_protection=False)
    clusters.ctl("rule", "delete", "kept-pg", "--yes")
    wait_until("protection is off", lambda: "pg-swarm.io/protection" not in (clusters.get("pvc", "data-kept-pg-0") or {
        "metadata": {}})["metadata"].get("finalizers", []))
    clusters.remove("kept-pg")
    wait_until("its claim goes", lambda: not clusters.get("pvc", "data-kept-pg-0"))


# ---- bad input: the site says no, in its own words, and recovers by itself ----

def test_quota_that_is_too_small(clusters):
    clusters.kubectl("create", "namespace", "pgs-check-2")
    clusters.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small", "namespace": "pgs-check-2"},
                    "spec": {"hard": {"pods": "0"}}})
    clusters.make("quota-pg", ns="pgs-check-2")
    assert "exceeded quota: small" in clusters.refusal("quota-pg", "quota")
    clusters.kubectl("-n", "pgs-check-2", "delete", "resourcequota", "small")
    clusters.healed("quota-pg", 240)
    clusters.remove("quota-pg")


def test_without_rights(clusters):
    role = clusters.json("get", "clusterrole", "pg-swarm-satellite")
    fewer = {**role, "rules": [r for r in role["rules"] if "statefulsets" not in r["resources"]],
             "metadata": {"name": role["metadata"]["name"]}}
    clusters.kubectl("replace", "-f", "-", stdin=json.dumps(fewer))
    try:
        clusters.make("rights-pg")
        assert "cannot patch resource \"statefulsets\"" in clusters.refusal("rights-pg", "cannot")
        assert clusters.satellite()["connected"]
    finally:
        clusters.kubectl("replace", "-f", "-", stdin=json.dumps({**fewer, "rules": role["rules"]}))
    clusters.healed("rights-pg", 400)
    clusters.remove("rights-pg")


def test_admission_webhook_that_refuses(clusters):
    if not clusters.real:
        pytest.skip("this machine cannot be called from the API server")
    with Webhook(clusters.folder, clusters.host_ip(), "no databases on Mondays, says the webhook") as hook:
        clusters.apply({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                        "metadata": {"name": "pgs-check", "labels": {"pgs-check": "1"}}, "webhooks": [{
                            "name": "no.pgs-check.example", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                            "failurePolicy": "Fail", "clientConfig": {"url": hook.url, "caBundle": hook.ca},
                            "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                                       "resources": ["statefulsets"]}]}]})
        try:
            clusters.make("hook-pg")
            why = clusters.refusal("hook-pg", "Mondays")
            assert "admission webhook \"no.pgs-check.example\" denied the request" in why
            assert hook.asked
        finally:
            clusters.kubectl("delete", "validatingwebhookconfiguration", "pgs-check")
    clusters.healed("hook-pg")
    clusters.remove("hook-pg")


def test_without_a_default_storage_class(clusters):
    classes = [c["metadata"]["name"] for c in clusters.json("get", "storageclass")["items"] if c["metadata"].get(
        "annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true"]
    mark = lambda value: [clusters.patch("storageclass", c, {"metadata": {"annotations": {
        "storageclass.kubernetes.io/is-default-class": value}}}) for c in classes]
    mark("false")
    try:
        wait_until("central knows", lambda: not [c for c in clusters.satellite()["storage_classes"] if c["is_default"]])
        clusters.make("default-pg")
        assert "default" in clusters.refusal("default-pg", "storage")
    finally:
        mark("true")
    clusters.healed("default-pg")
    clusters.remove("default-pg")


def test_delete_leaves_nothing(clusters):
    """A cluster without its volumes, then with them: dependents go by garbage collection."""
    pods = {p["metadata"]["uid"] for p in clusters.pods("new-pg")}
    rows = {n: clusters.psql(n, "select count(*) from t") for n in CLUSTERS}
    clusters.ctl("rule", "delete", "new", "--yes")
    clusters.remove("new-pg", volumes=False)
    wait_until("no pods", lambda: not pods & {p["metadata"]["uid"] for p in clusters.pods("new-pg")}, 90)
    assert clusters.get("pvc", "data-new-pg-0")["status"]["phase"] == "Bound" and clusters.get("secret", "new-pg-secret")
    clusters.ctl("rule", "create", "new-again", "--profile", "new", "-l", "tier=check", "-n", DB, "--cluster-name", "new-pg")
    clusters.running("new-pg")
    assert clusters.psql("new-pg", "select count(*) from t") == rows["new-pg"], "a cluster finds its kept volumes"
    clusters.ctl("rule", "delete", "new-again", "--yes")
    clusters.remove("new-pg")
    kinds = "statefulset,pods,service,secret,configmap,serviceaccount,role,rolebinding,lease,pdb,networkpolicy,pvc,controllerrevision"
    wait_until("nothing of it", lambda: not [n for n in clusters.kubectl(
        "-n", DB, "get", kinds, "-o", "name").stdout.split() if "new-pg" in n], 90)
    assert clusters.psql("old-pg", "select count(*) from t") == rows["old-pg"]
