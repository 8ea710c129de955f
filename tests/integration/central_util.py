"""A central under test: a throwaway PostgreSQL, pg-swarm-central on ports of its own, and grpcio as its satellites."""
import json
import os
import pwd
import queue
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
import uuid

import grpc
import psycopg2

from fake_central import openssl, pb, wait_until
from ports import free_port

BIN = os.environ.get("PGSWARM_BIN", os.path.join(os.path.dirname(__file__), "../../build/release/bin"))
CONNECT = "/pgswarm.v1.SatelliteStreamService/Connect"
LIVE = -1  # the heartbeat by which connect() knows that central has heard hello
PASSWORD = "correct horse battery"


# PostgreSQL refuses to run as root. A prefix, because preexec_fn and the threads of grpcio can lock each other up.
DEMOTE = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


class Postgres:
    def __init__(self):
        versions = sorted(os.listdir("/usr/lib/postgresql"), key=int)
        self.bin = f"/usr/lib/postgresql/{versions[-1]}/bin"
        self.dir = tempfile.mkdtemp(prefix="pgs-central-pg-")
        if os.geteuid() == 0:
            os.chown(self.dir, pwd.getpwnam("postgres").pw_uid, pwd.getpwnam("postgres").pw_gid)
        self.data = f"{self.dir}/data"
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "-N")
        self.start()
        self.n = 0

    def run(self, prog, *args):
        subprocess.run([*DEMOTE, f"{self.bin}/{prog}", *args], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    def start(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-l", f"{self.dir}/log", "-o",
                 f"-k {self.dir} -c listen_addresses= -c fsync=off -c max_connections=60", "start")

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir)

    def database(self):
        """The conninfo of a new, empty database."""
        self.n += 1
        self.run("createdb", "-h", self.dir, "-U", "postgres", f"c{self.n}")
        return f"host={self.dir} user=postgres dbname=c{self.n}"


class Rest:
    """One user's view of the REST interface."""

    def __init__(self, central, token=None):
        self.central, self.token = central, token

    def call(self, method, path, body=None, headers=None):
        """(status, decoded body)"""
        req = urllib.request.Request(f"https://localhost:{self.central.http_port}{path}", method=method)
        if self.token:
            req.add_header("Authorization", f"Bearer {self.token}")
        for name, value in (headers or {}).items():
            req.add_header(name, value)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            req.add_header("Content-Type", "application/json")
        ctx = ssl.create_default_context(cafile=self.central.ca_file)
        try:
            with urllib.request.urlopen(req, data, timeout=60, context=ctx) as resp:
                text = resp.read()
                return resp.status, json.loads(text) if text else None
        except urllib.error.HTTPError as e:
            text = e.read()
            return e.code, json.loads(text) if text else None

    def get(self, path):
        status, body = self.call("GET", path)
        assert status == 200, body
        return body


class Central:
    """init is run once per database; start, stop and kill as often as a test likes."""

    def __init__(self, conninfo, plaintext=False, folder=None):
        self.conninfo, self.plaintext = conninfo, plaintext
        self.dir = folder or tempfile.mkdtemp(prefix="pgs-central-")
        self.ca_file, self.proc = f"{self.dir}/ca.crt", None
        self.http_port, self.grpc_port, self.plain_port = free_port(), free_port(), free_port()  # the same at each start
        self.logs = tempfile.mkdtemp(prefix="pgs-central-log-")
        self.env = dict(os.environ, PGSWARM_DATABASE_URL=conninfo, PGSWARM_KEY_FILE=f"{self.dir}/key")
        if folder is None:
            with open(f"{self.dir}/password", "w", encoding="ascii") as f:
                f.write(PASSWORD + "\n")
            self.init()

    def init(self, *more):
        return subprocess.run([f"{BIN}/pg-swarm-central", "init", "--admin", "ann", "--password-file",
                               f"{self.dir}/password", "--ca-out", self.ca_file, "--token-out",
                               f"{self.dir}/token", *more], env=self.env, check=True, capture_output=True, text=True)

    def start(self):
        self.log_file = os.path.join(self.logs, f"log-{uuid.uuid4().hex}")
        env = dict(self.env, PGSWARM_HTTP_ADDR=f"127.0.0.1:{self.http_port}",
                   PGSWARM_GRPC_ADDR=f"127.0.0.1:{self.grpc_port}", PGSWARM_LOG_LEVEL="debug")
        if self.plaintext:
            env["PGSWARM_GRPC_PLAINTEXT_ADDR"] = f"127.0.0.1:{self.plain_port}"
        with open(self.log_file, "w", encoding="utf-8") as out:
            self.proc = subprocess.Popen([f"{BIN}/pg-swarm-central"], env=env, stdin=subprocess.DEVNULL, stderr=out)
        wait_until("central is up: " + self.log_file, lambda: "central is up" in self.log() or self.proc.poll() is not None, 90)
        assert self.proc.poll() is None, self.log()
        # Before that a client of the hub is told to begin anew, and no change of a moment ago is news to it.
        wait_until("news of the database arrive", lambda: "pgswarm_changes_up 1" in self.metrics())
        return self

    def metrics(self):
        ctx = ssl.create_default_context(cafile=self.ca_file)
        with urllib.request.urlopen(f"https://localhost:{self.http_port}/metrics", timeout=60, context=ctx) as resp:
            return resp.read().decode()

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self):
        """SIGTERM: drains and ends with status 0; a sanitizer would have something to say."""
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            assert self.proc.wait(60) == 0, self.log()[-4000:]
        self.proc = None

    def kill(self):
        self.proc.kill()
        self.proc.wait(30)
        self.proc = None

    def remove(self):
        if self.proc:
            self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.logs, ignore_errors=True)

    def ca(self):
        with open(self.ca_file, "rb") as f:
            return f.read()

    def admin(self):
        with open(f"{self.dir}/token", encoding="ascii") as f:
            return Rest(self, f.read().strip())

    def sql(self, text, *params):
        """Rows of one statement, in a transaction of its own."""
        with psycopg2.connect(self.conninfo) as db:
            with db.cursor() as cur:
                cur.execute(text, params or None)
                rows = cur.fetchall() if cur.description else []
        db.close()
        return rows

    def channel(self, key=None, cert=None, ca=None):
        creds = grpc.ssl_channel_credentials(ca or self.ca(), key, cert)
        return grpc.secure_channel(f"localhost:{self.grpc_port}", creds)


class Stream:
    """One Connect stream as a satellite holds it; what arrives is kept in order."""

    def __init__(self, channel, timeout=None, metadata=None):
        self.out, self.got, self.code, self.details, self.live = queue.Queue(), [], None, None, False
        method = channel.stream_stream(CONNECT, request_serializer=lambda m: m if isinstance(m, bytes)
                                       else m.SerializeToString(),
                                       response_deserializer=pb.satellite.CentralMessage.FromString)
        self.call = method(iter(self.out.get, None), timeout=timeout, metadata=metadata)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            for m in self.call:
                if m.heartbeat_ack.at_us == LIVE:
                    self.live = True
                else:
                    self.got.append(m)
            self.code = grpc.StatusCode.OK
        except grpc.RpcError as e:
            self.details = e.details()
            self.code = e.code()

    def send(self, **payload):
        self.out.put(pb.satellite.SatelliteMessage(**payload))

    def hello(self, **kw):
        self.send(hello=pb.satellite.Hello(version="test", kubernetes_version="v1.30.0", **kw))
        return self

    def kinds(self, kind):
        return [getattr(m, kind) for m in list(self.got) if m.WhichOneof("payload") == kind]

    def wait(self, kind, check=lambda m: True, what=None):
        return wait_until(what or f"{kind} from central (code {self.code} {self.details})",
                          lambda: next((m for m in self.kinds(kind) if check(m)), None))

    def ended(self):
        wait_until("the stream ends", lambda: self.code)
        return self.code

    def close(self):
        self.out.put(None)
        return self.ended()


class Satellite:
    """A site without Kubernetes: its key, its enrolment, its streams."""

    def __init__(self, central, name="edge-a", **labels):
        self.central, self.name, self.labels = central, name, labels
        self.key = openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout")
        with tempfile.NamedTemporaryFile("w") as f:
            f.write(self.key)
            f.flush()
            self.csr = openssl("req", "-new", "-key", f.name, "-subj", "/CN=ignored")
        self.id = self.temp = self.cert = self.token = None
        self.channels = []

    def _unary(self, method, request, reply, timeout=30):
        with self.central.channel() as ch:
            call = ch.unary_unary(f"/pgswarm.v1.RegistrationService/{method}",
                                  request_serializer=lambda m: m.SerializeToString(), response_deserializer=reply.FromString)
            return call(request, timeout=timeout)

    def register(self, **kw):
        reg = pb.registration
        args = dict(hostname=f"{self.name}.example", k8s_cluster_name=self.name, region="us", labels=self.labels,
                    version="0.1.0", kubernetes_version="v1.30.0", csr_pem=self.csr)
        r = self._unary("Register", reg.RegisterRequest(**dict(args, **kw)), reg.RegisterResponse)
        self.id, self.temp = r.satellite_id, r.temp_token
        return r

    def check(self, **kw):
        reg = pb.registration
        args = dict(satellite_id=self.id, temp_token=self.temp)
        return self._unary("CheckApproval", reg.CheckApprovalRequest(**dict(args, **kw)), reg.CheckApprovalResponse)

    def enrol(self):
        """Register, have the admin approve it, fetch certificate and token."""
        self.register()
        status, body = self.central.admin().call("POST", f"/api/v1/satellites/{self.id}/approve", {"name": self.name})
        assert status == 200, body
        r = self.check()
        assert r.state == pb.registration.APPROVAL_STATE_APPROVED
        self.cert, self.token = r.certificate_pem, r.auth_token
        return self

    def open(self, central=None, timeout=None):
        """A stream over TLS with the client certificate."""
        ch = (central or self.central).channel(self.key.encode(), self.cert.encode())
        self.channels.append(ch)
        return Stream(ch, timeout)

    def connect(self, central=None, **hello):
        """A stream whose hello was heard. Its row alone says less: central may not know its own answer yet."""
        s = self.open(central).hello(**hello)
        s.send(heartbeat=pb.satellite.Heartbeat(at_us=LIVE))
        wait_until("the satellite is connected", lambda: s.live or s.code)
        assert s.live, (s.code, s.details)
        return s

    def close(self):
        for ch in self.channels:
            ch.close()


CONFIG = {"name": "std", "replicas": 3, "postgres": {"version": "15", "image": "postgres:15"},
          "storage": {"size": "1Gi"}, "parameters": {"work_mem": "8MB"}}


def put_cluster(central, satellite, name="prod-pg", ns="databases"):
    """A profile (when there is none) and a cluster of it, as the services write them; returns the cluster's id."""
    central.sql("INSERT INTO git_objects VALUES (decode(repeat('ab', 20), 'hex'), 1, 'tree') ON CONFLICT DO NOTHING")
    central.sql("INSERT INTO profiles (name) VALUES ('std') ON CONFLICT DO NOTHING")
    central.sql("INSERT INTO profile_versions (profile_id, version, commit_oid, doc, author) SELECT id, 1,"
                " decode(repeat('ab', 20), 'hex'), %s, 'ann' FROM profiles WHERE name = 'std' ON CONFLICT DO NOTHING",
                json.dumps(CONFIG))
    return central.sql("INSERT INTO clusters (name, namespace, satellite_id, profile_id, profile_version, config)"
                       " SELECT %s, %s, %s, id, 1, %s FROM profiles WHERE name = 'std' RETURNING id",
                       name, ns, satellite.id, json.dumps(CONFIG))[0][0]


def bump(central, cluster, **set_):
    """Wish something new of a cluster, as a service does."""
    more = "".join(f", {k} = %s" for k in set_)
    return central.sql(f"UPDATE clusters SET desired_version = nextval('config_version'){more} WHERE id = %s"
                       " RETURNING desired_version", *set_.values(), cluster)[0][0]


def ack(stream, config, result="APPLIED", applied=None, error=""):
    stream.send(config_ack=pb.config.ConfigAck(
        cluster_id=config.cluster_id, name=config.name, namespace=config.namespace,
        config_version=config.config_version, error=error,
        applied_version=config.config_version if applied is None else applied,
        result=getattr(pb.config, f"ACK_RESULT_{result}")))
