"""Faults of the sandbox, by swarmctl: what is killed, cut, full or slow is really so, and heals. As a plain user where
that can be tried."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

import pytest

import sandbox_util
from sandbox_util import claim_template, namespace, pod, service, wait_until

NS, CLUSTER, SITE = "t", "db", "hurt"
# One command a line: what this pod sees of the world. Port 5432 is what clients come for; 7000 is ours, and never cut
# but with everything.
AGENT = r"""
import os, socket, ssl, sys, threading, time, urllib.request
conns = {}
def said(f):
    try: return f()
    except socket.timeout: return 'timeout'
    except TimeoutError: return 'timeout'
    except OSError as e: return 'timeout' if 'timed out' in str(e) else type(e).__name__ + ' ' + str(e)
def dial(ip, port, key, patience=30):
    conns[key] = socket.create_connection((ip, int(port)), float(patience)); return 'ok'
def say(key, text, patience=30):
    c = conns[key]; c.settimeout(float(patience)); c.sendall((text + '\n').encode())
    got = c.recv(100); return got.decode().strip() or 'closed'
def read(key):
    c = conns[key]; c.settimeout(180); got = c.recv(100); return got.decode().strip() or 'closed'
def api(patience=30):
    t = time.monotonic()
    req = urllib.request.Request('https://%s:%s/version' % (os.environ['KUBERNETES_SERVICE_HOST'],
                                                            os.environ['KUBERNETES_SERVICE_PORT']))
    ctx = ssl._create_unverified_context()
    try: status = urllib.request.urlopen(req, timeout=float(patience), context=ctx).status
    except urllib.error.HTTPError as e: status = e.code
    return '%d %.3f' % (status, time.monotonic() - t)
def write(path, n):
    with open(path, 'ab') as f: f.write(b'x' * int(n)); f.flush(); os.fsync(f.fileno())
    return 'ok'
def clocks(): return '%f %f' % (time.clock_gettime(time.CLOCK_BOOTTIME), time.time())
todo = {'dial': dial, 'say': say, 'read': read, 'api': api, 'write': write, 'clocks': clocks, 'pid': lambda: str(os.getpid()),
        'since': lambda: str(STARTED)}
STARTED = time.time()
def control(c):
    for line in c.makefile():
        words = line.split()
        c.sendall((said(lambda: todo[words[0]](*words[1:])) + '\n').encode())
def echo(c):
    for line in c.makefile(): c.sendall(line.encode())
def serve(port, how):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('', port)); s.listen(20)
    while True:
        c, _ = s.accept(); threading.Thread(target=how, args=(c,), daemon=True).start()
threading.Thread(target=serve, args=(5432, echo), daemon=True).start()
serve(7000, control)
"""


class Box:
    """A sandbox made by swarmctl, its one site with three agents as pods of the cluster `db`."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="pgswarm-faults-")
        plain = os.geteuid() == 0 and shutil.which("runuser")
        self.prefix = ["runuser", "-u", "nobody", "--"] if plain else []
        os.chmod(self.dir, 0o777)
        self.env = dict(os.environ, NO_COLOR="1", PGSWARM_SANDBOX_DIR=f"{self.dir}/state", XDG_CONFIG_HOME=f"{self.dir}/c",
                        HOME=self.dir, PATH=f"{os.path.abspath(sandbox_util.BIN)}:{os.environ['PATH']}")
        self.ports = {}

    def ctl(self, *args, check=True):
        p = subprocess.run([*self.prefix, "swarmctl", *args], env=self.env, capture_output=True, text=True, timeout=300)
        assert not check or p.returncode == 0, f"swarmctl {' '.join(args)}: {p.returncode} {p.stdout}{p.stderr}"
        return p

    def fault(self, *args):
        return json.loads(self.ctl("sandbox", *args, "-o", "json").stdout)["items"]

    def faults(self):
        return {(f["kind"], f["pod"]) for f in self.fault("faults")}

    def kubectl(self, *args, data=None, check=True):
        env = dict(self.env, KUBECONFIG=f"{self.dir}/state/sites/{SITE}/kubeconfig", KUBECACHEDIR=f"{self.dir}/k")
        p = subprocess.run([*self.prefix, "kubectl", *args], env=env, input=data, capture_output=True, text=True,
                           timeout=150)
        assert not check or p.returncode == 0, f"kubectl {' '.join(args)}: {p.stderr}"
        return p.stdout

    def create(self, *objects):
        self.kubectl("create", "--validate=false", "-f", "-",
                     data=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def ip(self, n):
        return self.kubectl("-n", NS, "get", "pod", f"db-{n}", "-o", "jsonpath={.status.podIP}")

    def agent(self, n, command, timeout=60):
        """What agent n answers; None when it cannot be reached."""
        try:
            with socket.create_connection(("127.0.0.1", self.ports[n]), timeout) as c:
                c.settimeout(timeout)
                c.sendall((command + "\n").encode())
                return c.makefile().readline().strip() or None
        except OSError:
            return None

    def api(self, n, patience=30):
        """How the API answers agent n."""
        return self.agent(n, f"api {patience}") or ""

    def since(self, n):
        """When agent n began, as it says itself."""
        return wait_until(f"agent {n} tells since when", lambda: self.agent(n, "since"))

    def back(self, n, since):
        """Wait for another agent n than the one that began then."""
        wait_until(f"db-{n} is back", lambda: self.agent(n, "since", 2) not in (None, since))

    def wait_agents(self):
        for n in range(3):
            wait_until(f"agent {n} answers", lambda n=n: self.agent(n, "pid", 2))

    def restarts(self, n):
        text = self.kubectl("-n", NS, "get", "pod", f"db-{n}", "-o",
                            "jsonpath={.status.containerStatuses[*].restartCount}")
        return sum(map(int, text.split()))


def agent_pod(n):
    c = {"name": "postgres", "image": "postgres:15", "command": ["/usr/bin/python3", "-c", AGENT],
         "ports": [{"containerPort": 5432}], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    p = pod(NS, f"db-{n}", c, volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": f"data-db-{n}"}}],
            restartPolicy="Always")
    p["metadata"]["labels"].update({"pg-swarm.io/cluster": CLUSTER, "pg-swarm.io/role": "primary" if n == 0 else "replica"})
    claim = claim_template(f"data-db-{n}", "1Mi")
    claim["metadata"]["namespace"] = NS
    claim["spec"]["storageClassName"] = "limited" if n < 2 else "standard"
    return p, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim}


@pytest.fixture(scope="module", name="box")
def fixture_box():
    b = Box()
    try:
        b.ctl("sandbox", "up", "--site", SITE)
        b.create(namespace(NS))
        for n in range(3):
            b.create(*agent_pod(n))
        for n in range(3):  # node ports are taken from the sandbox's own range
            b.create(service(NS, f"ctl-{n}", 7000, 7000, None, {"app": f"db-{n}"}))
            b.ports[n] = int(b.kubectl("-n", NS, "get", "svc", f"ctl-{n}", "-o", "jsonpath={.spec.ports[0].nodePort}"))
        b.create(service(NS, "clients", 5432, 5432, None, {"app": "db-1"}))
        b.ports[3] = int(b.kubectl("-n", NS, "get", "svc", "clients", "-o", "jsonpath={.spec.ports[0].nodePort}"))
        b.wait_agents()
        yield b
    finally:
        b.ctl("sandbox", "down", check=False)
        shutil.rmtree(b.dir, ignore_errors=True)


@pytest.fixture(autouse=True)
def healed(box):
    yield
    box.ctl("sandbox", "heal", "--all")
    assert box.faults() == set()
    box.wait_agents()


# ---- the network ----

def test_a_cut_from_peers_hangs_what_is_connected_and_resets_nothing(box):
    ips = [box.ip(n) for n in range(3)]
    assert box.agent(1, f"dial {ips[0]} 5432 old") == "ok"
    assert box.agent(1, "say old one") == "one"
    box.fault("partition", CLUSTER, "1", "--from", "peers")
    assert box.faults() == {("partition", "db-1")}
    assert box.agent(1, "say old two 2") == "timeout"
    assert box.agent(1, f"dial {ips[0]} 5432 new 2") == "timeout"
    assert box.agent(0, f"dial {ips[1]} 5432 back 2") == "timeout"
    # Others are not concerned, nor are the API and clients.
    assert box.agent(0, f"dial {ips[2]} 5432 other") == "ok"
    assert box.api(1).startswith("200")
    with socket.create_connection(("127.0.0.1", box.ports[3]), 60) as c:
        c.sendall(b"hello\n")
        assert c.makefile().readline() == "hello\n"
    box.fault("heal", CLUSTER, "1")
    # The very same connection: what was lost on the wire comes again, as late as TCP had grown patient.
    assert box.agent(1, "read old", 200) == "two"


def test_a_cut_from_one_pod_leaves_the_others(box):
    box.fault("partition", CLUSTER, "db-2", "--from", "db-0")
    assert box.agent(2, f"dial {box.ip(0)} 5432 x 2") == "timeout"
    assert box.agent(2, f"dial {box.ip(1)} 5432 x") == "ok"


def test_a_cut_from_the_api_only(box):
    assert box.api(0).startswith("200")
    box.fault("partition", CLUSTER, "--primary", "--from", "api")
    assert box.api(0, 4) == "timeout"
    assert box.agent(0, f"dial {box.ip(1)} 5432 x") == "ok"
    assert box.api(1).startswith("200")


def test_a_cut_from_clients_spares_peers(box):
    with socket.create_connection(("127.0.0.1", box.ports[3]), 60) as c:
        c.sendall(b"one\n")
        assert c.makefile().readline() == "one\n"
        box.fault("partition", CLUSTER, "1", "--from", "clients")
        c.settimeout(1.5)
        c.sendall(b"two\n")
        with pytest.raises(TimeoutError):
            c.recv(10)
        assert box.agent(0, f"dial {box.ip(1)} 5432 x") == "ok"
        box.fault("heal", CLUSTER)
        c.settimeout(180)
        assert c.recv(10) == b"two\n"


def test_a_cut_from_all_follows_a_pod_that_comes_again(box):
    box.fault("partition", CLUSTER, "2", "--from", "all")
    assert box.agent(2, "pid", 2) is None
    spec = agent_pod(2)[0]
    box.kubectl("-n", NS, "delete", "pod", "db-2", "--grace-period=0", "--force")
    box.create(spec)
    wait_until("db-2 runs again", lambda: "Running" in box.kubectl("-n", NS, "get", "pod", "db-2"))
    assert box.agent(2, "pid", 2) is None
    box.fault("heal", "--site", SITE)
    wait_until("db-2 can be reached", lambda: box.agent(2, "pid", 2))


def test_the_satellite_cut_from_central_and_back(box):
    def connected():
        items = json.loads(box.ctl("satellite", "list", "-o", "json").stdout)["items"]
        return items[0]["connected"]

    wait_until("connected", connected)
    box.fault("partition", "--satellite", "--site", SITE, "--from", "central")
    wait_until("central misses it", lambda: not connected(), 180)
    box.fault("heal", "--all")
    wait_until("connected again", connected, 180)


# ---- processes ----

def test_kill_of_a_pod_starts_it_again_each_time_at_once(box):
    before = box.restarts(0)
    for _ in range(3):
        since = box.since(0)
        box.fault("kill", CLUSTER, "0", "--pod")
        box.back(0, since)
    wait_until("restarts are counted", lambda: box.restarts(0) == before + 3)
    # At once: the node says so when it waits.
    assert "Back-off" not in box.kubectl("-n", NS, "get", "events", "--field-selector", "involvedObject.name=db-0")


def test_kill_waits_for_a_process_to_appear(box):
    since = box.since(0)
    box.fault("kill", CLUSTER, "0", "--pod")
    # Until the container runs again there is nothing to kill.
    box.fault("kill", CLUSTER, "0", "--process", "all", "--wait", "90s", "--after", "200ms")
    box.back(0, since)
    p = box.ctl("sandbox", "kill", CLUSTER, "0", "--process", "pg_rewind", "--wait", "300ms", check=False)
    assert p.returncode == 5 and "no process 'pg_rewind'" in p.stderr


def test_stop_and_cont(box):
    box.fault("freeze", CLUSTER, "--primary")
    assert ("freeze", "db-0") in box.faults()
    assert box.agent(0, "pid", 1.5) is None
    assert box.agent(1, "pid")
    box.fault("thaw", CLUSTER, "--all-pods")
    assert box.faults() == set()
    assert box.agent(0, "pid")


def test_what_is_not_there_is_an_error(box):
    for args, code, text in [
            (("kill", CLUSTER, "--primary", "--process", "walsender"), 5, "no process 'walsender' in db-0"),
            (("kill", CLUSTER, "7"), 5, "no pod '7'"),
            (("kill", "nosuch", "--primary"), 5, "no running site"),
            (("kill", CLUSTER), 2, "say which pods"),
            (("kill", CLUSTER, "0", "--primary"), 2, "named by one of"),
            (("partition", CLUSTER, "0", "--from", "mars"), 7, "'mars' is not one of"),
            (("partition", CLUSTER, "0"), 7, "say what to cut off"),
            (("fill-disk", CLUSTER, "2"), 7, "storage_class \"limited\""),
            (("fill-disk", CLUSTER, "0", "--volume", "wal"), 5, "has no claim 'wal'"),
            (("clock", CLUSTER, "0", "--offset", "-1h"), 2, "only be set ahead"),
            (("slow-api", "nowhere", "--delay", "1s"), 5, "no site 'nowhere'")]:
        p = box.ctl("sandbox", *args, check=False)
        assert (p.returncode, text in p.stderr) == (code, True), (args, p.returncode, p.stderr)
    assert box.faults() == set()


# ---- volumes and clocks ----

def test_a_full_volume_is_enospc_for_it_alone(box):
    assert box.agent(0, "write /data/f 1000") == "ok"
    box.fault("fill-disk", CLUSTER, "0", "--leave", "16Ki")
    assert box.agent(0, "write /data/f 8000") == "ok"
    assert "No space left" in box.agent(0, "write /data/f 65536")
    assert box.agent(1, "write /data/f 65536") == "ok"
    assert box.agent(0, "write /tmp/f 65536") == "ok"
    box.fault("heal", CLUSTER, "0")
    assert box.agent(0, "write /data/f 65536") == "ok"
    assert "No space left" in box.agent(0, "write /data/f 2000000")  # its own size still holds


def test_a_limited_volume_outlives_its_pod(box):
    assert box.agent(1, "write /data/kept 10") == "ok"
    size = json.loads(box.kubectl("get", "pv", "-o", "json"))["items"]
    assert sum(v["spec"]["storageClassName"] == "limited" for v in size) == 2
    since = box.since(1)
    box.fault("kill", CLUSTER, "1", "--pod")
    box.back(1, since)
    assert box.agent(1, "write /data/kept 10") == "ok"


def test_the_boot_clock_is_ahead_and_the_wall_clock_is_not(box):
    def ahead(n):
        """By how many seconds both of its clocks are; so many more as its answer takes to be compared."""
        boot, wall = wait_until(f"clocks of {n}", lambda: box.agent(n, "clocks", 2)).split()
        return float(boot) - time.clock_gettime(time.CLOCK_BOOTTIME), float(wall) - time.time()

    box.fault("clock", CLUSTER, "2", "--offset", "+1h")
    wait_until("one hour ahead", lambda: 3500 < ahead(2)[0] <= 3600)
    assert abs(ahead(2)[1]) < 60
    assert abs(ahead(1)[0]) < 60
    box.fault("heal", CLUSTER, "2")
    wait_until("right again", lambda: abs(ahead(2)[0]) < 60)


# ---- the API ----

def test_a_slow_api_and_one_that_fails_now_and_then(box):
    box.fault("slow-api", SITE, "--delay", "400ms")
    status, took = box.api(0).split()
    assert status == "200" and float(took) >= 0.4
    box.fault("slow-api", SITE, "--fail", "429", "--rate", "50%")
    seen = {box.api(0).split()[0] for _ in range(60)}
    assert seen == {"200", "429"}
    assert box.faults() == {("slow-api", "")}


def test_the_api_goes_away_and_comes_back(box):
    box.fault("api-down", SITE)
    assert "refused" in box.api(0)
    assert "unavailable" in box.kubectl("get", "ns", check=False).lower() or not box.kubectl("get", "ns", check=False)
    box.fault("heal", "--site", SITE)
    assert box.api(0).startswith("200")

    def away_for_a_while():
        began = time.monotonic()
        box.fault("api-down", SITE, "--for", "6s")
        said = box.api(0)
        assert "refused" in said or time.monotonic() - began > 6, said  # the question itself may come that late
        return "refused" in said

    wait_until("nobody answers", away_for_a_while)
    wait_until("the API is back by itself", lambda: box.api(0).startswith("200"))
    assert box.faults() == set()


def test_only_admins_make_faults(box):
    import ssl
    import urllib.error
    import urllib.request
    config = open(f"{box.dir}/state/sites/{SITE}/kubeconfig", encoding="utf-8").read()
    server = next(l.split()[1] for l in config.splitlines() if "server:" in l)
    token = json.loads(box.kubectl("create", "--raw", f"/api/v1/namespaces/{NS}/serviceaccounts/default/token", "-f", "-",
                                   data=json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                                    "spec": {}})))["status"]["token"]
    for headers, want in (({"Authorization": "Bearer " + token}, 403), ({}, 403), ({"Authorization": "Bearer x"}, 401)):
        req = urllib.request.Request(server + "/sandbox/faults", data=b'{"kind":"heal"}', headers=headers)
        with pytest.raises(urllib.error.HTTPError) as e:
            urllib.request.urlopen(req, context=ssl._create_unverified_context(), timeout=60)
        assert e.value.code == want


# ---- the site ----

def test_kill_of_the_site_and_up_again(box):
    box.ctl("sandbox", "kill", "--site", SITE)
    assert box.ctl("sandbox", "status", check=False).returncode == 1
    wait_until("nothing answers", lambda: box.agent(0, "pid", 1) is None)
    box.ctl("sandbox", "up")
    box.wait_agents()
