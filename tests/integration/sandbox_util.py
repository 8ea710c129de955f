"""What the sandbox tests share: a pg-swarm-sandbox as a process, and stock kubectl on it."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

BIN = os.environ.get("PGSWARM_BIN", os.path.join(os.path.dirname(__file__), "../../build/release/bin"))
PG_BIN = "/usr/lib/postgresql/15/bin"
IMAGES = {"host:1": {"root": "/", "user": 999}}


def wait_until(what, check, seconds=60):
    """Poll until check() is true; its value is returned."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.03)  # poll


def pids_with(*words):
    """Processes whose command line has all the words: found by /proc, for nobody is to be asked."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(w in line for w in words):
            found.append(int(pid))
    return found


def descends(pid, top):
    """Is that process a child of the other, or a child's child?"""
    while pid > 1 and pid != top:
        pid = int((status_of(pid, "PPid") or ["0"])[0])
    return pid == top


def status_of(pid, field):
    """The words of that line of the process's status, [] when there is no such process any more."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            return next((line for line in f if line.startswith(field + ":")), "").split()[1:]
    except OSError:
        return []


class Sandbox:
    """One site. `prefix` runs it as somebody else: ["runuser", "-u", "nobody", "--"]."""

    def __init__(self, site="test-site", prefix=(), options=()):
        self.dir = tempfile.mkdtemp(prefix="pgswarm-sbx-")
        self.prefix = list(prefix)
        self.site, self.options, self.proc = site, list(options), None
        if prefix:
            os.chmod(self.dir, 0o777)
        self.images = dict(IMAGES)
        self.add_image("host:1", **IMAGES["host:1"])
        self.state = f"{self.dir}/state"
        self.kubeconfig = f"{self.state}/kubeconfig"

    def add_image(self, ref, **image):
        self.images[ref] = image
        with open(f"{self.dir}/images.json", "w", encoding="utf-8") as f:
            json.dump(self.images, f)
        os.chmod(f"{self.dir}/images.json", 0o644)

    def start(self):
        if os.path.exists(self.kubeconfig):
            os.unlink(self.kubeconfig)
        self.log = open(f"{self.dir}/log", "ab")
        self.proc = subprocess.Popen(
            [*self.prefix, os.path.join(BIN, "pg-swarm-sandbox"), "--site", self.site, "--state", self.state,
             "--images", f"{self.dir}/images.json", *self.options], stderr=self.log, stdin=subprocess.DEVNULL)
        wait_until("sandbox is up", lambda: self.alive() and os.path.exists(self.kubeconfig))
        return self

    def alive(self):
        assert self.proc.poll() is None, f"sandbox ended with {self.proc.returncode}: {self.read_log()}"
        return True

    def read_log(self):
        with open(f"{self.dir}/log", encoding="utf-8") as f:
            return f.read()

    def pid(self):
        """Of the sandbox itself, behind a runuser."""
        with open(f"{self.state}/pid", encoding="utf-8") as f:
            return int(f.read())

    def kill(self):
        os.kill(self.pid(), signal.SIGKILL)
        self.proc.wait(90)

    def stop(self):
        """Must end by itself, cleanly."""
        if self.proc and self.proc.poll() is None:
            os.kill(self.pid(), signal.SIGTERM)
            code = self.proc.wait(120)
            assert code == 0, f"sandbox ended with {code}: {self.read_log()}"

    def remove(self):
        if self.proc and self.proc.poll() is None:
            os.kill(self.pid(), signal.SIGKILL)
            self.proc.wait(90)
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- kubectl ----

    def kubectl(self, *args, data=None, check=True):
        env = dict(os.environ, KUBECONFIG=self.kubeconfig)
        r = subprocess.run(["kubectl", *args], input=data, capture_output=True, text=True, env=env, timeout=180)
        assert not check or r.returncode == 0, f"kubectl {' '.join(args)}: {r.stderr}\n{self.read_log()}"
        return r.stdout if check else r

    def create(self, *objects):
        doc = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self.kubectl("create", "--validate=false", "-f", "-", data=json.dumps(doc))

    def get(self, *args):
        r = self.kubectl("get", *args, "-o", "json", check=False)
        return json.loads(r.stdout) if r.returncode == 0 else None

    def path(self, *args, path):
        return self.kubectl("get", *args, "-o", f"jsonpath={{{path}}}", check=False).stdout


# ---- objects ----

def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def container(command, name="c", **more):
    return {"name": name, "image": "host:1", "command": command, **more}


def pod(ns, name, *containers, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": ns, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": list(containers), **spec}}


def workload(kind, ns, name, containers, replicas=1, pod_spec=None, **spec):
    """A StatefulSet or Deployment with the label app=NAME."""
    template = {"metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": containers, **(pod_spec or {})}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": ns},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template, **spec}}


def claim_template(name, size="1Gi"):
    return {"metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}


def service(ns, name, port, target, node_port, selector, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns},
            "spec": {"type": "NodePort", "selector": selector,
                     "ports": [{"name": "p", "port": port, "targetPort": target, "nodePort": node_port}], **spec}}
