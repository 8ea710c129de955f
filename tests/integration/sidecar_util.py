"""Pods of a cluster under test: a launcher and a failover sidecar each, on loopback, against a fake Kubernetes API."""
import datetime
import re
import signal
import subprocess
import urllib.error
import urllib.request

import psycopg2
from kubeapi_fake import FakeKube
from launcher_util import BIN, DEMOTE, Node, free_port, wait_until

CLUSTER = "prod-pg"
LEASE = f"{CLUSTER}-leader"


class Pod(Node):
    def __init__(self, kube, ordinal, replicas=3, satellite="", **env):
        super().__init__(f"{CLUSTER}-{ordinal}")
        self.kube, self.ordinal, self.health_port, self.sidecar = kube, ordinal, free_port(), None
        self.extra = dict(env, REPLICAS=str(replicas), SATELLITE_ADDR=satellite)
        for key, value in (("superuser-password", self.PASSWORD),
                           ("replication-password", self.REPL_PASSWORD),
                           ("sidecar-stream-token", "t0ken")):
            with open(f"{self.base}/secret/{key}", "w") as f:
                f.write(value)
        kube.add_pod(self.name)
        kube.kubeconfig(f"{self.base}/kubeconfig")
        self.chown()

    def launch(self, **extra):
        super().launch(connect=False, **extra)
        self.start_sidecar()
        return self

    def start_sidecar(self):
        env = self.env(**{**dict(KUBECONFIG=f"{self.base}/kubeconfig", POD_NAMESPACE=self.kube.ns,
                                 POD_IP="127.0.0.1", POD_UID=self.name, CLUSTER_NAME=CLUSTER,
                                 LEASE_SECONDS="15", HEALTH_INTERVAL_SECONDS="1",
                                 PGSWARM_SECRET_DIR=f"{self.base}/secret",
                                 PGSWARM_HEALTH_ADDR=f"127.0.0.1:{self.health_port}"),
                          **self.extra})
        out = open(f"{self.base}/sidecar.log", "ab")
        self.sidecar = subprocess.Popen([*DEMOTE, f"{BIN}/pg-swarm-failover-sidecar"], env=env,
                                        stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        out.close()

    def sidecar_log(self):
        with open(f"{self.base}/sidecar.log", errors="replace") as f:
            return f.read()

    def readyz(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/readyz",
                                        timeout=5) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError as e:
            return 0, str(e)

    def ready(self, role=None):
        code, text = self.readyz()
        return code == 200 and (role is None or text.startswith(f"ready {role} "))

    def wait_ready(self, role=None, timeout=120):
        try:
            wait_until(f"{self.name} is a ready {role}", lambda: self.ready(role), timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.readyz()}\n{self.sidecar_log()[-6000:]}\n"
                                 f"{self.log()[-2000:]}") from None

    def kill_sidecar(self, sig=signal.SIGKILL):
        self.sidecar.send_signal(sig)
        self.sidecar.wait(70)  # it gives up after 55 s

    def stop_pod(self, sig=signal.SIGTERM):
        """Both containers at once, as a kubelet does it."""
        self.proc.send_signal(sig)  # first: a sidecar that hears nothing of its pod's end for 2 s ends alone
        self.sidecar.send_signal(sig)
        self.proc.wait(70)
        self.sidecar.wait(70)

    def look(self, text):
        """What a query says, or None: the server does not answer, or has not replayed yet what is asked about."""
        try:
            return self.query(text)
        except psycopg2.Error:
            return None

    def rss_kib(self):
        text = open(f"/proc/{self.sidecar.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1))

    def stop(self):
        for p in (self.sidecar, self.proc):
            if p and p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.send_signal(signal.SIGTERM)
        for p in (self.sidecar, self.proc):
            if p:
                p.wait(70)  # a sidecar gives up after 55 s
        super().stop()


def stands(kube, pods):
    """Until the first leads and the others follow, and the lease tells where: ready is told a moment before that is written."""
    first, *others = pods
    first.wait_ready("primary")
    for p in others:
        p.wait_ready("replica")
    wait_until("the lease tells of the cluster", lambda: notes(kube).get("pg-swarm.io/primary-addr") == f"127.0.0.1:{first.port}")


def notes(kube):
    return (kube.lease(LEASE) or {"metadata": {}})["metadata"].get("annotations", {})


def said_at(log, text):
    """When a program wrote that, as of time.time(); the last time."""
    line = [ln for ln in log.splitlines() if text in ln][-1]
    return datetime.datetime.fromisoformat(re.match(r"ts=(\S+)", line)[1].replace("Z", "+00:00")).timestamp()
