"""The rights of the satellite are the least that works: without any one rule of deploy/satellite something fails, and what
fails is told in the API server's own words. With PGSWARM_RBAC=verbs without any one verb of any one resource: that takes
two minutes, and `make check-kube` does it."""
import concurrent.futures
import copy
import functools
import os
import shutil
import subprocess
import tempfile

import pytest
import yaml

from fake_central import pb, wait_until
from satellite_util import BIN, Kubectl, cluster_config, delete_config
from sandbox_site import Sandbox
from test_satellite_operator import CLASS, Env, release_pods

WORKERS = 4


@functools.lru_cache(None)
def manifest_role():
    """As `satellite manifest` prints it for a site with NodePorts, which asks for most."""
    with tempfile.NamedTemporaryFile("w") as ca:
        ca.write("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
        ca.flush()
        p = subprocess.run([os.path.join(BIN, "swarmctl"), "satellite", "manifest", "x", "--central", "c:9090", "--ca", ca.name,
                            "--no-token", "--service-type", "NodePort"], capture_output=True, text=True, check=True)
    return next(d for d in yaml.safe_load_all(p.stdout) if d["kind"] == "ClusterRole")


def role():
    return copy.deepcopy(manifest_role())


def rights(verbs):
    """What is taken away: (group, resource, verb), or whole rules as tuples of them."""
    rules = [tuple((g, r, v) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"])
             for rule in role()["rules"]]
    return [(right,) for rule in rules for right in rule] if verbs else rules


def without(gone):
    out = role()
    out["rules"] = []
    for rule in role()["rules"]:
        for r in rule["resources"]:
            verbs = [v for v in rule["verbs"] if (rule["apiGroups"][0], r, v) not in gone]
            if verbs:
                out["rules"].append({"apiGroups": rule["apiGroups"], "resources": [r], "verbs": verbs})
    return out


class Refused(Exception):
    """Something did not work, and this is what was said."""


def told(env):
    """What the satellite says of rights that it lacks."""
    for s in env.central.streams:
        for a in s.all("config_ack"):
            if a.result == pb.config.ACK_RESULT_REFUSED:
                return a.error
        for e in s.all("event"):
            if e.kind == "site.rights":
                return e.message
    for line in env.sat.text().splitlines():
        if ("level=warn" in line or "level=error" in line) and "cannot" in line and "forbidden" in line:
            return line
    return None


def step(env, what, ready, seconds=90):
    def either():
        why = told(env)
        if why:
            raise Refused(why)
        return ready()
    try:
        return wait_until(what, either, seconds)
    except AssertionError as e:
        raise Refused(f"{e}") from None


def acked(s, version, result):
    value = pb.config.AckResult.Value("ACK_RESULT_" + result)
    return [a for a in s.all("config_ack") if a.config_version == version and a.result == value]


def life(env):
    """Everything that a satellite does, once."""
    get = lambda kind, name: env.kubectl.get(kind, name, env.db)
    env.sat.start(PGSWARM_SERVICE_TYPE="NodePort", PGSWARM_SIDECAR_ADDR="")
    step(env, "registration", lambda: env.central.registered_ids)
    env.central.approved.update(env.central.registered_ids)
    s = step(env, "a stream", lambda: env.central.streams)[0]
    step(env, "hello", lambda: s.all("hello"))
    s.send(cluster_config=cluster_config(env.db, 1, deletion_protection=True))
    step(env, "version 1", lambda: acked(s, 1, "APPLIED"))
    step(env, "guarded claims", lambda: "pg-swarm.io/protection" in (
        (get("pvc", "data-prod-pg-2") or {}).get("metadata", {}).get("finalizers", [])))
    env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", env.db)
    step(env, "drift is repaired", lambda: get("svc", "prod-pg-ro"))
    s.send(id="log", pod_log=pb.satellite.PodLogRequest(namespace=env.db, pod_name="prod-pg-0", container="postgres"))
    answer = step(env, "an answer", lambda: [m for m in s.received if m.id == "log"])[0].pod_log.error
    if "cannot" in answer:
        raise Refused(answer)
    s.send(cluster_config=cluster_config(env.db, 2, paused=True))
    step(env, "version 2", lambda: acked(s, 2, "APPLIED"))
    s.send(delete_cluster=delete_config(env.db, 3, volumes=True))
    step(env, "pods go", lambda: (get("sts", "prod-pg") or {"metadata": {"deletionTimestamp": 1}})["metadata"].get(
        "deletionTimestamp"))
    release_pods(env)
    step(env, "deleted", lambda: acked(s, 3, "DELETED"), 120)
    left = env.kubectl.run("get", "sts,svc,cm,secret,sa,role,rolebinding,pdb,netpol,lease,pvc", "-n", env.db, "-l",
                           "app.kubernetes.io/managed-by=pg-swarm", "-o", "name").split()
    if left:
        raise Refused(f"left behind: {left}")


def live_with(kubectl, clusterrole):
    """The reason why that failed, or None."""
    kubectl.run("replace", "-f", "-", stdin=yaml.safe_dump(clusterrole))
    folder = tempfile.mkdtemp(prefix="pgs-rbac-")
    env = Env(kubectl, folder)
    try:
        life(env)
        return None
    except Refused as e:
        return str(e)
    finally:
        env.close()
        kubectl.run("delete", "pvc", "--all", "-n", env.db, "--wait=false", check=False)
        shutil.rmtree(folder)


def prepared(kubeconfig):
    k = Kubectl(kubeconfig)
    k.run("apply", "-f", "-", stdin=yaml.safe_dump(role()))
    k.apply(CLASS)
    return k


def some(worker, mine):
    """Every right of `mine` in turn, against a sandbox of our own: a satellite sees every cluster of its server."""
    folder = tempfile.mkdtemp(prefix="pgs-rbac-site-")
    box = Sandbox(folder, "--no-node").start()
    try:
        k = prepared(box.kubeconfig)
        return {gone: live_with(k, without(gone)) for gone in mine}
    finally:
        box.stop(kill=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(kube_api):
    return prepared(kube_api)


def test_with_all_of_them_everything_works(server):
    assert live_with(server, role()) is None


def test_without_any_one_something_fails(server):
    """On the sandbox, which enforces rights as a real API server does; on a given one, one after the other."""
    every = rights(os.environ.get("PGSWARM_RBAC") == "verbs")
    assert len(every) == len(set(every)) and len(every) > 10
    if os.environ.get("PGSWARM_TEST_KUBECONFIG"):
        found = {gone: live_with(server, without(gone)) for gone in every}
        server.run("replace", "-f", "-", stdin=yaml.safe_dump(role()))
    else:
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            parts = pool.map(some, range(WORKERS), [every[i::WORKERS] for i in range(WORKERS)])
        found = {gone: why for part in parts for gone, why in part.items()}
    idle = [gone for gone, why in found.items() if why is None]
    assert not idle, f"nothing fails without: {idle}"
    # What was said is the server's own words about what is missing.
    silent = [(gone, why) for gone, why in found.items() if "forbidden" not in why and "cannot" not in why]
    assert not silent, silent
    for gone, why in found.items():
        assert any(r in why for _, r, _ in gone), (gone, why)
