"""deploy/ as kustomize: it renders, an API server takes it, and its pods pass the restricted level of Pod Security."""
import os
import subprocess

import pytest
import yaml

from central_util import Central, Postgres
from pod_security import kustomize, violations

OLDER = "overlays/central-kubernetes-1.20"
FOLDERS = {"base": "pgswarm-system", "overlays/site-example": "pgswarm-system", "central": "pgswarm-central",
           OLDER: "pgswarm-central"}


@pytest.fixture(scope="module")
def kubectl(kube_api, tmp_path_factory):
    env = dict(os.environ, KUBECONFIG=kube_api, HOME=str(tmp_path_factory.mktemp("home")))

    def run(*args, stdin=None):
        p = subprocess.run(["kubectl", *args], input=stdin, capture_output=True, text=True, timeout=180, env=env)
        assert p.returncode == 0, f"kubectl {' '.join(args)}: {p.stderr}"
        return p.stdout
    return run


def named(docs, kind, name):
    return next(d for d in docs if d["kind"] == kind and d["metadata"]["name"] == name)


def pods(docs):
    return [d["spec"]["template"]["spec"] for d in docs if d["kind"] in ("Deployment", "StatefulSet")]


@pytest.mark.parametrize("folder", FOLDERS)
def test_api_server_takes_it(folder, kubectl):
    text = kustomize(folder)
    docs = list(yaml.safe_load_all(text))
    served = kubectl("api-versions").split()
    if not {d["apiVersion"] for d in docs} <= set(served):
        assert (folder == OLDER) == ("policy/v1" in served), "the other one is for this server"
        return
    assert {d["metadata"].get("namespace", FOLDERS[folder]) for d in docs} == {FOLDERS[folder]}
    namespace = yaml.safe_dump(named(docs, "Namespace", FOLDERS[folder]))
    kubectl("apply", "-f", "-", stdin=namespace)  # a dry run makes none, and nothing stands outside of one
    said = kubectl("apply", "--dry-run=server", "-f", "-", stdin=text).splitlines()
    assert len(said) == len(docs) and all("(server dry run)" in line for line in said)


@pytest.mark.parametrize("folder", FOLDERS)
def test_restricted(folder):
    docs = list(yaml.safe_load_all(kustomize(folder)))
    assert named(docs, "Namespace", FOLDERS[folder])["metadata"]["labels"][
        "pod-security.kubernetes.io/enforce"] == "restricted"
    assert pods(docs)
    for pod in pods(docs):
        assert not violations(pod)
        for c in pod.get("initContainers", []) + pod["containers"]:
            assert set(c["resources"]["requests"]) == {"cpu", "memory"} and "memory" in c["resources"]["limits"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_probes_start_no_program(folder):
    for pod in pods(list(yaml.safe_load_all(kustomize(folder)))):
        for c in pod["containers"]:
            for probe in (c["livenessProbe"], c["readinessProbe"]):
                assert "exec" not in probe, c["name"]
                port = (probe.get("httpGet") or probe.get("tcpSocket"))["port"]
                assert port in [p["containerPort"] for p in c["ports"]]


def test_policies_and_services_find_their_pods():
    for folder in FOLDERS:
        docs = list(yaml.safe_load_all(kustomize(folder)))
        labels = [d["spec"]["template"]["metadata"]["labels"] for d in docs if d["kind"] in ("Deployment", "StatefulSet")]
        selectors = {"NetworkPolicy": lambda s: s["podSelector"]["matchLabels"],
                     "PodDisruptionBudget": lambda s: s["selector"]["matchLabels"],
                     "Service": lambda s: s["selector"]}
        for d in docs:
            if d["kind"] in selectors:
                want = selectors[d["kind"]](d["spec"]).items()
                assert any(want <= have.items() for have in labels), d["metadata"]["name"]


def test_the_example_is_a_site_of_its_own():
    docs = list(yaml.safe_load_all(kustomize("overlays/site-example")))
    base = list(yaml.safe_load_all(kustomize("base")))

    def env(of):
        box = named(of, "Deployment", "pg-swarm-satellite")["spec"]["template"]["spec"]["containers"][0]
        return {e["name"]: e.get("value") for e in box["env"]}
    changed = {k for k in env(docs) if env(docs)[k] != env(base)[k]}
    assert changed == {"PGSWARM_K8S_CLUSTER", "PGSWARM_REGION", "PGSWARM_LABELS"}
    assert set(env(docs)) == set(env(base)), "an overlay adds to what is there"


def test_an_older_kubernetes_gets_the_same():
    older = list(yaml.safe_load_all(kustomize(OLDER)))
    budgets = [d for d in older if d["kind"] == "PodDisruptionBudget"]
    assert len(budgets) == 2 and all(d["apiVersion"] == "policy/v1beta1" for d in budgets)
    for d in budgets:
        d["apiVersion"] = "policy/v1"
    assert older == list(yaml.safe_load_all(kustomize("central")))


def test_no_secret_is_written_down():
    for folder in FOLDERS:
        assert not [d for d in yaml.safe_load_all(kustomize(folder)) if d["kind"] == "Secret"]


def test_central_lives_without_its_database():
    """Its probes tell an outage of the database, which a restart does not help, from a hang."""
    pod = named(list(yaml.safe_load_all(kustomize("central"))), "Deployment", "pg-swarm-central")["spec"]["template"]["spec"]
    ready, live = (pod["containers"][0][p + "Probe"]["httpGet"]["path"] for p in ("readiness", "liveness"))
    pg = Postgres()
    central = Central(pg.database()).start()
    try:
        rest = central.admin()
        assert [rest.call("GET", path)[0] for path in (ready, live)] == [200, 200]
        pg.stop()
        assert [rest.call("GET", path)[0] for path in (ready, live)] == [503, 200]
        pg.start()
    finally:
        central.remove()
        pg.remove()
