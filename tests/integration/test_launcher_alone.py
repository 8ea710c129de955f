"""pg-swarm-launcher --alone: one PostgreSQL by itself, as central's database is run."""
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import psycopg2
import pytest

from central_util import BIN, DEMOTE
from fake_central import wait_until
from launcher_util import scratch
from ports import free_port


class Alone:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pgs-alone-", dir=scratch())
        self.password = os.path.join(self.folder, "password")
        with open(self.password, "w") as f:
            f.write("a good password\n")
        os.makedirs(f"{self.folder}/volume/pgdata.new/left")  # of one that was killed while it made the database
        for root, _, _ in os.walk(self.folder):
            if os.geteuid() == 0:
                os.chown(root, pwd.getpwnam("postgres").pw_uid, pwd.getpwnam("postgres").pw_gid)
        os.chmod(self.password, 0o644)
        self.port = free_port()
        self.proc = None

    def start(self, password=None):
        major = max(os.listdir("/usr/lib/postgresql"), key=int)
        env = dict(os.environ, PGDATA=f"{self.folder}/volume/pgdata", PGSWARM_PGPORT=str(self.port), PGSWARM_MAJOR=major)
        self.proc = subprocess.Popen([*DEMOTE, f"{BIN}/pg-swarm-launcher", "--alone", "pgswarm", password or self.password],
                                     env=env, cwd="/", stderr=open(f"{self.folder}/log", "a"))
        return self

    def log(self):
        with open(f"{self.folder}/log") as f:
            return f.read()

    def connect(self, password="a good password"):
        return psycopg2.connect(host="127.0.0.1", port=self.port, user="pgswarm", dbname="postgres", password=password)

    def up(self):
        def ask():
            assert self.proc.poll() is None, self.log()
            try:
                return self.connect()
            except psycopg2.OperationalError:
                return None
        return wait_until("PostgreSQL answers", ask, 180)


@pytest.fixture
def alone():
    a = Alone()
    yield a
    if a.proc and a.proc.poll() is None:
        a.proc.terminate()
        a.proc.wait(90)
    shutil.rmtree(a.folder, ignore_errors=True)


def test_makes_a_database_and_keeps_it(alone):
    db = alone.start().up()
    with db, db.cursor() as cur:
        cur.execute("create table kept as select 7 as n")
        cur.execute("show data_checksums")
        assert cur.fetchone() == ("on",)
    with pytest.raises(psycopg2.OperationalError):
        alone.connect("a wrong password")
    alone.proc.send_signal(signal.SIGTERM)  # with a client that stays
    assert alone.proc.wait(90) == 0, alone.log()
    assert os.listdir(f"{alone.folder}/volume") == ["pgdata"]
    with alone.start().up() as db, db.cursor() as cur:
        cur.execute("select n from kept")
        assert cur.fetchone() == (7,)


def test_says_why_it_cannot(alone):
    assert alone.start(password="/nonexistent").proc.wait(90) not in (0, None)
    assert "initdb" in alone.log() and "nonexistent" in alone.log()
    assert not os.path.exists(f"{alone.folder}/volume/pgdata")
