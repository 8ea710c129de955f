"""Every pod that we render or install passes the restricted level of Pod Security, and what we ask on top."""
import copy
import functools
import glob
import json
import os
import subprocess

import pytest
import yaml

from pod_security import ROOT, kustomize, violations

BIN = os.environ.get("PGSWARM_BIN", os.path.join(ROOT, "build/release/bin"))


@functools.lru_cache(None)
def rendered():
    """name -> pod spec: of clusters (the renderer's golden objects), of deploy/, of `satellite manifest`."""
    out = {}
    for path in sorted(glob.glob(f"{ROOT}/tests/fixtures/golden/satellite/statefulset*.json")):
        with open(path) as f:
            out[os.path.basename(path)] = json.load(f)["spec"]["template"]["spec"]
    texts = {"manifest": subprocess.run([f"{BIN}/swarmctl", "satellite", "manifest", "x", "--central", "c:9090", "--no-token",
                                         "--ca", "/dev/stdin"], capture_output=True, text=True, check=True,
                                        input="-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n").stdout}
    for folder in ("base", "central", "overlays/site-example"):
        texts[folder] = kustomize(folder)
    for name, text in texts.items():
        for d in yaml.safe_load_all(text):
            if d["kind"] in ("Deployment", "StatefulSet", "Job"):
                out[f"{name}: {d['metadata']['name']}"] = d["spec"]["template"]["spec"]
    return out


def test_all_of_them():
    pods = rendered()
    assert len(pods) >= 7
    wrong = {name: violations(pod) for name, pod in pods.items()}
    assert not {name: v for name, v in wrong.items() if v}


def set_at(pod, path, value):
    *way, last = path
    for step in way:
        pod = pod.setdefault(step, {}) if isinstance(pod, dict) else pod[step]
    if value is None:
        del pod[last]
    else:
        pod[last] = value


C = ("containers", 0)
S = (*C, "securityContext")
BROKEN = {
    "hostNetwork": (("hostNetwork",), True), "hostPID": (("hostPID",), True), "hostIPC": (("hostIPC",), True),
    "hostPath": (("volumes", 0), {"name": "x", "hostPath": {"path": "/"}}),
    "sysctls": (("securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
    "seccompProfile": (("securityContext", "seccompProfile"), {"type": "Unconfined"}),
    "seccompProfile missing": (("securityContext", "seccompProfile"), None),
    "privileged": ((*S, "privileged"), True), "escalation": ((*S, "allowPrivilegeEscalation"), True),
    "escalation missing": ((*S, "allowPrivilegeEscalation"), None), "drop": ((*S, "capabilities"), {"drop": ["NET_RAW"]}),
    "add": ((*S, "capabilities"), {"drop": ["ALL"], "add": ["SYS_ADMIN"]}), "root": ((*S, "runAsUser"), 0),
    "runAsNonRoot": ((*S, "runAsNonRoot"), False), "procMount": ((*S, "procMount"), "Unmasked"),
    "seLinux": ((*S, "seLinuxOptions"), {"type": "spc_t"}), "hostPort": ((*C, "ports"), [{"containerPort": 1, "hostPort": 1}]),
    "writable root": ((*S, "readOnlyRootFilesystem"), False), "requests": ((*C, "resources"), {}),
    "shell": ((*C, "readinessProbe"), {"exec": {"command": ["sh"]}}),
    "init too": (("initContainers", 0, "securityContext", "allowPrivilegeEscalation"), True),
}


@pytest.mark.parametrize("what", BROKEN)
def test_each_field_counts(what):
    """The check itself: one wrong field is found, and by its name."""
    pod = copy.deepcopy(rendered()["statefulset-small.json"])
    assert not violations(pod)
    set_at(pod, *BROKEN[what])
    assert len(violations(pod)) >= 1


def test_members_of_a_cluster_keep_apart():
    pod = rendered()["statefulset-small.json"]
    [term] = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    with open(f"{ROOT}/tests/fixtures/golden/satellite/statefulset-small.json") as f:
        labels = json.load(f)["spec"]["template"]["metadata"]["labels"]
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"].items() <= labels.items()
    with open(f"{ROOT}/tests/fixtures/golden/satellite/network-policy.json") as f:
        policy = json.load(f)["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    listening = {p["containerPort"] for c in pod["containers"] for p in c["ports"]}
    assert {p["port"] for r in policy["ingress"] for p in r["ports"]} == listening
