"""swarmctl's operations against a real central: what is said, asked and answered, and the exit statuses that scripts trust."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from central_util import BIN, Central, Postgres, wait_until
from operations_util import S, Site


@pytest.fixture(scope="module")
def postgres():
    pg = Postgres()
    yield pg
    pg.remove()


@pytest.fixture(scope="module")
def central(postgres):
    c = Central(postgres.database()).start()
    yield c
    c.remove()


class Ctl:
    """swarmctl with a context of its own."""

    def __init__(self, central, folder):
        self.env = dict(os.environ, XDG_CONFIG_HOME=str(folder), TERM="dumb")
        self.env.pop("ACCESSIBLE", None)
        os.makedirs(f"{folder}/swarm")
        ctx = {"server": f"https://localhost:{central.http_port}", "token": central.admin().token, "user": "ann",
               "ca": central.ca().decode()}
        with open(f"{folder}/swarm/config.json", "w", encoding="ascii") as f:
            json.dump({"current": "t", "contexts": {"t": ctx}}, f)

    def run(self, *args, **kw):
        return subprocess.run([f"{BIN}/swarmctl", *args], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False, **kw)

    def start(self, *args):
        return subprocess.Popen([f"{BIN}/swarmctl", *args], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)


@pytest.fixture
def site(central, request):
    s = Site(central, re.sub("[^a-z0-9]+", "-", request.node.name)[:40].strip("-")).up()
    yield s
    s.close()


@pytest.fixture
def ctl(central, tmp_path):
    return Ctl(central, tmp_path)


def received(site):
    """The id of the switchover that the site has got last."""
    return wait_until("the site is asked", lambda: site.stream.kinds("switchover"))[-1].operation_id


def said(p):
    """The next line of news. After 2 s without an answer of the site it is told that there is none, which may be now."""
    line = p.stderr.readline()
    return p.stderr.readline() if " pending: " in line else line


def steps(site, op, first, last, status="done", **kw):
    for n in range(first, last + 1):
        pod = "prod-pg-1" if n in (1, 3, 7, 8) else "prod-pg-0"
        site.progress(op, n, status, steps_total=9, target_pod="prod-pg-1", pod=pod, started_us=site.clock, took_ms=120, **kw)


# ---- ends and exit statuses ----

@pytest.mark.parametrize("outcome, state, status", [
    ("done", "done", 0), ("rolled_back", "rolled_back", 10), ("failed_past_no_return", "failed", 11), ("unknown", "unknown", 8)])
def test_wait_says_how_it_ended(site, ctl, outcome, state, status):
    p = ctl.start("cluster", "switchover", site.cluster, "--to", "prod-pg-1", "--wait", "--yes", "-o", "json")
    op = received(site)
    steps(site, op, 1, 6)
    site.progress(op, 7, "done", step_name="promote", point_of_no_return=True, took_ms=80, steps_total=9)
    site.result(op, outcome, error="" if outcome == "done" else "why it is so", detail="prod-pg-1 leads")
    out, err = p.communicate(timeout=60)
    assert p.returncode == status, err
    shown = json.loads(out)
    assert shown["id"] == op and shown["state"] == state and len(shown["steps"]) == 7
    lines = [line for line in err.splitlines() if " pending: " not in line]
    assert re.fullmatch(r"\d\d:\d\d:\d\d step 1/9 step 1 prod-pg-1 done 0.12s", lines[0]), err
    assert "step 7/9 promote done 0.08s (point of no return)" in err
    if status:
        e = json.loads(lines[-1])["error"]
        assert (e["code"], e["exit"], e["operation"]) == (state, status, op) and "why it is so" in e["message"]


def test_words_for_people(site, ctl):
    p = ctl.start("cluster", "switchover", site.cluster, "--yes")
    op = received(site)
    steps(site, op, 1, 2)
    site.progress(op, 3, "failed", error="prod-pg-1 is 18 MB behind", took_ms=10, steps_total=9)
    site.result(op, "rolled_back", error="prod-pg-1 is 18 MB behind")
    out, err = p.communicate(timeout=60)
    assert p.returncode == 10 and out == ""
    assert "step 3/9 step 3 failed 0.01s: prod-pg-1 is 18 MB behind\n" in err
    assert f"error: rolled_back: switchover {op[:8]} of databases/{site.cluster} was rolled back" in err
    assert err.endswith(f"try: swarmctl op show {op[:8]}\n")
    p = ctl.start("cluster", "switchover", site.cluster, "--yes", "-q")
    op = wait_until("the next one", lambda: [m.operation_id for m in site.stream.kinds("switchover") if m.operation_id != op])[-1]
    site.result(op, "done", detail="prod-pg-1 leads since epoch 8")
    out, err = p.communicate(timeout=60)
    assert (p.returncode, err) == (0, "")
    assert out == f"switchover {op[:8]} of databases/{site.cluster} is done: prod-pg-1 leads since epoch 8\n"


def test_the_time_is_over_and_it_goes_on(site, ctl):
    r = ctl.run("cluster", "switchover", site.cluster, "--yes", "--timeout", "3s")
    op = received(site)
    assert r.returncode == 8 and "not within 3 s" in r.stderr
    assert f"it goes on; come back with: swarmctl op attach {op[:8]}" in r.stderr
    assert not site.op(op)["finished_at"]
    p = ctl.start("op", "attach", op[:8])
    steps(site, op, 1, 3)
    site.result(op, "done")
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 0 and "is done" in out
    r = ctl.run("op", "attach", op)  # what has ended is told at once
    assert r.returncode == 0 and "is done" in r.stdout


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_leaving_does_not_stop_it(site, ctl, signum):
    p = ctl.start("cluster", "switchover", site.cluster, "--yes")
    op = received(site)
    steps(site, op, 1, 1)
    assert "step 1/9" in said(p)  # it follows
    p.send_signal(signum)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 128 + signum
    assert f"it goes on; come back with: swarmctl op attach {op[:8]}" in err
    assert site.op(op)["state"] == "running" and not site.op(op)["aborted_by"]
    site.end(op)


def test_central_goes_and_comes(postgres, tmp_path):
    central = Central(postgres.database()).start()
    site, ctl = Site(central, "edge-a").up(), Ctl(central, tmp_path)
    p = ctl.start("cluster", "switchover", site.cluster, "--yes")
    op = received(site)
    steps(site, op, 1, 1)
    assert "step 1/9" in said(p)
    central.kill()
    assert "unknown: central is not reached any more; the operation goes on, trying again" in said(p)
    central.start()
    assert "central is reached again" in said(p)
    site.connect()
    steps(site, op, 2, 9)
    site.result(op, "done")
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0 and "is done" in out
    assert [int(n) for n in re.findall(r"step (\d)/9", err)] == list(range(2, 10))
    site.close()
    central.remove()


def test_what_ended_while_nobody_listened(postgres, tmp_path):
    central = Central(postgres.database()).start()
    site, ctl = Site(central, "edge-a").up(), Ctl(central, tmp_path)
    p = ctl.start("cluster", "switchover", site.cluster, "--yes")
    op = received(site)
    steps(site, op, 1, 1)
    assert "step 1/9" in said(p)
    central.kill()
    central.sql("UPDATE operations SET state = 'done', detail = 'long ago', finished_at = now() - interval '2 hours'")
    central.start()
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 0 and "long ago" in out
    site.close()
    central.remove()


def test_central_hangs(postgres, tmp_path):
    """A link that is dead without a word: it is noticed, and nobody is kept by it."""
    central = Central(postgres.database()).start()
    site, ctl = Site(central, "edge-a").up(), Ctl(central, tmp_path)
    p = ctl.start("cluster", "switchover", site.cluster, "--yes")
    op = received(site)
    steps(site, op, 1, 1)
    assert "step 1/9" in said(p)
    central.proc.send_signal(signal.SIGSTOP)
    try:
        assert "unknown: central is not reached any more" in said(p)
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=15)
        assert p.returncode == 130 and "op attach" in err
    finally:
        central.proc.send_signal(signal.SIGCONT)
    # And while nobody has noticed yet.
    p = ctl.start("op", "attach", op)
    assert "step 1/9" in said(p)
    central.proc.send_signal(signal.SIGSTOP)
    try:
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=15)
        assert p.returncode == 130
    finally:
        central.proc.send_signal(signal.SIGCONT)
    site.close()
    central.remove()


def test_an_unknown_one_is_an_answer_for_a_script(site, ctl):
    p = ctl.start("cluster", "switchover", site.cluster, "--yes")
    op = received(site)
    steps(site, op, 1, 4)
    site.until(op, lambda o: o["step"] == 4)
    site.central.sql("UPDATE operations SET state = 'unknown', heard_at = now() - interval '2 minutes' WHERE id = %s", op)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 8 and out == "" and "is unknown: nothing was heard of it since" in err and op[:8] in err
    site.end(op)


# ---- detached, planned, interactive ----

def test_detach_and_plan(site, ctl):
    r = ctl.run("cluster", "switchover", site.cluster, "--to", "prod-pg-1", "--detach", "--yes", "-o", "name")
    op = received(site)
    assert (r.returncode, r.stdout) == (0, f"operation/{op}\n")
    r = ctl.run("cluster", "pause", site.cluster, "--yes")
    assert r.returncode == 6 and op in r.stderr
    site.end(op)
    r = ctl.run("cluster", "switchover", site.cluster, "--at", "+2h", "--yes", "-o", "json")
    planned = json.loads(r.stdout)
    assert r.returncode == 0 and planned["state"] == "scheduled"
    assert "op attach" in ctl.run("cluster", "switchover", site.cluster, "--detach", "--yes").stderr
    site.end(wait_until("another one", lambda: [m.operation_id for m in site.stream.kinds("switchover") if m.operation_id != op])[-1])
    r = ctl.run("op", "abort", planned["id"], "--yes", "--wait")
    assert r.returncode == 10 and "aborted by ann before it began" in r.stderr
    r = ctl.run("cluster", "switchover", site.cluster, "--detach", "--wait", "--yes")
    assert r.returncode == 2


def test_interactive_from_another_terminal(site, ctl):
    p = ctl.start("cluster", "switchover", site.cluster, "--interactive", "--yes")
    op = received(site)
    assert site.stream.kinds("switchover")[-1].interactive
    steps(site, op, 1, 3)
    site.progress(op, 4, "waiting", step_name="fence", steps_total=9, detail="84 sessions will be cut")
    shown = [said(p) for _ in range(4)]
    assert "step 4/9 fence waiting: 84 sessions will be cut" in shown[3]
    r = ctl.run("op", "continue", op[:8], "--step", "7")
    assert r.returncode == 6 and "waits at step 4" in r.stderr
    r = ctl.run("op", "continue", op[:8])
    assert (r.returncode, r.stdout) == (0, f"switchover {op[:8]} of databases/{site.cluster} is told to continue\n")
    assert site.stream.wait("operation_step").step == 4
    steps(site, op, 4, 9)
    site.result(op, "done")
    p.communicate(timeout=60)
    assert p.returncode == 0
    p = ctl.start("cluster", "switchover", site.cluster, "--interactive", "--yes")
    op2 = wait_until("asked", lambda: [m.operation_id for m in site.stream.kinds("switchover") if m.operation_id != op])[-1]
    site.progress(op2, 4, "waiting", step_name="fence")
    site.until(op2, "waiting")
    assert ctl.run("op", "abort", op2).returncode == 12  # nobody is there to ask
    assert ctl.run("op", "abort", op2, "--yes").returncode == 0
    site.stream.wait("operation_step", lambda m: m.operation_id == op2 and m.verb == S.OperationStep.VERB_ABORT)
    site.result(op2, "rolled_back", error="aborted by ann")
    p.communicate(timeout=60)
    assert p.returncode == 10


# ---- asking first ----

@pytest.mark.parametrize("args, how", [
    (["switchover"], "--yes"), (["failover"], "--yes"), (["fence", "prod-pg-0"], "--yes"), (["reinit", "prod-pg-1"], "--yes"),
    (["restart"], "--yes"), (["pause"], "--yes"), (["failover", "--accept-data-loss"], "--confirm prod-pg"),
    (["failover", "--accept-data-loss", "--yes"], "--confirm prod-pg")])
def test_nothing_happens_without_a_yes(site, ctl, args, how):
    r = ctl.run("cluster", args[0], site.cluster, *args[1:])
    assert r.returncode == 12 and "needs confirmation" in r.stderr and r.stderr.endswith(f"try: add {how}\n")
    if "--accept-data-loss" in args:
        assert "MAY BE LOST" in r.stderr and "prod-pg-1 was" in r.stderr
    assert site.central.sql("SELECT count(*) FROM operations WHERE cluster_id = %s", site.cid) == [(0,)]


def test_the_other_kinds(site, ctl):
    kinds = {"failover": ["--to", "prod-pg-2", "--accept-data-loss", "--confirm", "prod-pg"], "fence": ["prod-pg-0", "--drain", "90s"],
             "unfence": ["prod-pg-0"], "reinit": ["prod-pg-2"], "restart": ["--rolling"], "pause": [], "resume": []}
    for kind, args in kinds.items():
        p = ctl.start("cluster", kind, site.cluster, *args, "--yes")
        m = wait_until(kind, lambda: [m for m in site.stream.kinds("member_operation")
                                      if m.kind == getattr(S, "OPERATION_KIND_" + kind.upper())])[-1]
        assert m.drain_timeout_seconds == (90 if kind == "fence" else 0)
        site.result(m.operation_id, "done", detail="it is so")
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0 and out == f"{kind} {m.operation_id[:8]} of databases/{site.cluster} is done: it is so\n", err
    listed = json.loads(ctl.run("op", "list", "--cluster", site.cluster, "-o", "json").stdout)["items"]
    assert [o["kind"] for o in listed] == list(kinds)[::-1]
    assert ctl.run("op", "list", "--cluster", site.cluster, "--kind", "fence", "-o", "name").stdout.count("operation/") == 1
    assert "  With       {\"rolling\":true}" in ctl.run("op", "show", next(o["id"] for o in listed if o["kind"] == "restart")).stdout


@pytest.mark.parametrize("args, status, text", [
    (["switchover", "--to", "prod-pg-0"], 7, "not the primary"), (["switchover", "--to", "prod-pg-9"], 7, "a member of prod-pg"),
    (["switchover", "--max-lag", "much"], 2, "is no size"), (["switchover", "--max-lag", "-1"], 2, "is no size"),
    (["switchover", "--at", "noon"], 2, "is no time"), (["switchover", "--at", "24:00"], 2, "is no time"),
    (["fence"], 2, "POD"), (["restart", "prod-pg-1", "--rolling"], 7, "all members"), (["fence", "prod-pg-0", "--drain", "x"], 2, "duration")])
def test_wrong_words(site, ctl, args, status, text):
    r = ctl.run("cluster", args[0], site.cluster, *args[1:], "--yes")
    assert r.returncode == status and text in r.stderr, r.stderr


@pytest.mark.parametrize("text, want", [("0", 1), ("1MB", 1 << 20), ("500kB", 500 << 10), ("7", 7), (None, 0)])
def test_max_lag(site, ctl, text, want):
    more = ["--max-lag", text] if text else []
    assert ctl.run("cluster", "switchover", site.cluster, "--detach", "--yes", *more).returncode == 0
    received(site)
    assert site.stream.kinds("switchover")[-1].max_lag_bytes == want


def test_completion(site, ctl):
    def offered(*words):
        return [line.split("\t") for line in ctl.run("__complete", "--", *words).stdout.splitlines()]

    def offers(want, *words):  # a key press waits 150 ms for central, then nothing is offered
        wait_until(f"{want} for {words}", lambda: [o[0] for o in offered(*words)] == want)
    offers(["prod-pg-1", "prod-pg-2"], "cluster", "switchover", site.cluster, "--to", "")
    offers(["prod-pg-2"], "cluster", "reinit", site.cluster, "prod-pg-2")
    offers(["prod-pg-0", "prod-pg-1", "prod-pg-2"], "cluster", "fence", site.cluster, "")
    wait_until("the cluster", lambda: site.cluster in [
        o[0] for o in offered("cluster", "switchover", "--to", "prod-pg-1", "")])
    op = site.start()
    hint = wait_until("a hint", lambda: next((o[1] for o in offered("op", "abort", op[:4]) if o[0] == op), None))
    assert hint == f"switchover databases/{site.cluster} pending"
    site.end(op)
    assert op not in [o[0] for o in offered("op", "attach", "")]


# ---- a terminal ----

class Terminal:
    """swarmctl on a pseudo-terminal; what it writes is kept as it comes."""

    def __init__(self, ctl, *args, rows=24):
        self.raw = b""
        pid, self.fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 100, 0, 0))
            os.execve(f"{BIN}/swarmctl", ["swarmctl", *args], dict(ctl.env, TERM="xterm"))
        self.pid = pid

    def read(self):
        while select.select([self.fd], [], [], 0)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.raw += data

    def text(self):
        self.read()
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.raw.decode(errors="replace"))

    def sees(self, what):
        return wait_until(f"the terminal shows {what}: {self.text()[-2000:]}", lambda: what in self.text())

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def ends(self):
        def reaped():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return pid and [os.waitstatus_to_exitcode(status)]
        return wait_until("it ends", reaped)[0]


def test_on_a_terminal(site, ctl):
    t = Terminal(ctl, "cluster", "switchover", site.cluster, "--to", "prod-pg-1", "--interactive")
    t.sees("Go on? [y/N]")
    t.press("y\n")
    op = received(site)
    steps(site, op, 1, 3)
    site.progress(op, 4, "waiting", step_name="fence", pod="prod-pg-0", started_us=int(time.time() * 1e6))
    t.sees("waits for your word")
    t.sees("c continue   x abort and roll back   q leave (it goes on)")
    assert "== point of no return ==" in t.text() and "can be rolled back" in t.text()
    t.press("c")
    assert site.stream.wait("operation_step").verb == S.OperationStep.VERB_CONTINUE
    steps(site, op, 4, 6)
    site.progress(op, 7, "done", step_name="promote", point_of_no_return=True)
    t.sees("past the point of no return")
    site.result(op, "done", detail="prod-pg-1 leads")
    assert t.ends() == 0
    assert "is done" in t.text() and b"\x1b[" in t.raw


def test_leaving_a_terminal(site, ctl):
    for keys, status in (("q", 0), ("\x03", 130)):
        op = site.start()
        t = Terminal(ctl, "op", "attach", op)
        site.progress(op, 1, "running")
        t.sees("q leave")
        t.press(keys)
        assert t.ends() == status
        assert f"it goes on; come back with: swarmctl op attach {op[:8]}" in t.text()
        assert not site.op(op)["aborted_by"]
        site.end(op)


def test_aborting_on_a_terminal(site, ctl):
    op = site.start()
    t = Terminal(ctl, "op", "attach", op)
    site.progress(op, 1, "running")
    t.sees("x abort")
    t.press("x")
    assert site.stream.wait("operation_step").verb == S.OperationStep.VERB_ABORT
    site.result(op, "rolled_back", error="aborted by ann")
    assert t.ends() == 10


def test_static_lines_where_nothing_can_be_redrawn(site, ctl):
    ctl.env["ACCESSIBLE"] = "1"
    op = site.start()
    t = Terminal(ctl, "op", "attach", op)
    steps(site, op, 1, 1)
    t.sees("step 1/9")
    site.result(op, "done")
    assert t.ends() == 0 and b"\x1b[" not in t.raw


def test_status_tells_what_is_under_way(site, ctl):
    op = site.start()
    site.progress(op, 4, "running", step_name="fence", steps_total=9)
    site.until(op, "running")
    shown = ctl.run("status").stdout
    assert re.search(rf"{op[:8]} +switchover +databases/{site.cluster} .* 4/9 fence +running", shown), shown
    assert op in [o["id"] for o in json.loads(ctl.run("status", "-o", "json").stdout)["operations"]]
    row = f"Under way  switchover {op[:8]}, running, step 4/9 fence; swarmctl op attach {op[:8]}"
    assert row in ctl.run("cluster", "show", site.cluster).stdout
    assert "operation" not in json.loads(ctl.run("cluster", "show", site.cluster, "-o", "json").stdout)
    site.end(op)
    assert op[:8] not in ctl.run("status").stdout + ctl.run("cluster", "show", site.cluster).stdout
