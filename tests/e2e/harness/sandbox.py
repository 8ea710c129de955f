"""The whole system, started as a user starts it: swarmctl sandbox up, in a folder of its own."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BIN = os.environ.get("PGSWARM_BIN", os.path.join(TOP, "build/release/bin"))
TEST_BIN = os.environ.get("PGSWARM_TEST_BIN", os.path.join(TOP, "build/release/tests/bin"))


def wait_until(what, ready, seconds=60):
    """The first true value of ready(); fails with `what` when a look that began after the deadline is not true either."""
    end = time.monotonic() + seconds
    while True:
        last = time.monotonic() > end
        value = ready()
        if value:
            return value
        assert not last, f"not within {seconds} s: {what}"
        time.sleep(0.1)  # poll


def gone(pid):
    """Dead, whoever still has to notice it."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


class Sandbox:
    def __init__(self, folder=None):
        self.folder = folder or tempfile.mkdtemp(prefix="pgswarm-e2e-")
        self.env = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", NO_COLOR="1",
                        PGSWARM_SANDBOX_DIR=f"{self.folder}/state", XDG_CONFIG_HOME=f"{self.folder}/config",
                        XDG_STATE_HOME=f"{self.folder}/xdg-state")
        self.env.setdefault("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))

    def run(self, *argv, check=True, stdin=None, env=None, timeout=300):
        try:
            p = subprocess.run(argv, env=env or self.env, input=stdin, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"{' '.join(argv)}: no end within {timeout} s\n{e.stdout}\n{e.stderr}") from None
        if check:
            assert p.returncode == 0, f"{' '.join(argv)}: exit {p.returncode}\n{p.stdout}\n{p.stderr}"
        return p

    def ctl(self, *args, **kw):
        return self.run("swarmctl", *args, **kw)

    def json(self, *args):
        return json.loads(self.ctl(*args, "-o", "json").stdout)

    def kube_env(self, site):
        # A cache of its own: kubectl keeps what a server serves by its port, and another server may have had this one.
        return dict(self.env, KUBECONFIG=f"{self.folder}/state/sites/{site}/kubeconfig",
                    KUBECACHEDIR=f"{self.folder}/kube-cache")

    def kubectl(self, site, *args, **kw):
        return self.run("kubectl", *args, env=self.kube_env(site), **kw)

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

    def kill(self, name):
        """SIGKILL for a process of the sandbox; it is dead when this returns."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        wait_until(f"{name} is dead", lambda: gone(pid))

    def in_site(self, site, argv):
        """The command line that runs argv in the network of the site."""
        pid = self.pids()[f"site {site}"]
        enter = ["nsenter", "-t", str(pid), "-n"] + (["-U", "--preserve-credentials"] if os.getuid() else [])
        return [*enter, *argv]

    def heal(self):
        self.ctl("sandbox", "heal", "--all", check=False)

    def logs(self):
        """The end of every log, for a failed run."""
        out = []
        for root, _, files in os.walk(f"{self.folder}/state"):
            for f in files:
                if f.endswith(".log") and "pgdata" not in root:
                    with open(os.path.join(root, f), errors="replace") as h:
                        out.append(f"--- {os.path.join(root, f)}\n" + "".join(h.readlines()[-30:]))
        return "\n".join(out)

    def close(self):
        self.ctl("sandbox", "down", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
