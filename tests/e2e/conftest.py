"""The whole system, started as a user starts it: swarmctl sandbox up, in a folder of its own."""
import json
import os
import shutil
import subprocess
import tempfile
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("PGSWARM_BIN", os.path.join(TOP, "build/release/bin"))


def wait_until(what, ready, seconds=60):
    """The first true value of ready(); fails with `what` after the deadline."""
    end = time.monotonic() + seconds
    while True:
        value = ready()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)  # poll


class Sandbox:
    def __init__(self, folder):
        self.folder = folder
        self.env = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", NO_COLOR="1",
                        PGSWARM_SANDBOX_DIR=f"{folder}/state", XDG_CONFIG_HOME=f"{folder}/config",
                        XDG_STATE_HOME=f"{folder}/xdg-state")
        self.env.setdefault("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))

    def run(self, *argv, check=True, stdin=None, env=None, timeout=180):
        p = subprocess.run(argv, env=env or self.env, input=stdin, capture_output=True, text=True, timeout=timeout)
        if check:
            assert p.returncode == 0, f"{' '.join(argv)}: exit {p.returncode}\n{p.stdout}\n{p.stderr}"
        return p

    def ctl(self, *args, **kw):
        return self.run("swarmctl", *args, **kw)

    def json(self, *args):
        return json.loads(self.ctl(*args, "-o", "json").stdout)

    def kubectl(self, site, *args, **kw):
        # A cache of its own: kubectl keeps what a server serves by its port, and another server may have had this one.
        env = dict(self.env, KUBECONFIG=f"{self.folder}/state/sites/{site}/kubeconfig",
                   KUBECACHEDIR=f"{self.folder}/kube-cache")
        return self.run("kubectl", *args, env=env, **kw)

    def kget(self, site, *args):
        return json.loads(self.kubectl(site, "get", *args, "-o", "json").stdout)

    def psql(self, cluster, sql, role="primary", **kw):
        return self.ctl("psql", cluster, "--role", role, "--", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql,
                        **kw).stdout.strip()

    def cluster(self, name):
        return next((c for c in self.json("cluster", "list")["items"] if f"{c['name']}@{c['satellite']}" == name), None)

    def pids(self):
        return {p["name"]: p.get("pid") for p in
                json.loads(self.ctl("sandbox", "status", "-o", "json", check=False).stdout)["items"]}

    def logs(self):
        """The end of every log, for a failed run."""
        out = []
        for root, _, files in os.walk(f"{self.folder}/state"):
            for f in files:
                if f.endswith(".log") and "pgdata" not in root:
                    with open(os.path.join(root, f), errors="replace") as h:
                        out.append(f"--- {os.path.join(root, f)}\n" + "".join(h.readlines()[-30:]))
        return "\n".join(out)


@pytest.fixture(scope="session")
def sandbox():
    folder = tempfile.mkdtemp(prefix="pgswarm-e2e-")
    s = Sandbox(folder)
    try:
        s.ctl("sandbox", "up")
        yield s
    except Exception:
        print(s.logs())
        raise
    finally:
        s.ctl("sandbox", "down", check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def chain(sandbox):
    """Two clusters prod-pg on PostgreSQL 15, and new-pg on 17 at edge-a where its image is there."""
    sandbox.ctl("apply", "-f", os.path.join(TOP, "deploy/demo"))
    names = ["prod-pg@edge-a", "prod-pg@edge-b"]
    images = json.load(open(f"{sandbox.folder}/state/images.json"))
    if "postgres:17" in images:
        sandbox.ctl("profile", "create", "next", "--set", "replicas=3", "--set", "postgres.version=\"17\"", "--set",
                    "storage.size=1Gi", "--set", "wal_storage.size=1Gi")
        sandbox.ctl("rule", "create", "next", "--profile", "next", "-l", "region=us-east", "-n", "databases",
                    "--cluster-name", "new-pg")
        names.append("new-pg@edge-a")
    try:
        sandbox.ctl("cluster", "wait", *names, "--timeout", "120s")
    except AssertionError:
        print(sandbox.ctl("cluster", "list", "-o", "wide", check=False).stdout)
        for site in ("edge-a", "edge-b"):
            print(sandbox.kubectl(site, "-n", "databases", "get", "pods,events", check=False).stdout)
        print(sandbox.logs())
        raise
    return names
