"""One Kubernetes for all tests of this folder; tests/kube/run says which and calls us. The tests build on each other, in the
order of the file, as an installation does."""
import base64
import contextlib
import json
import os
import re
import secrets
import select
import subprocess
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("PGSWARM_BIN", f"{TOP}/build/release/bin")
CENTRAL, SYSTEM, DB = "pgswarm-central", "pgswarm-system", "pgs-check"


def wait_until(what, ready, seconds=60):
    """The first true value of ready(); fails with `what` when a look that began after the deadline is not true either."""
    end = time.monotonic() + seconds
    while True:
        last = time.monotonic() > end
        value = ready()
        if value:
            return value
        assert not last, f"not within {seconds} s: {what}"
        time.sleep(0.2)  # poll


class Kube:
    def __init__(self, folder):
        self.folder = folder
        self.env = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", NO_COLOR="1", XDG_CONFIG_HOME=f"{folder}/config")
        self.real = bool(os.environ.get("PGSWARM_KUBE_VOLUMES"))
        v = self.json("version")["serverVersion"]
        self.version = v["gitVersion"]
        self.minor = int(v["minor"].rstrip("+"))
        self.forward = None

    # ---- kubectl ----

    def kubectl(self, *args, stdin=None, check=True, timeout=180):
        p = subprocess.run(["kubectl", *args], env=self.env, input=stdin, capture_output=True, text=True, timeout=timeout)
        if check:
            assert p.returncode == 0, f"kubectl {' '.join(args)}: exit {p.returncode}\n{p.stdout}\n{p.stderr}"
        return p

    def json(self, *args):
        return json.loads(self.kubectl(*args, "-o", "json").stdout)

    def get(self, *args, ns=DB):
        """The object, or None."""
        out = self.kubectl("-n", ns, "get", *args, "-o", "json", "--ignore-not-found").stdout
        return json.loads(out) if out.strip() else None

    def apply(self, *objects):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return self.kubectl("apply", "-f", "-", stdin=text).stdout

    def patch(self, kind, name, patch, ns=DB, check=True):
        return self.kubectl("-n", ns, "patch", kind, name, "--type=merge", "-p", json.dumps(patch), check=check)

    def available(self, what, ns, seconds=180):
        self.kubectl("-n", ns, "rollout", "status", what, f"--timeout={seconds}s", timeout=seconds + 20)

    @contextlib.contextmanager
    def forwarded(self, ns, target, port):
        """A port of this machine that leads to one of a pod."""
        p = subprocess.Popen(["kubectl", "-n", ns, "port-forward", "--address", "127.0.0.1", target, f":{port}"], env=self.env,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            line = p.stdout.readline() if select.select([p.stdout], [], [], 30)[0] else "no answer"
            got = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert got, f"port-forward {target}: {line}"
            yield int(got[1])
        finally:
            p.kill()
            p.wait()

    def on_node(self, program, *args):
        """A program of kube-real in the node's namespaces."""
        inner = subprocess.run(["pgrep", "-P", os.environ["PGSWARM_KUBE_NODE_PID"]], capture_output=True, text=True).stdout.split()[0]
        where = ["-a", "/run/containerd/containerd.sock", "-n", "k8s.io"] if program == "ctr" else []
        p = subprocess.run(["nsenter", "-m", "-n", "-p", "-t", inner, f"{os.environ['KREAL_PREFIX']}/sys/usr/bin/{program}", *where,
                            *args], capture_output=True, text=True)
        assert p.returncode == 0, p.stderr

    @staticmethod
    def host_ip():
        """Ours, as the node of kube-real reaches it."""
        return os.environ["PGSWARM_KUBE_HOST_IP"]

    # ---- swarmctl ----

    def ctl(self, *args, check=True, stdin=None, timeout=180):
        p = subprocess.run(["swarmctl", *args], env=self.env, input=stdin, capture_output=True, text=True, timeout=timeout)
        if check:
            assert p.returncode == 0, f"swarmctl {' '.join(args)}: exit {p.returncode}\n{p.stdout}\n{p.stderr}"
        return p

    def reach_central(self):
        """Anew: a forwarded port ends with its pod."""
        if self.forward:
            self.forward.close()
        self.forward = contextlib.ExitStack()
        port = self.forward.enter_context(self.forwarded(CENTRAL, "deployment/pg-swarm-central", 8080))
        self.ctl("login", f"https://127.0.0.1:{port}", "--user", "admin", "--ca", f"{self.folder}/central-ca.crt",
                 stdin=self.admin_password + "\n")

    def ask(self, *args):
        return json.loads(self.ctl(*args, "-o", "json").stdout)

    def cluster(self, name):
        return next((c for c in self.ask("cluster", "list")["items"] if c["name"] == name), None)

    def running(self, *names, seconds=240):
        try:
            self.ctl("cluster", "wait", *[f"{n}@check" for n in names], "--timeout", f"{seconds}s", timeout=seconds + 20)
            for n in names:  # sidecars know it first; a kubelet may take seconds to say it
                self.available(f"statefulset/{n}", DB, seconds)
        except AssertionError:
            print(self.ctl("cluster", "list", "-o", "wide", check=False).stdout)
            print(self.kubectl("get", "pods,pvc,events", "-A", check=False).stdout)
            raise

    def satellite(self):
        items = self.ask("satellite", "list")["items"]
        return next((s for s in items if s["name"] == "check"), None)

    # ---- PostgreSQL ----

    def password(self, name, key="superuser-password"):
        return base64.b64decode(self.get("secret", f"{name}-secret")["data"][key]).decode()

    def pods(self, name, role=None):
        want = f"pg-swarm.io/cluster={name}" + (f",pg-swarm.io/role={role}" if role else "")
        return self.json("-n", DB, "get", "pods", "-l", want)["items"]

    def psql(self, name, sql, role="primary", check=True):
        pods = self.pods(name, role)
        assert pods or not check, f"{name} has no {role}"
        if not pods:
            return ""
        env = dict(self.env, PGPASSWORD=self.password(name), PGCONNECT_TIMEOUT="10")
        with self.forwarded(DB, "pod/" + pods[0]["metadata"]["name"], 5432) as port:
            p = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-c",
                                sql], env=env, capture_output=True, text=True, timeout=60)
        assert p.returncode == 0 or not check, f"psql {name} ({role}): {p.stderr}"
        return p.stdout.strip()

    # ---- what only a rollout will do: a later version of what should be, as central's services write it ----

    def wish(self, name, **config):
        secret = self.get("secret", "pg-swarm-central", ns=CENTRAL)
        env = dict(self.env, PGPASSWORD=base64.b64decode(secret["data"]["database-password"]).decode())
        guard = config.get("deletion_protection")
        sql = (f"update clusters set config = config || '{json.dumps(config)}'::jsonb, desired_version = nextval('config_version')"
               + ("" if guard is None else f", deletion_protection = {guard}") + f" where name = '{name}'")
        with self.forwarded(CENTRAL, "pod/pg-swarm-database-0", 5432) as port:
            p = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", "pgswarm", "-d",
                                "postgres", "-c", sql], env=env, capture_output=True, text=True, timeout=60)
        assert p.returncode == 0, p.stderr

    def make(self, name, *settings, ns=DB, replicas=1):
        """A profile of that name, and a cluster of it at the site."""
        more = [w for s in settings for w in ("--set", s)]
        self.ctl("profile", "create", name, "--set", f"replicas={replicas}", "--set", "postgres.version=\"15\"", "--set",
                 "storage.size=1Gi", *more)
        self.ctl("rule", "create", name, "--profile", name, "-l", "tier=check", "-n", ns, "--cluster-name", name)

    def refusal(self, name, word, seconds=60):
        """What central shows of it, once it holds that word."""
        def shown():
            why = (self.cluster(name) or {}).get("config_error") or ""
            return why if word in why else None
        return wait_until(f"a refusal of {name} with '{word}'", shown, seconds)

    def healed(self, name, seconds=180):
        wait_until(f"{name} runs", lambda: (self.cluster(name) or {}).get("state") == "running", seconds)
        assert not self.cluster(name)["config_error"]

    def remove(self, name, volumes=True, ns=DB):
        self.ctl("rule", "delete", name, "--yes", check=False)
        self.ctl("cluster", "delete", f"{name}@check", "--confirm", name, *([] if volumes else ["--keep-volumes"]))
        self.ctl("cluster", "wait", f"{name}@check", "--for", "deleted", "--timeout", "120s")

    def volumes(self, klass, n=6):
        """More static volumes, of another class."""
        if self.real:
            static_volumes(self, os.environ["PGSWARM_KUBE_VOLUMES"], klass, n)

    def said(self):
        """What a failed run is looked for in."""
        out = [self.kubectl("get", "pods,pvc,pv,svc", "-A", "-o", "wide", check=False).stdout,
               self.kubectl("get", "events", "-A", "--sort-by=.lastTimestamp", check=False).stdout[-6000:],
               self.ctl("cluster", "list", "-o", "wide", check=False).stdout,
               self.ctl("events", "--limit", "40", check=False).stdout]
        for ns in (CENTRAL, SYSTEM, DB):
            for name in self.kubectl("-n", ns, "get", "pods", "-o", "name", check=False).stdout.split():
                log = self.kubectl("-n", ns, "logs", name, "--all-containers", "--tail=25", check=False)
                out.append(f"--- {ns} {name}\n{log.stdout}{log.stderr}")
        return "\n".join(out)


def storage_class(name, default=False):
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer", "metadata": {"name": name, "labels": {"pgs-check": "1"}, "annotations": {
                "storageclass.kubernetes.io/is-default-class": "true" if default else "false"}}}


def static_volumes(kube, folder, klass, n):
    """kube-real makes no volumes; these lie in a folder of ours."""
    pvs = []
    for i in range(n):
        path = f"{folder}/{klass}-{i}"
        os.makedirs(path)
        os.chown(path, 999, 999)
        pvs.append({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{klass}-{i}", "labels": {
            "pgs-check": "1"}}, "spec": {"capacity": {"storage": "16Gi"}, "accessModes": ["ReadWriteOnce"],
                                         "persistentVolumeReclaimPolicy": "Retain", "storageClassName": klass,
                                         "hostPath": {"path": path}}})
    kube.apply(*pvs)


@pytest.fixture(scope="session")
def kube():
    k = Kube(os.environ["PGSWARM_KUBE_DIR"])
    volumes = os.environ.get("PGSWARM_KUBE_VOLUMES")
    if volumes:
        k.apply(storage_class("pgs-check", default=True))
        static_volumes(k, volumes, "pgs-check", 40)
    try:
        yield k
    finally:
        if k.forward:
            k.forward.close()


@pytest.fixture(scope="session")
def central(kube):
    """Central installed as its kustomization says, swarmctl logged in."""
    folder = "deploy/overlays/central-kubernetes-1.20" if kube.minor < 21 else "deploy/central"
    kube.kubectl("apply", "-k", f"{TOP}/{folder}")
    password = secrets.token_urlsafe(18)
    kube.kubectl("-n", CENTRAL, "create", "secret", "generic", "pg-swarm-central", f"--from-literal=key={secrets.token_hex(32)}",
                 f"--from-literal=database-password={secrets.token_hex(24)}", f"--from-literal=admin-password={password}")
    try:
        kube.available("deployment/pg-swarm-central", CENTRAL, 240)
    except AssertionError:
        print(kube.said())
        raise
    kube.admin_password = password
    with open(f"{kube.folder}/central-ca.crt", "w") as f:
        f.write(kube.kubectl("-n", CENTRAL, "exec", "deployment/pg-swarm-central", "-c", "central", "--",
                             "/usr/local/bin/pg-swarm-central", "ca").stdout)
    kube.reach_central()
    return kube


@pytest.fixture(scope="session")
def site(central):
    """A satellite from `satellite manifest`, admitted by the token in it."""
    kube = central
    address = kube.get("service", "pg-swarm-central", ns=CENTRAL)["spec"]["clusterIP"]
    manifest = kube.ctl("satellite", "manifest", "check", "--central", f"{address}:9090", "--central-name", "pg-swarm-central",
                        "--region", "lab", "-l", "tier=check").stdout
    kube.kubectl("apply", "-f", "-", stdin=manifest)
    kube.manifest = manifest
    try:
        wait_until("the satellite is connected", lambda: (kube.satellite() or {}).get("connected"), 90)
    except AssertionError:
        print(kube.said())
        raise
    return kube


@pytest.fixture(scope="session")
def clusters(site):
    """old-pg on PostgreSQL 15 and new-pg on 17 with a volume for WAL, side by side."""
    kube = site
    for name, major, more in (("old", "15", []), ("new", "17", ["--set", "wal_storage.size=1Gi"])):
        kube.ctl("profile", "create", name, "--set", "replicas=3", "--set", f"postgres.version=\"{major}\"", "--set",
                 "storage.size=1Gi", *more)
        kube.ctl("rule", "create", name, "--profile", name, "-l", "tier=check", "-n", DB, "--cluster-name", f"{name}-pg")
    try:
        kube.running("old-pg", "new-pg")
    except AssertionError:
        print(kube.said())
        raise
    return kube
