"""A satellite as a process, on a Kubernetes API: the one KUBECONFIG_TEST names, else the sandbox's."""
import base64, json, os, queue, signal, subprocess, threading

import grpc

from fake_central import ROOT, FakeCentral, folder, pb, wait_until
from ports import free_port

BIN = os.environ.get("PGSWARM_BIN", os.path.join(ROOT, "build/release/bin"))
CLUSTER_ID = "11111111-2222-4333-8444-5555555555%02d"


class Kubectl:
    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig
        # kubectl keeps what a server serves by its port, and another server may have had this one.
        self.env = dict(os.environ, KUBECACHEDIR=folder("pgswarm-kubectl-"))

    def run(self, *args, stdin=None, check=True):
        r = subprocess.run(["kubectl", "--kubeconfig", self.kubeconfig, *args], input=stdin, env=self.env,
                           capture_output=True, text=True)
        if check and r.returncode:
            raise AssertionError(f"kubectl {' '.join(args)}: {r.stderr}")
        return r.stdout

    def get(self, kind, name, ns=None):
        args = ["get", kind, name, "-o", "json", "--ignore-not-found"] + (["-n", ns] if ns else [])
        out = self.run(*args)
        return json.loads(out) if out else None

    def list(self, kind, ns):
        return json.loads(self.run("get", kind, "-n", ns, "-o", "json"))["items"]

    def apply(self, obj):
        self.run("apply", "-f", "-", stdin=json.dumps(obj))

    def merge(self, kind, name, ns, patch, *more):
        self.run("patch", kind, name, "-n", ns, "--type=merge", "-p", json.dumps(patch), *more)


class Satellite:
    """The program, with the rights of deploy/satellite only."""

    def __init__(self, kubectl, central, ns, folder, **env):
        self.kubectl, self.central, self.ns, self.folder = kubectl, central, ns, folder
        self.port, self.health = free_port(), free_port()
        self.env, self.proc = env, None
        self.log = open(os.path.join(folder, "satellite.log"), "a+")

    def start(self, **more):
        env = dict(os.environ, KUBECONFIG=os.path.join(self.folder, "sat.kubeconfig"), PGSWARM_NAMESPACE=self.ns,
                   PGSWARM_CENTRAL_ADDR=f"localhost:{self.central.port}", PGSWARM_CENTRAL_CA_FILE=self.central.ca.crt,
                   PGSWARM_SIDECAR_LISTEN=f"127.0.0.1:{self.port}", PGSWARM_SIDECAR_ADDR=f"127.0.0.1:{self.port}",
                   PGSWARM_HEALTH_ADDR=f"127.0.0.1:{self.health}", PGSWARM_LOG_LEVEL="debug",
                   PGSWARM_HOSTNAME="test", PGSWARM_REGION="lab", PGSWARM_LABELS="tier=edge")
        env.update(self.env)
        env.update(more)
        self.proc = subprocess.Popen([os.path.join(BIN, "pg-swarm-satellite")], env=env, stderr=self.log)
        return self

    def kill(self):
        proc = self.proc  # another may be started as soon as it is dead
        proc.send_signal(signal.SIGKILL)
        proc.wait(30)

    def stop(self):
        """Ends in order, or with the sanitizer's word."""
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            assert self.proc.wait(60) == 0, self.text()[-4000:]
        self.proc = None

    def text(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def metrics(self):
        out = subprocess.run(["curl", "-sf", f"http://127.0.0.1:{self.health}/metrics"], capture_output=True, text=True)
        return dict(line.rsplit(" ", 1) for line in out.stdout.splitlines() if line and line[0] != "#")

    def metric(self, name):
        return int(self.metrics().get("pgswarm_satellite_" + name, "-1"))


def make_kubeconfig(kubectl, ns, folder):
    """A kubeconfig with the token of the satellite's service account."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "pg-swarm-satellite", "namespace": ns}}
    kubectl.apply(account)
    kubectl.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                   "metadata": {"name": "pg-swarm-satellite-" + ns},
                   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "pg-swarm-satellite"},
                   "subjects": [{"kind": "ServiceAccount", "name": "pg-swarm-satellite", "namespace": ns}]})
    # What `kubectl create token` asks for; Debian's kubectl 1.20 has no such command.
    asked = kubectl.run("create", "--raw", f"/api/v1/namespaces/{ns}/serviceaccounts/pg-swarm-satellite/token", "-f", "-",
                        stdin='{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}', check=False)
    token = json.loads(asked)["status"]["token"] if asked.startswith("{") else ""
    if not token:  # before Kubernetes 1.22 a Secret holds it
        def secret():
            items = [s for s in kubectl.list("secrets", ns) if s["metadata"].get("annotations", {}).get(
                "kubernetes.io/service-account.name") == "pg-swarm-satellite" and "token" in s.get("data", {})]
            return items[0] if items else None
        token = base64.b64decode(wait_until("a token of the service account", secret)["data"]["token"]).decode()
    view = json.loads(kubectl.run("config", "view", "--raw", "--minify", "-o", "json"))
    token_file = os.path.join(folder, "token")
    with open(token_file, "w") as f:
        f.write(token)
    view["users"] = [{"name": view["users"][0]["name"], "user": {"tokenFile": "token"}}]
    with open(os.path.join(folder, "sat.kubeconfig"), "w") as f:
        json.dump(view, f)


def cluster_config(ns, version=1, name="prod-pg", replicas=3, **more):
    C = pb.config
    fields = dict(cluster_id=CLUSTER_ID % 0, name=name, namespace=ns, config_version=version, profile_name="standard",
                  profile_version=1, replicas=replicas, postgres=C.Postgres(major=15, image="postgres:15"),
                  storage=C.Volume(size="1Gi"), parameters={"work_mem": "8MB"},
                  failover=C.Failover(enabled=True, lease_seconds=15, health_interval_seconds=2,
                                      durability=C.DURABILITY_AVAILABLE))
    fields.update(more)
    return C.ClusterConfig(**fields)


def delete_config(ns, version, name="prod-pg", volumes=False):
    return pb.config.DeleteCluster(cluster_id=CLUSTER_ID % 0, name=name, namespace=ns, config_version=version,
                                   delete_volumes=volumes)


def ack_of(stream, version, result, timeout=60):
    """The acknowledgement of this version with this result."""
    value = pb.config.AckResult.Value("ACK_RESULT_" + result.upper())
    def find():
        found = [a for a in stream.all("config_ack") if a.config_version == version and a.result == value]
        return found[-1] if found else None
    try:
        return wait_until(f"ack {result} of version {version}", find, timeout)
    except AssertionError as e:
        raise AssertionError(f"{e}; acks: {stream.all('config_ack')}") from None


def release_pods(env):
    """Without a kubelet nobody ends pods: do it as one would, until nobody makes new ones either."""
    def none_left():
        for p in env.kubectl.list("pods", env.db):
            if p["metadata"].get("deletionTimestamp"):
                env.kubectl.run("delete", "pod", p["metadata"]["name"], "-n", env.db, "--force", "--grace-period=0", check=False)
        return not env.kubectl.list("pods", env.db) and not env.kubectl.list("sts", env.db)
    wait_until("no pods", none_left)


class Sidecar:
    """A failover sidecar's stream, by grpcio."""

    def __init__(self, env, pod, token, cluster="prod-pg", uid=""):
        ca = env.get("cm", "prod-pg-satellite-ca")["data"]["ca.crt"]
        self.channel = grpc.secure_channel(f"localhost:{env.sat.port}", grpc.ssl_channel_credentials(ca.encode()))
        S = pb.sidecar
        call = self.channel.stream_stream("/pgswarm.v1.SidecarStreamService/Connect", S.SidecarMessage.SerializeToString,
                                          S.SidecarCommand.FromString)
        self.out, self.got, self.code = queue.Queue(), [], None
        self.send(identity=S.SidecarIdentity(pod_name=pod, cluster_name=cluster, namespace=env.db, version="t", pod_uid=uid))
        self.call = call(iter(self.out.get, None), metadata=(("authorization", "Bearer " + token),))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for m in self.call:
                self.got.append(m)
            self.code = grpc.StatusCode.OK
        except grpc.RpcError as e:
            self.code = e.code()

    def send(self, **payload):
        self.out.put(pb.sidecar.SidecarMessage(**payload))

    def health(self, role, ready=True, **more):
        self.send(health=pb.health.InstanceHealth(role=role, ready=ready, lsn="0/3000000", timeline_id=1, **more))

    def joined(self):
        """True once it is let in; False when it was turned away."""
        self.send(heartbeat=pb.sidecar.SidecarHeartbeat(at_us=1))
        wait_until("it is let in, or not", lambda: self.code or [m for m in self.got if m.heartbeat_ack.at_us == 1])
        return not self.code

    def ended(self):
        return wait_until("the end of the stream", lambda: self.code)

    def close(self):
        self.out.put(None)
        self.channel.close()
