"""One PostgreSQL cluster as an outsider sees it: the site's API, its Services, its pods' addresses."""
import base64
import http.client
import json
import os
import ssl
import subprocess
import tempfile
import time

import psycopg2

from .sandbox import wait_until

NS = "databases"


class KubeApi:
    """GETs over one connection; a kubectl a question would cost more than what is measured."""

    def __init__(self, sandbox, site):
        view = json.loads(sandbox.kubectl(site, "config", "view", "--raw", "--flatten", "-o", "json").stdout)
        cluster, user = view["clusters"][0]["cluster"], view["users"][0]["user"]
        self.host = cluster["server"].split("//")[1]
        self.tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        self.tls.check_hostname = False
        self.head = {"Accept": "application/json"}
        if "token" in user:
            self.head["Authorization"] = f"Bearer {user['token']}"
        else:
            with tempfile.NamedTemporaryFile() as f:
                f.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
                f.flush()
                self.tls.load_cert_chain(f.name)
        self.link = None
        self.unanswered = 0

    def get(self, path):
        """None while the server does not answer, or says no; `unanswered` counts these."""
        for fresh in ([False, True] if self.link else [True]):  # one that was idle may have been closed
            try:
                if fresh:
                    self.link = http.client.HTTPSConnection(self.host, timeout=10, context=self.tls)
                self.link.request("GET", path, headers=self.head)
                r = self.link.getresponse()
                body = r.read()
                if r.status == 200:
                    return json.loads(body)
                break
            except (OSError, http.client.HTTPException):
                self.link = None
        self.unanswered += 1
        return None


class Cluster:
    def __init__(self, sandbox, name, site="edge-a", ns=NS, durability="performance"):
        self.durability = durability
        self.sandbox, self.short, self.site, self.ns = sandbox, name, site, ns
        self.name = f"{name}@{site}"
        self.api = KubeApi(sandbox, site)
        self.dsn = sandbox.ctl("cluster", "dsn", self.name).stdout.strip()
        self.password = self.dsn.split(":", 2)[2].rsplit("@", 1)[0]
        self.link = None
        self.silent = 0  # questions to PostgreSQL without an answer

    def unanswered(self):
        """Grows when a question had no answer: what was made of it is not known to be so."""
        return self.silent + self.api.unanswered

    # ---- the site's API ----

    def pods(self):
        """name -> {ip, role, ready}; {} while the API is away."""
        seen = self.api.get(f"/api/v1/namespaces/{self.ns}/pods?labelSelector=pg-swarm.io/cluster%3D{self.short}")
        out = {}
        for p in (seen or {}).get("items", []):
            conditions = {c["type"]: c["status"] for c in p.get("status", {}).get("conditions", [])}
            out[p["metadata"]["name"]] = {"ip": p.get("status", {}).get("podIP"),
                                          "role": p["metadata"].get("labels", {}).get("pg-swarm.io/role"),
                                          "ready": conditions.get("Ready") == "True",
                                          "deleting": "deletionTimestamp" in p["metadata"]}
        return out

    def primary(self):
        """The pod that the rw Service names; None unless it is exactly one."""
        named = [n for n, p in self.pods().items() if p["role"] == "primary"]
        return named[0] if len(named) == 1 else None

    def replicas(self):
        return sorted(n for n, p in self.pods().items() if p["role"] == "replica")

    def lease(self):
        o = self.api.get(f"/apis/coordination.k8s.io/v1/namespaces/{self.ns}/leases/{self.short}-leader")
        return (o or {}).get("spec", {})

    def sync(self):
        """What the lease says about who must have a row; {} when it says nothing."""
        o = self.api.get(f"/apis/coordination.k8s.io/v1/namespaces/{self.ns}/leases/{self.short}-leader")
        notes = (o or {}).get("metadata", {}).get("annotations", {})
        return json.loads(notes.get("pg-swarm.io/sync", "{}"))

    # ---- PostgreSQL ----

    def sql(self, text, role="primary"):
        """Rows as a client of the rw Service sees them (or of the pod's own socket); None when there is no answer."""
        if role == "primary":
            return self.over_service(text)
        p = self.on_pod(role, text)
        if p.returncode == 0:
            return [tuple(line.split("|")) for line in p.stdout.splitlines()]
        self.silent += 1
        return None

    def over_service(self, text):
        for _ in range(2):  # the second time over a new connection
            try:
                if not self.link:
                    self.link = psycopg2.connect(self.dsn, connect_timeout=2, options="-c statement_timeout=2000")
                    self.link.autocommit = True
                with self.link.cursor() as c:
                    c.execute(text)
                    return c.fetchall() if c.description else []
            except psycopg2.Error:
                self.forget()
        self.silent += 1
        return None

    def forget(self):
        if self.link:
            self.link.close()
        self.link = None

    def in_site(self, *argv):
        """The command line that runs argv where the pods' addresses are reachable."""
        return self.sandbox.in_site(self.site, argv)

    def libpq_env(self):
        return dict(self.sandbox.env, PGPASSWORD=self.password, PGUSER="postgres", PGDATABASE="postgres",
                    PGCONNECT_TIMEOUT="2")

    def on_pod(self, pod, text):
        ip = self.pods().get(pod, {}).get("ip") or "127.0.0.254"
        argv = self.in_site("psql", "-h", ip, "-XAtqc", text)
        try:
            return subprocess.run(argv, env=self.libpq_env(), capture_output=True, text=True, timeout=10)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, 124, "", "no answer within 10 s")

    # ---- the whole ----

    STREAMING = ("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' "
                 "AND application_name ~ '[.]e[0-9]+$'")

    def streaming(self):
        """How many replicas stream from the primary at the lease's epoch."""
        epoch = self.lease().get("leaseTransitions")
        return sum(1 for (name,) in self.sql(self.STREAMING) or [] if name.endswith(f".e{epoch}"))

    def whole(self, members):
        pods = self.pods()
        return (len(pods) == members and all(p["ready"] and not p["deleting"] for p in pods.values())
                and sorted(str(p["role"]) for p in pods.values()) == ["primary"] + ["replica"] * (members - 1)
                and self.streaming() == members - 1 and self.protects())

    def protects(self):
        """What the profile promises is in force: somebody else must have a row before it is acknowledged."""
        if self.durability == "performance":
            return True
        names, record = self.sql("SHOW synchronous_standby_names"), self.sync()
        return bool(names and names[0][0]) and record.get("k", 0) > 0 and not record.get("degraded")

    def wait_whole(self, members, seconds=60):
        wait_until(f"{self.name}: {members} members, all ready, on one timeline, as durable as promised", lambda: self.whole(members), seconds)


PROFILE = """kind: Profile
name: {name}
description: {topology}
replicas: {members}
postgres:
  version: "{postgres}"
storage:
  size: {storage}
{class_}{wal}failover:
  enabled: {failover}
  durability: {durability}
  lease_seconds: {lease}
message: a topology of the scenarios
---
kind: DeploymentRule
name: {name}
profile: {name}
selector:
  region: us-east
namespace: databases
cluster_name: {name}
"""


def create(sandbox, name, topology, seconds=180):
    """A cluster of this topology at edge-a, streaming. What it waits for, `swarmctl cluster wait` waits for too."""
    values = dict(topology, name=name, topology=" ".join(f"{k}={v}" for k, v in topology.items()))
    values["failover"] = "true" if topology["failover"] == "on" else "false"
    values["class_"] = f"  storage_class: {topology['class']}\n" if topology["class"] else ""
    values["wal"] = f"wal_storage:\n  size: {topology['wal']}\n{values['class_']}" if topology["wal"] else ""
    sandbox.ctl("apply", "-f", "-", stdin=PROFILE.format(**values))
    end = time.monotonic() + seconds
    sandbox.ctl("cluster", "wait", f"{name}@edge-a", "--timeout", f"{seconds}s")
    c = Cluster(sandbox, name, durability=topology["durability"])
    c.wait_whole(int(topology["members"]), max(1, end - time.monotonic()))
    return c


def remove(sandbox, name):
    sandbox.ctl("rule", "delete", name, "--yes", check=False)
    sandbox.ctl("cluster", "delete", f"{name}@edge-a", "--yes", "--confirm", name, check=False)
    sandbox.ctl("profile", "delete", name, "--yes", check=False)
