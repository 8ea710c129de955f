"""pg-swarm-central on a PostgreSQL of its own, and its REST interface from Python."""
import functools
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import uuid

from openapi_check import Document

BIN = os.environ.get("PGSWARM_BIN", os.path.abspath("build/release/bin"))
PG_BIN = os.environ.get("PGSWARM_PG_BIN", "/usr/lib/postgresql/15/bin")


def wait_until(what, check, seconds=60):
    """The value of check() once it is true; an AssertionError that names `what` when time is up."""
    end = time.monotonic() + seconds
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        signal.sigtimedwait([], 0.02)


class Postgres:
    """A server on a unix socket, with fsync off. It must not run as root, so as root it runs as postgres."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pgs-pg-")
        self.n = 0
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        os.chmod(self.folder, 0o755)
        data = os.path.join(self.folder, "data")
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        self._run("pg_ctl", "-D", data, "-w", "-l", os.path.join(self.folder, "log"), "-o",
                  f"-k {self.folder} -c listen_addresses= -c fsync=off -c max_connections=200", "start")

    def _run(self, program, *args):
        kw = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        done = subprocess.run([os.path.join(PG_BIN, program), *args], cwd="/", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, **kw)
        assert done.returncode == 0, done.stdout

    def create_database(self):
        self.n += 1
        name = f"t{self.n}_{uuid.uuid4().hex[:8]}"
        self.psql("postgres", f'CREATE DATABASE "{name}"')
        return f"host={self.folder} user=postgres dbname={name}"

    def psql(self, database, sql):
        conninfo = database if "=" in database else f"host={self.folder} user=postgres dbname={database}"
        done = subprocess.run(["psql", "-XqtA", "-v", "ON_ERROR_STOP=1", conninfo, "-c", sql], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self):
        self._run("pg_ctl", "-D", os.path.join(self.folder, "data"), "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class Central:
    def __init__(self, database, tls=True, **env):
        self.folder = tempfile.mkdtemp(prefix="pgs-central-")
        self.database, self.tls, self.proc = database, tls, None
        self.ca_file = os.path.join(self.folder, "ca.crt")
        self.log_file = os.path.join(self.folder, "log")
        self.token = self.port = self.grpc_port = self.plain_port = None
        self.env = {
            **os.environ, "PGSWARM_DATABASE_URL": database, "PGSWARM_HTTP_ADDR": "127.0.0.1:0",
            "PGSWARM_GRPC_ADDR": "127.0.0.1:0", "PGSWARM_GRPC_PLAINTEXT_ADDR": "127.0.0.1:0",
            "PGSWARM_KEY_FILE": os.path.join(self.folder, "key"), "PGSWARM_HTTP_TLS": "on" if tls else "off",
            "PGSWARM_LOG_LEVEL": "debug", **env}

    def run(self, *args, check=True, **kw):
        done = subprocess.run([os.path.join(BIN, "pg-swarm-central"), *args], env=self.env, capture_output=True,
                              text=True, timeout=120, check=False, **kw)
        assert not check or done.returncode == 0, done.stderr
        return done

    def init(self, password="correct horse"):
        token = os.path.join(self.folder, "token")
        self.run("init", "--admin", "root", "--password-file", "-", "--ca-out", self.ca_file, "--token-out", token,
                 input=password)
        with open(token, encoding="utf-8") as f:
            self.token = f.read().strip()

    def start(self):
        with open(self.log_file, "ab") as log:
            mark = log.tell()
            self.proc = subprocess.Popen([os.path.join(BIN, "pg-swarm-central")], env=self.env, stderr=log)

        def ports():
            text = self.log()[mark:]
            assert self.proc.poll() is None, text
            return "central is up" in text and text

        text = wait_until("central is up", ports, 90)
        self.port = int(re.search(r'"listening for people" port=(\d+)', text).group(1))
        grpc = re.findall(r'"listening for satellites" port=(\d+) tls=(\w+)', text)
        self.grpc_port = int(next(p for p, tls in grpc if tls == "on"))
        self.plain_port = next((int(p) for p, tls in grpc if tls == "off"), None)
        # Before that a client of the hub is told to begin anew, and no change of a moment ago is news to it.
        wait_until("news of the database arrive",
                   lambda: b"pgswarm_changes_up 1" in self.call("GET", "/metrics", token="").body)

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as f:
            return f.read()

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self):
        """A drain ends with status 0, and a sanitizer would have something to say."""
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        try:
            status = self.proc.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert status == 0, self.log()[-8000:]
        shutil.rmtree(self.folder)

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    @functools.cached_property
    def document(self):
        """Every answer of every test is held against it."""
        return Document(json.loads(self.run("--dump", "openapi").stdout))

    def connection(self):
        if not self.tls:
            return http.client.HTTPConnection("localhost", self.port, timeout=60)
        return http.client.HTTPSConnection("localhost", self.port, timeout=60,
                                           context=ssl.create_default_context(cafile=self.ca_file))

    def call(self, method, path, body=None, token=None, headers=None):
        """token None: the admin's; "": none."""
        c = self.connection()
        h = dict(headers or {})
        token = self.token if token is None else token
        if token:
            h["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            h.setdefault("Content-Type", "application/json")
        try:
            c.request(method, path, body, h)
            r = c.getresponse()
            a = Answer(r, r.read())
            kind = a.headers.get("content-type")
            self.document.check(method, path, a.status, kind, a.json if kind == "application/json" else a.body)
            return a
        finally:
            c.close()

    def get(self, path, **kw):
        a = self.call("GET", path, **kw)
        assert a.status == 200, a
        return a.json

    def token_for(self, name, role):
        """Add a user and log in."""
        a = self.call("POST", "/api/v1/users", {"name": name, "role": role, "password": "correct horse"})
        assert a.status == 201, a
        a = self.call("POST", "/api/v1/auth/login", {"name": name, "password": "correct horse"}, token="")
        assert a.status == 201, a
        return a.json["token"]
