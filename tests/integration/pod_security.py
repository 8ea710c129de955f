"""What the restricted level of Pod Security asks of a pod, field by field, and what we ask on top of it.
https://kubernetes.io/docs/concepts/security/pod-security-standards/"""

import json
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def kustomize(folder):
    """What `kubectl kustomize deploy/FOLDER` renders. Some kubectl ask the server of the current context first, whoever that
    is; they are given one that is not there."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "none", "users": [],
                   "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
                   "contexts": [{"name": "none", "context": {"cluster": "none", "user": ""}}]}, f)
        f.flush()
        p = subprocess.run(["kubectl", "kustomize", os.path.join(ROOT, "deploy", folder)], capture_output=True, text=True,
                           timeout=180, env=dict(os.environ, KUBECONFIG=f.name))
    assert p.returncode == 0, p.stderr
    return p.stdout


VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
           "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range"}
SECCOMP = {"RuntimeDefault", "Localhost"}
SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"] + pod.get("ephemeralContainers", [])


def of_pod(pod):
    own = pod.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"spec.{field}"
    for v in pod.get("volumes", []):
        if not set(v) - {"name"} <= VOLUMES:
            yield f"spec.volumes[{v['name']}]: {set(v) - {'name'}}"
    for s in own.get("sysctls", []):
        if s["name"] not in SYSCTLS:
            yield f"spec.securityContext.sysctls: {s['name']}"
    if (own.get("windowsOptions") or {}).get("hostProcess"):
        yield "spec.securityContext.windowsOptions.hostProcess"


def of_container(c, own):
    s = c.get("securityContext", {})
    both = {**own, **s}
    caps = s.get("capabilities", {})
    checks = {
        "privileged": not s.get("privileged"),
        "allowPrivilegeEscalation": s.get("allowPrivilegeEscalation") is False,
        "capabilities.drop": "ALL" in caps.get("drop", []),
        "capabilities.add": set(caps.get("add", [])) <= {"NET_BIND_SERVICE"},
        "runAsNonRoot": both.get("runAsNonRoot") is True,
        "runAsUser": both.get("runAsUser") != 0,
        "seccompProfile": (both.get("seccompProfile") or {}).get("type") in SECCOMP,
        "procMount": s.get("procMount", "Default") == "Default",
        "seLinuxOptions": all((o.get("seLinuxOptions") or {}).get("type") in SELINUX and not (
            o.get("seLinuxOptions") or {}).get("user") and not (o.get("seLinuxOptions") or {}).get("role") for o in (own, s)),
        "hostPort": not any(p.get("hostPort") for p in c.get("ports", [])),
    }
    return [f"{c['name']}: securityContext.{field}" for field, ok in checks.items() if not ok]


def beyond(pod):
    """Ours: nothing is written into an image, every container asks for what it needs and is probed without a program."""
    for c in containers(pod):
        s, r = c.get("securityContext", {}), c.get("resources", {})
        if s.get("readOnlyRootFilesystem") is not True:
            yield f"{c['name']}: readOnlyRootFilesystem"
        if not {"cpu", "memory"} <= set(r.get("requests", {})) | set(r.get("limits", {})):
            yield f"{c['name']}: resources"
    for c in pod["containers"]:
        probes = [c[p] for p in ("livenessProbe", "readinessProbe", "startupProbe") if p in c]
        if not probes:
            yield f"{c['name']}: no probe"
        if any("exec" in p for p in probes):
            yield f"{c['name']}: a probe that starts a program"
    if (pod.get("securityContext") or {}).get("runAsUser") in (None, 0):
        yield "spec.securityContext.runAsUser"
    if pod.get("automountServiceAccountToken") is not False and pod.get("serviceAccountName") is None:
        yield "automountServiceAccountToken"


def violations(pod):
    found = list(of_pod(pod)) + list(beyond(pod))
    for c in containers(pod):
        found += of_container(c, pod.get("securityContext", {}))
    return found
