"""The satellite against a Kubernetes API and a central that grpcio plays."""
import base64, json, os, random, time, uuid

import grpc
import pytest

from fake_central import FakeCentral, pb, wait_until
from satellite_util import (ROOT, Kubectl, Satellite, Sidecar, ack_of, cluster_config, delete_config, make_kubeconfig,
                            release_pods)

CLASS = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "kubernetes.io/no-provisioner",
         "volumeBindingMode": "WaitForFirstConsumer",
         "metadata": {"name": "test-default", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}


@pytest.fixture(scope="module")
def kubectl(kube_api):
    k = Kubectl(kube_api)
    docs = open(os.path.join(ROOT, "deploy/satellite/satellite.yaml")).read().split("\n---\n")
    role = next(d for d in docs if "kind: ClusterRole\n" in d)
    k.run("apply", "-f", "-", stdin=role)
    k.apply(CLASS)
    return k


class Env:
    """One satellite in a namespace of its own, one namespace for its cluster."""

    def __init__(self, kubectl, folder):
        uid = uuid.uuid4().hex[:6]
        self.kubectl, self.folder = kubectl, folder
        self.ns, self.db = f"sat-{uid}", f"db-{uid}"
        kubectl.run("create", "namespace", self.ns)
        make_kubeconfig(kubectl, self.ns, folder)
        self.central = FakeCentral(folder)
        self.sat = Satellite(kubectl, self.central, self.ns, folder)

    def approve(self):
        sid = wait_until("registration", lambda: self.central.registered_ids)[-1]
        self.central.approved.add(sid)
        return sid

    def up(self):
        self.sat.start()
        self.approve()
        return self.central.stream()

    def applied(self, version=1, **more):
        """An enrolled satellite with prod-pg in force."""
        s = self.up()
        s.send(cluster_config=cluster_config(self.db, version, **more))
        ack_of(s, version, "applied")
        return s

    def get(self, kind, name):
        return self.kubectl.get(kind, name, self.db)

    def members(self):
        """Waits until the satellite has seen its three pods."""
        def seen():
            told = self.central.stream().all("health")
            pods = told[-1].instances if told else []
            return len(pods) == 3 and all(i.error != "its pod is not there" for i in pods)
        wait_until("pods", seen)

    def close(self):
        try:
            self.sat.stop()
        finally:
            if self.sat.proc:
                self.sat.proc.kill()
            self.central.stop()
            # All of it: the next satellite reads records in every namespace, and one that is still there makes none anew
            # in a namespace that ends.
            self.kubectl.run("delete", "ns", self.ns, self.db, "--wait=false", check=False)
            ours = ("-n", self.db, "-l", "app.kubernetes.io/managed-by=pg-swarm")

            def no_record():
                self.kubectl.run("delete", "sts,cm,svc,pdb,netpol,secret", *ours, "--wait=false", check=False)
                return not json.loads(self.kubectl.run("get", "cm", *ours, "-o", "json"))["items"]
            wait_until("no records", no_record)
            self.kubectl.run("delete", "pod", "--all", "-n", self.db, "--force", "--grace-period=0", check=False)


@pytest.fixture
def env(kubectl, tmp_path):
    e = Env(kubectl, str(tmp_path))
    yield e
    e.close()


OBJECTS = [("sts", "prod-pg"), ("svc", "prod-pg-headless"), ("svc", "prod-pg-rw"), ("svc", "prod-pg-ro"),
           ("secret", "prod-pg-secret"), ("cm", "prod-pg-config"), ("cm", "pg-swarm-config-prod-pg"),
           ("cm", "prod-pg-recovery-rules"), ("cm", "prod-pg-satellite-ca"), ("sa", "prod-pg-failover"),
           ("role", "prod-pg-failover"), ("rolebinding", "prod-pg-failover"), ("pdb", "prod-pg"),
           ("netpol", "prod-pg")]


def passwords(secret):
    return {k: base64.b64decode(v).decode() for k, v in secret["data"].items()}


def test_unapproved_gets_nothing_then_a_cluster_is_made(env):
    env.sat.start()
    wait_until("pending", lambda: "state=pending" in env.sat.text())
    assert not env.central.streams
    sid = env.approve()
    s = env.central.stream()
    hello = s.all("hello")[0]
    assert hello.satellite_id == sid and not hello.applied and hello.next_event_sequence == 1
    # In its first words when they were listed by then, else right after.
    wait_until("the storage classes are told", lambda: any(
        c.name == "test-default" and c.is_default
        for told in (hello.storage_classes, *(r.classes for r in s.all("storage_classes"))) for c in told))
    reg = env.central.registrations[0]
    assert (reg.hostname, reg.region, dict(reg.labels)) == ("test", "lab", {"tier": "edge"})

    s.send(cluster_config=cluster_config(env.db, 3, databases=[pb.config.ClusterDatabase(
        name="app", owner="app", password="s3cret-of-app")]))
    assert ack_of(s, 3, "applied").applied_version == 3
    for kind, name in OBJECTS:
        assert env.get(kind, name), f"{kind} {name}"
    record = env.get("cm", "pg-swarm-config-prod-pg")
    assert record["metadata"]["annotations"]["pg-swarm.io/config-version"] == "3"
    sts = env.get("sts", "prod-pg")
    assert sts["spec"]["replicas"] == 3 and sts["spec"]["podManagementPolicy"] == "Parallel"

    # No secret anywhere but in the Secret.
    secrets = list(passwords(env.get("secret", "prod-pg-secret")).values()) + ["s3cret-of-app"]
    text = json.dumps(env.kubectl.list("cm", env.db)) + json.dumps(env.kubectl.list("cm", env.ns))
    text += "".join(str(m) for m in s.received) + env.sat.text()
    assert len(secrets) == 4 and not [x for x in secrets if x in text]

    # The same and older ones are skipped, and said so.
    s.send(cluster_config=cluster_config(env.db, 3))
    assert ack_of(s, 3, "skipped").applied_version == 3
    s.send(cluster_config=cluster_config(env.db, 2, replicas=1))
    assert ack_of(s, 2, "skipped").applied_version == 3
    assert env.get("sts", "prod-pg")["spec"]["replicas"] == 3

    # A newer one changes what it changes.
    s.send(cluster_config=cluster_config(env.db, 4, replicas=5, parameters={"work_mem": "16MB"}))
    ack_of(s, 4, "applied")
    assert env.get("sts", "prod-pg")["spec"]["replicas"] == 5
    assert "16MB" in env.get("cm", "prod-pg-config")["data"]["postgresql.conf"]


def test_drift_is_repaired_and_then_there_is_rest(env):
    env.applied()
    before = env.get("cm", "prod-pg-config")["data"]
    env.kubectl.run("delete", "svc", "prod-pg-rw", "-n", env.db)
    env.kubectl.merge("cm", "prod-pg-config", env.db, {"data": {"postgresql.conf": "fsync = off\n"}})
    env.kubectl.run("scale", "sts", "prod-pg", "--replicas=1", "-n", env.db)
    env.kubectl.merge("role", "prod-pg-failover", env.db, {"rules": []})
    # Ports are merged by number: another one, by hand, stands beside ours and has its name.
    env.kubectl.env["KUBE_EDITOR"] = "sed -i 's/ort: 5432/ort: 5433/'"
    env.kubectl.run("edit", "svc", "prod-pg-ro", "-n", env.db)
    wait_until("the port", lambda: [p["port"] for p in env.get("svc", "prod-pg-ro")["spec"]["ports"]] == [5432])
    wait_until("the Service", lambda: env.get("svc", "prod-pg-rw"))
    wait_until("the ConfigMap", lambda: env.get("cm", "prod-pg-config")["data"] == before)
    wait_until("the StatefulSet", lambda: env.get("sts", "prod-pg")["spec"]["replicas"] == 3)
    wait_until("the Role", lambda: env.get("role", "prod-pg-failover")["rules"])
    seen = {"passes": -1, "since": 0}

    def at_rest():
        passes = env.sat.metric("passes_total")
        seen["since"] = seen["since"] + 1 if passes == seen["passes"] else 0
        seen["passes"] = passes
        return seen["since"] > 40  # looked at every 50 ms or slower: two seconds without a pass
    wait_until("no more passes", at_rest, 120)


def test_secret_is_made_once(env):
    env.applied()
    first = passwords(env.get("secret", "prod-pg-secret"))
    assert set(first) == {"superuser-password", "replication-password", "sidecar-stream-token"}
    env.kubectl.merge("secret", "prod-pg-secret", env.db,
                      {"data": {"replication-password": None}, "stringData": {"mine": "kept"}})
    wait_until("the missing key", lambda: "replication-password" in passwords(env.get("secret", "prod-pg-secret")))
    now = passwords(env.get("secret", "prod-pg-secret"))
    assert now["superuser-password"] == first["superuser-password"] and now["mine"] == "kept"
    env.kubectl.run("delete", "secret", "prod-pg-secret", "-n", env.db)
    again = wait_until("the Secret", lambda: env.get("secret", "prod-pg-secret"))
    assert passwords(again)["superuser-password"] == first["superuser-password"]
    n = len(env.central.streams)
    env.sat.kill()  # now nobody knows them any more
    env.kubectl.run("delete", "secret", "prod-pg-secret", "-n", env.db)
    env.sat.start()
    s = env.central.stream(after=n)
    wait_until("it says so", lambda: [e for e in s.all("event") if e.kind == "secret.lost" and e.severity == 4])


def test_killed_and_started_again_it_knows_what_is_in_force(env):
    env.applied(7)
    n = len(env.central.streams)
    env.sat.kill()
    env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", env.db)  # drift while nobody looks
    env.sat.start()
    hello = env.central.stream(after=n).all("hello")[0]
    assert [(a.cluster_id, a.applied_version) for a in hello.applied] == [(cluster_config(env.db).cluster_id, 7)]
    wait_until("the Service", lambda: env.get("svc", "prod-pg-ro"))
    assert len(set(env.central.registered_ids)) == 1


def test_site_is_kept_with_central_away(env):
    env.applied()
    env.sat.kill()
    env.central.stop()
    env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", env.db)
    env.sat.start()
    wait_until("the Service", lambda: env.get("svc", "prod-pg-ro"))
    env.central.start()
    assert env.central.stream(120, after=1).all("hello")[0].applied


@pytest.mark.parametrize("volumes", [False, True])
def test_delete_issued_while_the_satellite_is_down(env, volumes):
    env.applied(2)
    wait_until("claims", lambda: len(env.kubectl.list("pvc", env.db)) == 3)
    n = len(env.central.streams)
    env.sat.kill()
    env.sat.start()
    s = env.central.stream(after=n)
    s.send(delete_cluster=delete_config(env.db, 3, volumes=volumes))
    release_pods(env)
    ack_of(s, 3, "deleted")
    for kind, name in OBJECTS:
        gone = volumes or name != "prod-pg-secret"
        wait_until(f"{kind} {name}", lambda: (env.get(kind, name) is None) == gone)
    wait_until("claims", lambda: len(env.kubectl.list("pvc", env.db)) == (0 if volumes else 3))
    s.send(delete_cluster=delete_config(env.db, 3, volumes=volumes))  # asked again: answered again
    wait_until("second answer", lambda: len([a for a in s.all("config_ack") if a.result == 4]) == 2)


def test_deletion_protection(env):
    s = env.applied(1, deletion_protection=True)
    def guarded():
        items = env.kubectl.list("pvc", env.db)
        return len(items) == 3 and all("pg-swarm.io/protection" in p["metadata"].get("finalizers", []) for p in items)
    wait_until("finalizers", guarded)
    s.send(delete_cluster=delete_config(env.db, 2, volumes=True))
    assert "deletion_protection" in ack_of(s, 2, "refused").error
    uids = lambda: {o["metadata"]["uid"] for o in env.kubectl.list("pvc", env.db) + env.kubectl.list("sts", env.db)}
    before = uids()
    env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", env.db)  # it is kept as it should be
    wait_until("the Service", lambda: env.get("svc", "prod-pg-ro"))
    s.send(delete_cluster=delete_config(env.db, 2, volumes=True))
    wait_until("refused again", lambda: len([a for a in s.all("config_ack") if a.config_version == 2]) == 2)
    s.send(cluster_config=cluster_config(env.db, 3, deletion_protection=False))
    ack_of(s, 3, "applied")  # the refused delete is void, and must not come true now
    wait_until("finalizers gone", lambda: not any("pg-swarm.io/protection" in p["metadata"].get("finalizers", [])
                                                   for p in env.kubectl.list("pvc", env.db)))
    assert uids() == before and len(before) == 4
    s.send(delete_cluster=delete_config(env.db, 4, volumes=True))
    release_pods(env)
    ack_of(s, 4, "deleted")


def test_refusals_in_the_servers_words_and_recovery(env):
    s = env.up()
    s.send(cluster_config=cluster_config(env.db, 1, storage=pb.config.Volume(size="1Gi", storage_class="fast-" + env.db)))
    why = ack_of(s, 1, "refused").error
    assert f'storage_class "fast-{env.db}"' in why and "test-default" in why
    wait_until("failed", lambda: [h for h in s.all("health") if h.state == 4 and "fast-" in h.reason])
    env.kubectl.apply({**CLASS, "metadata": {"name": "fast-" + env.db}})
    try:
        ack_of(s, 1, "applied")  # by itself: the class has come
    finally:
        env.kubectl.run("delete", "storageclass", "fast-" + env.db)
    wait_until("the class is gone", lambda: not any(c.name == "fast-" + env.db for c in s.all("storage_classes")[-1].classes))
    # Claims of a StatefulSet cannot change: the API server says so, and the cluster stays as it is.
    s.send(cluster_config=cluster_config(env.db, 2, storage=pb.config.Volume(size="2Gi", storage_class="test-default")))
    why = ack_of(s, 2, "refused").error
    assert "StatefulSet" in why and "forbidden" in why.lower()
    # What central should never let through is refused here too, all of it at once.
    s.send(cluster_config=cluster_config(env.db, 3, replicas=0, storage=pb.config.Volume(size="many")))
    why = ack_of(s, 3, "refused").error
    assert "replicas" in why and "size" in why
    s.send(cluster_config=cluster_config(env.db, 4, storage=pb.config.Volume(size="1Gi", storage_class="fast-" + env.db)))
    ack_of(s, 4, "refused")
    assert env.sat.proc.poll() is None


def test_quota_is_told_and_recovers(env):
    env.kubectl.run("create", "namespace", env.db)
    env.kubectl.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small", "namespace": env.db},
                       "spec": {"hard": {"pods": "0"}}})
    wait_until("it is in force", lambda: env.get("resourcequota", "small").get("status", {}).get("hard"))
    s = env.up()
    s.send(cluster_config=cluster_config(env.db, 1))
    assert "exceeded quota" in ack_of(s, 1, "refused").error
    env.kubectl.run("delete", "resourcequota", "small", "-n", env.db)
    ack_of(s, 1, "applied", 180)  # the StatefulSet controller waits longer each time; the satellite wakes it


def test_volumes_of_an_earlier_cluster_of_the_name(env):
    """Kept at its delete, they are the next one's: guarded as it wishes, and gone when it is deleted with them."""
    s = env.applied()
    wait_until("claims", lambda: len(env.kubectl.list("pvc", env.db)) == 3)
    s.send(delete_cluster=delete_config(env.db, 2))
    release_pods(env)
    ack_of(s, 2, "deleted", 60)
    s.send(cluster_config=cluster_config(env.db, 3, deletion_protection=True))
    ack_of(s, 3, "applied")
    wait_until("guarded claims", lambda: all("pg-swarm.io/protection" in env.get("pvc", f"data-prod-pg-{i}")["metadata"][
        "finalizers"] for i in range(3)))
    s.send(cluster_config=cluster_config(env.db, 4))
    ack_of(s, 4, "applied")
    s.send(delete_cluster=delete_config(env.db, 5, volumes=True))
    release_pods(env)
    ack_of(s, 5, "deleted", 60)
    wait_until("no claims", lambda: not env.kubectl.list("pvc", env.db))


def test_without_rights_it_says_which(env):
    role = env.kubectl.get("clusterrole", "pg-swarm-satellite")
    kept = [r for r in role["rules"] if not {"statefulsets", "poddisruptionbudgets", "events"} & set(r["resources"])]
    kept.append({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]})
    env.kubectl.apply({**role, "rules": kept, "metadata": {"name": "pg-swarm-satellite"}})
    try:
        s = env.up()
        s.send(cluster_config=cluster_config(env.db, 1))
        why = ack_of(s, 1, "refused").error
        assert "poddisruptionbudgets" in why and "forbidden" in why and "cannot" in why
        wait_until("events", lambda: len([e for e in s.all("event") if e.kind == "site.rights"]) >= 3)
    finally:
        env.kubectl.apply({**role, "metadata": {"name": "pg-swarm-satellite"}})
    ack_of(s, 1, "applied", 180)


def test_image_that_cannot_be_pulled(env):
    s = env.applied()
    pod = wait_until("pods", lambda: env.get("pod", "prod-pg-0"))
    waiting = lambda reason, message: {"status": {"containerStatuses": [{
        "name": "postgres", "image": "x", "imageID": "", "ready": False, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}}}]}}
    set_pod_status(env, pod, waiting("ErrImagePull", "manifest for postgres:15 not found"))
    assert ack_of(s, 1, "refused").error == "pod prod-pg-0: container postgres: ErrImagePull: manifest for postgres:15 not found"
    n = len(s.all("config_ack"))
    set_pod_status(env, pod, waiting("ImagePullBackOff", "Back-off pulling image"))
    set_pod_status(env, pod, {"status": {"containerStatuses": []}})
    wait_until("applied again", lambda: s.all("config_ack")[-1].result == 1)
    assert len(s.all("config_ack")) == n + 1  # the back-off was not told as another refusal


def set_pod_status(env, pod, patch):
    name = pod["metadata"]["name"]
    now = env.kubectl.get("pod", name, env.db)
    now["status"].update(patch["status"])
    del now["metadata"]["resourceVersion"]
    # As `kubectl patch --subresource=status`, which Debian's kubectl 1.20 does not have.
    env.kubectl.run("replace", "--raw", f"/api/v1/namespaces/{env.db}/pods/{name}/status", "-f", "-", stdin=json.dumps(now))


def test_revoked_says_so_and_changes_nothing(env):
    env.applied()
    sid = env.central.registered_ids[-1]
    env.central.revoked.add(sid)
    asked = len(env.central.checked)
    for st in env.central.streams:
        st.out.put(None)
    wait_until("it says so", lambda: "central does not know this satellite any more" in env.sat.text())
    wait_until("it asks why, and gets another certificate",
               lambda: len(env.central.checked) > asked and "a new certificate" in env.sat.text())
    env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", env.db)
    env.sat.stop()
    env.sat.start()
    wait_until("it says so again", lambda: env.sat.text().count("central does not know this satellite any more") >= 2)
    passes = env.sat.metric("passes_total")  # those of its start, before it knew
    env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", env.db, "--ignore-not-found")
    for _ in range(20):
        env.get("svc", "prod-pg-ro")  # time in which a pass would begin
        assert env.sat.metric("passes_total") == passes
    n = len(env.central.streams)
    env.central.revoked.clear()
    assert env.central.stream(180, after=n).all("hello")
    wait_until("the Service", lambda: env.get("svc", "prod-pg-ro"))


def test_enrolment_survives_crashes(env):
    env.sat.start()
    wait_until("pending", lambda: "state=pending" in env.sat.text())
    env.sat.kill()
    env.sat.start()
    first = env.central.registered_ids[0]
    env.central.rejected.add(first)
    wait_until("rejected", lambda: "state=rejected" in env.sat.text())
    env.sat.kill()
    env.central.rejected.clear()
    env.sat.start()
    env.central.approved.add(first)
    assert env.central.stream().all("hello")[0].satellite_id == first
    assert set(env.central.registered_ids) == {first}
    secret = env.kubectl.get("secret", "pg-swarm-satellite-identity", env.ns)
    assert {"private-key", "certificate", "ca", "satellite-id"} <= set(secret["data"])


def test_enrolment_token_of_its_file(env):
    path = os.path.join(env.sat.folder, "token")
    with open(path + "-enrolment", "w") as f:
        f.write("  abc123\n")
    env.sat.start(PGSWARM_ENROLMENT_TOKEN_FILE=path + "-enrolment")
    wait_until("it registers", lambda: env.central.enrolment_tokens)
    env.sat.stop()
    env.kubectl.run("delete", "secret", "pg-swarm-satellite-identity", "-n", env.ns)
    env.sat.start(PGSWARM_ENROLMENT_TOKEN_FILE=path + "-gone")
    wait_until("it registers without", lambda: len(env.central.enrolment_tokens) == 2)
    assert env.central.enrolment_tokens == ["abc123", ""]


def test_events_come_once_in_order_over_broken_links(env):
    env.central.acks = False
    s = env.applied()
    wait_until("events", lambda: s.all("event"))
    env.sat.kill()
    n = len(env.central.streams)
    env.sat.start()
    again = env.central.stream(after=n)
    wait_until("the same events", lambda: again.all("event"))
    by_seq = {}
    for st in env.central.streams:
        for e in st.all("event"):
            same = by_seq.setdefault(e.sequence, e)
            assert same.message == e.message and same.at_us == e.at_us
    assert sorted(by_seq) == list(range(1, len(by_seq) + 1))
    env.central.acks = True  # and those that came before it:
    wait_until("nothing kept", lambda: again.send(event_ack=pb.satellite.EventAck(
        sequence=again.all("event")[-1].sequence)) or env.sat.metric("events_kept") == 0)
    # Central has more of ours than we know: numbering goes on behind it.
    again.send(event_ack=pb.satellite.EventAck(sequence=1000))
    again.send(delete_cluster=delete_config(env.db, 2))
    release_pods(env)
    wait_until("later numbers", lambda: [e for e in again.all("event") if e.sequence > 1000])


def test_commands(env):
    s = env.applied()
    wait_until("its Service is seen", lambda: any(h.rw.port for h in s.all("health")))
    s.send(id="c1", credential=pb.satellite.CredentialRequest(namespace=env.db, cluster_name="prod-pg"))
    s.send(id="c2", credential=pb.satellite.CredentialRequest(namespace="kube-system", cluster_name="x"))
    s.send(id="k1", request_storage_classes=pb.satellite.RequestStorageClasses())
    s.send(id="l1", pod_log=pb.satellite.PodLogRequest(namespace=env.db, pod_name="no-such-pod", container="postgres"))
    s.send(set_log_level=pb.satellite.SetLogLevel(level="trace"))
    answer = lambda i: wait_until("answer " + i, lambda: [m for m in s.received if m.id == i])[0]
    c1 = answer("c1").credential
    assert c1.user == "postgres" and c1.password == passwords(env.get("secret", "prod-pg-secret"))["superuser-password"]
    assert (c1.rw.host, c1.rw.port) == (env.get("svc", "prod-pg-rw")["spec"]["clusterIP"], 5432)
    assert answer("c2").credential.error and not answer("c2").credential.password
    assert any(c.name == "test-default" for c in answer("k1").storage_classes.classes)
    log = answer("l1").pod_log
    assert log.end and "no-such-pod" in log.error
    wait_until("log lines", lambda: [e for e in s.all("log") if e.message == "log level" and "level=trace" in e.fields])


def test_heartbeats_and_a_central_that_comes_back(env):
    s = env.applied()
    wait_until("a heartbeat", lambda: s.all("heartbeat"))
    wait_until("periodic health", lambda: len(s.all("health")) >= 2)
    n = len(env.central.streams)
    env.central.restart()
    assert env.central.stream(after=n).all("hello")[0].applied


# ---- sidecars ----


def test_sidecars(env):
    s = env.applied()
    token = passwords(env.get("secret", "prod-pg-secret"))["sidecar-stream-token"]
    UNAUTH, DENIED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
    assert Sidecar(env, "prod-pg-0", "wrong").ended() == UNAUTH
    assert Sidecar(env, "prod-pg-0", token, cluster="other").ended() == UNAUTH
    assert Sidecar(env, "prod-pg-x", token).ended() == DENIED
    assert Sidecar(env, "elsewhere-0", token).ended() == DENIED
    env.members()
    assert Sidecar(env, "prod-pg-0", token, uid="of-an-earlier-pod").ended() == DENIED

    cars = [Sidecar(env, f"prod-pg-{i}", token) for i in range(3)]
    cars[0].send(heartbeat=pb.sidecar.SidecarHeartbeat(at_us=5))
    wait_until("heartbeat ack", lambda: [m for m in cars[0].got if m.heartbeat_ack.at_us == 5])
    cars[0].health(1, streaming_replicas=2)
    cars[1].health(2, wal_receiver_active=True)
    cars[2].health(2, wal_receiver_active=True)
    running = wait_until("running", lambda: [h for h in s.all("health") if h.state == 2])[-1]
    assert running.primary_pod == "prod-pg-0" and [i.pod_name for i in running.instances] == [f"prod-pg-{i}" for i in range(3)]

    cars[1].send(event=pb.health.EventReport(severity=2, kind="test.kind", message="hello", cluster_name="forged", namespace="x"))
    e = wait_until("its event", lambda: [e for e in s.all("event") if e.kind == "test.kind"])[0]
    assert (e.cluster_name, e.namespace, e.pod_name, e.source) == ("prod-pg", env.db, "prod-pg-1", "sidecar") and e.sequence

    newer = Sidecar(env, "prod-pg-1", token)
    assert cars[1].ended() == grpc.StatusCode.ABORTED
    newer.health(2, ready=False, error="not streaming")
    wait_until("degraded", lambda: [h for h in s.all("health") if h.state == 3 and h.at_us > running.at_us])
    s.send(set_log_level=pb.satellite.SetLogLevel(level="debug", target=env.db + "/prod-pg"))
    wait_until("log level", lambda: [m for m in cars[0].got if m.set_log_level.level == "debug"])
    s.send(cluster_config=cluster_config(env.db, 2, parameters={"work_mem": "32MB"}))
    wait_until("reload", lambda: [m for m in cars[0].got if m.WhichOneof("payload") == "reload"])
    for c in [cars[0], cars[2], newer]:
        c.close()
    wait_until("sidecars gone", lambda: env.sat.metric("sidecars_connected") == 0)


def test_a_flow_of_events_does_not_put_itself_off(env):
    """One each 100 ms: they are on their way while it goes on, not once it has ended."""
    s = env.applied()
    wait_until("pods", lambda: env.get("pod", "prod-pg-0"))
    car = Sidecar(env, "prod-pg-0", passwords(env.get("secret", "prod-pg-secret"))["sidecar-stream-token"])
    come = lambda: [e.message for e in s.all("event") if e.kind == "test.flow"]
    sent = 0
    while sent < 50 or not come():
        assert sent < 200, "the first is at central while they still come"
        car.send(event=pb.health.EventReport(severity=1, kind="test.flow", message=f"n{sent}"))
        sent += 1
        time.sleep(0.1)  # the flow itself
    wait_until("all of them, in order", lambda: come() == [f"n{i}" for i in range(sent)])
    car.close()


def test_what_a_sidecar_says_again_is_told_once(env):
    s = env.applied()
    wait_until("pods", lambda: env.get("pod", "prod-pg-1"))
    token = passwords(env.get("secret", "prod-pg-secret"))["sidecar-stream-token"]
    for i, pod in enumerate(("prod-pg-0", "prod-pg-0", "prod-pg-1")):
        car = Sidecar(env, pod, token)
        for at, text in ((7, "one"), (8, "one"), (7, "two")):
            car.send(event=pb.health.EventReport(severity=1, kind="test.again", at_us=at, message=text))
        car.send(event=pb.health.EventReport(severity=1, kind="test.end", message=str(i)))
        wait_until("the last of them", lambda: [e for e in s.all("event") if e.kind == "test.end" and e.message == str(i)])
        car.close()
    assert [(e.pod_name[-1], e.at_us, e.message) for e in s.all("event") if e.kind == "test.again"] == [
        (p, at, text) for p in "01" for at, text in ((7, "one"), (8, "one"), (7, "two"))]


def test_garbage_from_sidecars_and_on_ports(env):
    import socket
    env.applied()
    ca = env.get("cm", "prod-pg-satellite-ca")["data"]["ca.crt"]
    ch = grpc.secure_channel(f"localhost:{env.sat.port}", grpc.ssl_channel_credentials(ca.encode()))
    raw = ch.stream_stream("/pgswarm.v1.SidecarStreamService/Connect", lambda b: b, lambda b: b)
    noise = random.Random(7).randbytes
    for junk in (b"\xff" * 50, noise(2000), b""):
        with pytest.raises(grpc.RpcError) as e:
            list(raw(iter([junk]), timeout=30))
        assert e.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED)
    for port in (env.sat.port, env.sat.health):
        with socket.create_connection(("127.0.0.1", port)) as k:
            k.sendall(noise(5000))
            k.settimeout(30)
            try:
                while k.recv(4096):
                    pass
            except ConnectionError:
                pass
    assert env.sat.proc.poll() is None and env.sat.metric("passes_total") > 0
