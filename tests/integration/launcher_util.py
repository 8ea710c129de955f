"""A launcher under test, and its protocol spoken from Python."""
import contextlib
import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time

import psycopg2
from ports import free_port

BIN = os.environ.get("PGSWARM_BIN", os.path.abspath("build/release/bin"))
RESULT, STATE, LOG = 1, 2, 3
STATUS, WATCH, LOGS, INITDB, BASEBACKUP, START, FOLLOW, STOP, RELOAD, PERMIT, SEAL, \
    PROMOTE, REWIND, FORGET, FENCE, UNFENCE, SYNC, HISTORY = range(16, 34)
PRIMARY, STANDBY = 1, 2
DOWN, UP, STOPPING = 0, 1, 2
EMPTY, LOST, FOREIGN, READY, MARKED = range(5)
SMART, FAST, IMMEDIATE, KILL = 1, 2, 3, 4
PERMIT_MS = 110000
FIELDS = {
    "code": 1, "message": "2t", "role": 3, "host": "4t", "port": 5, "user": "6t", "password": "7t",
    "member": "8t", "leader": "9t", "slot": "10t", "epoch": 11, "deadline": 12, "mode": 13,
    "system_id": 14, "line": "15t", "dropped": 16, "pg": 32, "pid": 33, "started": 34, "data": 35,
    "stamp_role": 36, "stamp_epoch": 37, "timeline": 38, "job": 39, "job_started": 40,
    "last_job": 41, "last_code": 42, "last_message": "43t", "exits": 44, "exit_status": 45,
    "exit_signal": 46, "permits_expired": 47, "disk_total": 48, "disk_used": 49, "wal_total": 50,
    "wal_used": 51, "version": "52t", "pg_major": 53, "terminating": 54,
    "stopped_at": 55, "fenced": 56, "operation": "57t", "sync": "58t", "sealed": 59, "db_state": 60,
    "ckpt_lsn": 61, "ckpt_redo": 62, "ckpt_timeline": 63, "min_recovery_lsn": 64,
    "min_recovery_timeline": 65, "old_data": 66, "in_recovery": 67, "text": "68t",
    "promoted_epoch": 69, "backup_label": 70, "promoting": 71,
}
TAGS = {int(str(v).rstrip("t")): (k, str(v).endswith("t")) for k, v in FIELDS.items()}


def boot_ms():
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)


def wait_until(what, fn, timeout=60):
    """The value of fn() once it is true; an AssertionError naming `what` after the deadline."""
    end = time.monotonic() + timeout
    while True:
        value = fn()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.02)  # poll


def quickly(limit_ms, attempt, tries=5):
    """attempt() gives the ms that it took: one of a few must be within the limit, for the machine is not ours alone."""
    took = []
    while not took or took[-1] >= limit_ms:
        assert len(took) < tries, f"not once within {limit_ms} ms: {took}"
        took.append(attempt())
    print(f"took {took} ms, the limit is {limit_ms} ms")


def process_state(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        return f.read().rsplit(")", 1)[1].split()[0]


def encode(kind, ident, **fields):
    body = struct.pack("<BBHI", 1, kind, 0, ident)
    for name, value in fields.items():
        tag = FIELDS[name]
        if isinstance(tag, str):
            data = value.encode() + b"\0"
            body += struct.pack("<BH", int(tag[:-1]), len(data)) + data
        else:
            body += struct.pack("<BHQ", tag, 8, value)
    return struct.pack("<I", len(body)) + body


def decode(body):
    _, kind, _, ident = struct.unpack_from("<BBHI", body)
    out, at = {"kind": kind, "id": ident}, 8
    while at < len(body):
        tag, n = struct.unpack_from("<BH", body, at)
        data = body[at + 3:at + 3 + n]
        name, text = TAGS[tag]
        out[name] = data[:-1].decode(errors="replace") if text else struct.unpack("<Q", data)[0]
        at += 3 + n
    return out


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(answer.get("message", ""))
        self.code = answer["code"]


# For subprocess: preexec_fn and the threads of grpcio in the same process can lock each other up.
DEMOTE = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


# Looked up here: a forked child of a process with threads may find the locks of the C library taken for ever.
USER = pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def demote():
    """Runs in the child: PostgreSQL refuses to run as root."""
    if USER:
        os.setgroups([])
        os.setgid(USER.pw_gid)
        os.setuid(USER.pw_uid)


class Client:
    """One connection. `asked` holds LOG and STATE messages that came unasked."""

    def __init__(self, path, user=True):
        # SO_PEERCRED must be PostgreSQL's own user, so the socket is made by a child of that user.
        self.sock = connect_as(path) if user else connect(path)
        self.buf, self.next_id, self.unasked = b"", 1, []

    def send(self, kind, **fields):
        self.next_id += 1
        self.sock.sendall(encode(kind, self.next_id, **fields))
        return self.next_id

    def recv(self, timeout=120):
        self.sock.settimeout(timeout)
        while len(self.buf) < 4 or len(self.buf) < 4 + struct.unpack_from("<I", self.buf)[0]:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError("the launcher closed the connection")
            self.buf += more
        n = struct.unpack_from("<I", self.buf)[0]
        body, self.buf = self.buf[4:4 + n], self.buf[4 + n:]
        return decode(body)

    def result(self, ident, timeout=120):
        while True:
            m = self.recv(timeout)
            if m["kind"] == RESULT and m["id"] == ident:
                if m.get("code"):
                    raise Refused(m)
                return m
            self.unasked.append(m)

    def call(self, kind, timeout=120, **fields):
        return self.result(self.send(kind, **fields), timeout)

    def status(self):
        ident = self.send(STATUS)
        while True:
            m = self.recv()
            if m["kind"] == STATE and m["id"] == ident:
                self.result(ident)
                return m
            self.unasked.append(m)

    def close(self):
        self.sock.close()


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s


def connect_as(path):
    """A socket connected by the postgres user, handed over by a short-lived child."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            demote()
            sock = connect(path)
            socket.send_fds(theirs, [b"x"], [sock.fileno()])
            os._exit(0)
        except OSError:
            os._exit(1)
    theirs.close()
    ours.settimeout(10)
    try:
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    except TimeoutError:  # not the launcher's affair: whoever asked may ask again
        os.kill(pid, signal.SIGKILL)
        fds = []
    ours.close()
    _, status = os.waitpid(pid, 0)
    if status or not fds:
        raise ConnectionRefusedError(path)
    return socket.socket(fileno=fds[0])


def scratch():
    """In memory when there is room: a busy disk makes initdb take half a minute."""
    try:
        v = os.statvfs("/dev/shm")
        if v.f_bavail * v.f_frsize > 2 << 30:
            return "/dev/shm"
    except OSError:
        pass
    return None


def pg_root(major):
    """The unpacked root of tools/pg-root, or None. Only root may put itself into it, and only a static launcher runs."""
    if "release" not in BIN:
        return None
    root = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")),
                        f"pgswarm/images/postgres-{major}")
    there = os.access(f"{root}/usr/lib/postgresql/{major}/bin/postgres", os.X_OK)
    return root if there and os.geteuid() == 0 else None


# One exec after the other, so that the launcher has the pid that was started.
INSIDE = """set -e
root=$1 base=$2 programs=$3; shift 3
mount -t tmpfs none /mnt; cd /mnt; mkdir usr etc dev proc tmp; chmod 1777 tmp
for d in bin sbin lib lib64; do ln -s usr/$d $d; done
for d in usr etc; do mount --rbind "$root/$d" $d; done
for d in dev proc; do mount --rbind /$d $d; done
for f in passwd group; do mount --bind /etc/$f etc/$f; done
for d in "$base" "$programs"; do mkdir -p "./$d"; mount --bind "$d" "./$d"; done
exec chroot /mnt "$@"
"""


def inside(root, base):
    """A command in front of another, which then sees that root, and `base` and the programs at their own places."""
    return ["unshare", "--mount", "sh", "-c", INSIDE, "sh", root, base, os.path.abspath(BIN)]


class Node:
    """A launcher with volumes of its own, in a folder of the postgres user."""

    PASSWORD = "super-secret-1"
    REPL_PASSWORD = r"rep:li\cation 2"

    def __init__(self, name="node-0", wal=False, base=None):
        self.major, self.root = 15, None
        self.name, self.port = name, free_port()
        self.base = tempfile.mkdtemp(prefix="pgs-", dir=base or scratch())
        os.chmod(self.base, 0o755)
        for d in ("volume", "run", "config", "secret") + (("wal",) if wal else ()):
            os.mkdir(f"{self.base}/{d}")
        self.pgdata = f"{self.base}/volume/pgdata"
        self.write_config()
        self.chown()
        self.proc = self.client = None

    def write_config(self, extra=""):
        with open(f"{self.base}/config/postgresql.conf", "w") as f:
            f.write("listen_addresses = '127.0.0.1'\nfsync = off\nshared_buffers = 8MB\n"
                    f"max_connections = 40\nwal_level = replica\n{extra}\n")
        with open(f"{self.base}/config/pg_hba.conf", "w") as f:
            f.write("host all all 127.0.0.1/32 scram-sha-256\n")

    def chown(self):
        if USER:
            subprocess.run(["chown", "-R", f"{USER.pw_uid}:{USER.pw_gid}", self.base], check=True)

    def env(self, **extra):
        env = dict(os.environ, PGDATA=self.pgdata, PGSWARM_RUN_DIR=f"{self.base}/run",
                   PGSWARM_CONFIG_DIR=f"{self.base}/config", PGSWARM_WAL_DIR=f"{self.base}/wal",
                   PGSWARM_PGPORT=str(self.port), PGSWARM_MAJOR=str(self.major), POD_NAME=self.name,
                   PGSWARM_STOP_GRACE_SECONDS="10")
        env.update(extra)
        return env

    def launch(self, connect=True, **extra):
        out = open(f"{self.base}/launcher.log", "ab")
        root = inside(self.root, self.base) if self.root else []
        self.proc = subprocess.Popen([*root, *DEMOTE, f"{os.path.abspath(BIN)}/pg-swarm-launcher"], env=self.env(**extra),
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        out.close()
        if connect:
            self.connect()
            wait_until("recovery done", lambda: not self.client.status().get("job"))
        return self

    def connect(self):
        def attempt():
            assert self.proc.poll() is None, self.log()
            try:
                return Client(f"{self.base}/run/launcher.sock")
            except (ConnectionRefusedError, FileNotFoundError):
                return None
        self.client = wait_until("launcher.sock", attempt)
        return self.client

    def log(self):
        with open(f"{self.base}/launcher.log", errors="replace") as f:
            return f.read()

    def initdb(self, epoch=1):
        self.client.call(INITDB, password=self.PASSWORD, epoch=epoch)

    def start_primary(self, epoch=1):
        """For almost as long as a permit may last: nobody renews it."""
        self.client.call(START, role=PRIMARY, epoch=epoch, deadline=boot_ms() + PERMIT_MS)
        self.wait_accepts()

    def permit(self, ms, epoch=1):
        """A permit of that many ms, and when it ends. Asked for again when it had ended before it was heard of."""
        while True:
            deadline = boot_ms() + ms
            try:
                self.client.call(PERMIT, epoch=epoch, deadline=deadline)
                return deadline
            except Refused as e:
                if "the deadline passed" not in str(e):
                    raise

    def upstream(self, primary, epoch=1):
        return dict(host="127.0.0.1", port=primary.port, leader=primary.name, user="repl_user",
                    password=self.REPL_PASSWORD, epoch=epoch)

    def clone(self, primary, epoch=1, **extra):
        self.client.call(BASEBACKUP, **{**self.upstream(primary, epoch), **extra})

    def start_standby(self, primary, epoch=1, slot=""):
        self.client.call(START, role=STANDBY, slot=slot, **self.upstream(primary, epoch))
        self.wait_accepts()

    def add_repl_user(self):
        with self.sql() as conn, conn.cursor() as cur:
            cur.execute("CREATE ROLE repl_user REPLICATION LOGIN PASSWORD %s",
                        (self.REPL_PASSWORD,))

    def sql(self, **extra):
        conn = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres",
                                password=self.PASSWORD, dbname="postgres", **extra)
        conn.autocommit = True
        return conn

    def query(self, text, *params):
        conn = self.sql()
        try:
            with conn.cursor() as cur:
                cur.execute(text, params or None)
                return cur.fetchall() if cur.description else None
        finally:
            conn.close()

    def accepts(self):
        try:
            self.sql(connect_timeout=2).close()
            return True
        except psycopg2.OperationalError:
            return False

    def wait_accepts(self):
        wait_until(f"{self.name} accepts connections", self.accepts)

    def processes(self):
        """Every process whose working folder is PGDATA: PostgreSQL's all."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.path.samefile(f"/proc/{pid}/cwd", self.pgdata):
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def postmaster(self):
        with open(f"{self.pgdata}/postmaster.pid", encoding="ascii") as f:
            return int(f.readline())

    def streams_from(self, leader):
        """Both ends say so: a pg_basebackup that has just ended may still look like a standby to the leader."""
        return (self.query("select 1 from pg_stat_wal_receiver where status = 'streaming'") and
                leader.query("select 1 from pg_stat_replication where state = 'streaming' and application_name like %s",
                             self.name + ".e%"))

    def freeze(self):
        """SIGSTOP for all of PostgreSQL: the postmaster first, so that nothing new is born. Some may end meanwhile."""
        frozen = [self.postmaster()]
        os.kill(frozen[0], signal.SIGSTOP)
        while new := [pid for pid in self.processes() if pid not in frozen]:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            frozen += new
        return frozen

    def kill(self, sig=signal.SIGKILL):
        self.proc.send_signal(sig)
        self.proc.wait(90)
        if self.client:
            self.client.close()

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.kill(signal.SIGTERM)
        shutil.rmtree(self.base, ignore_errors=True)

    def mode(self, path):
        return stat.S_IMODE(os.stat(f"{self.base}/{path}").st_mode)
