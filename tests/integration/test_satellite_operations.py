"""Operations as the satellite drives them: three members that grpcio plays, a central that grpcio plays, and a satellite
that is killed before and after each order."""
import json
import threading
import time

import pytest

from fake_central import pb, wait_until
from satellite_util import make_kubeconfig  # noqa: F401 (the fixtures need it)
from test_satellite_operator import Sidecar, env, kubectl, passwords  # noqa: F401 (fixtures)

S, P = pb.satellite, pb.sidecar
STEPS = ["verify target", "verify primary", "pre-flight", "fence", "stop", "transfer", "promote", "route", "follow"]
ORDERS = ["checkpoint", "fence", "stop_clean", "handover", "promote"]
LAST = 0x50000028


class World:
    """prod-pg-0 leads, the others follow. What a sidecar does by itself happens here too."""

    def __init__(self, env, refuse=None, lag=0, nudged=False):
        self.env, self.lock = env, threading.RLock()
        self.holder, self.epoch, self.timeline, self.handover, self.paused = 0, 7, 1, "", False
        self.state = ["primary", "standby", "standby"]
        self.fence, self.held = ["", "", ""], False
        self.upstream, self.started = [None, 0, 0], [1, 1, 1]
        self.orders, self.hooks, self.refuse, self.lag = [], {}, refuse or {}, lag
        self.nudged = nudged  # who gets the lease leads once it is told to, not by itself
        self.cars, self.alive, self.stop = [None] * 3, [True] * 3, False
        self.starting = set()  # whom the primary still lists, though they do not stream any more
        self.token = passwords(env.get("secret", "prod-pg-secret"))["sidecar-stream-token"]
        self.label(0)
        self.threads = [threading.Thread(target=self.play, args=(i,), daemon=True) for i in range(3)]
        for t in self.threads:
            t.start()

    def label(self, n):
        for i in range(3):
            self.env.kubectl.run("label", "pod", f"prod-pg-{i}", "-n", self.env.db, "--overwrite",
                                 f"pg-swarm.io/role={'primary' if i == n else 'replica'}")

    # ---- a sidecar ----

    def play(self, i):
        """Connects for ever, answers."""
        while not self.stop:
            if not self.alive[i]:
                time.sleep(0.02)  # poll
                continue
            try:
                car = self.cars[i] = Sidecar(self.env, f"prod-pg-{i}", self.token)
            except Exception:
                time.sleep(0.1)  # poll: the satellite is away
                continue
            seen = 0
            while not self.stop and not car.code and self.alive[i]:
                if seen < len(car.got):
                    m = car.got[seen]
                    seen += 1
                    kind = m.WhichOneof("payload")
                    if m.id and kind not in ("reload", "set_log_level"):
                        self.answer(i, car, m, kind)
                else:
                    time.sleep(0.001)  # poll
            car.close()

    def answer(self, i, car, m, kind):
        order = getattr(m, kind)
        if kind != "status":
            self.orders.append((kind, i))
        before, after = self.hooks.get(kind, (None, None))
        if before and before():
            return
        with self.lock:
            error = self.refuse.get(kind) or self.act(i, kind, order)
            r = self.status(i)
        if after and after():
            return
        code, text = error or ("", "")
        r.success, r.code, r.error = not error, code, text
        car.send_id(m.id, r)

    def act(self, i, kind, o):
        op = getattr(o, "operation_id", "")
        if kind == "fence":
            if self.fence[i] and self.fence[i] != op:
                return "conflict", f"fenced already, by operation {self.fence[i]}"
            self.fence[i] = op
        elif kind == "unfence":
            if self.fence[i] not in ("", op) and not o.force:
                return "conflict", "not yours"
            self.fence[i] = ""
        elif kind == "stop_clean":
            if self.fence[i] != op or self.holder != i:
                return "precondition", "not fenced by it"
            self.state[i], self.held = "stopped", True
        elif kind == "start_again":
            if self.holder != i:
                return "conflict", "not the holder"
            self.state[i], self.held = "primary", False
        elif kind == "handover":
            to = int(o.to.rsplit("-", 1)[1])
            if self.holder == to and self.handover == op:
                return None
            if self.holder != i or self.state[i] != "stopped" or o.lsn != f"0/{LAST + 1:X}":
                return "precondition", f"not so: {o.lsn}"
            self.holder, self.epoch, self.handover, self.held = to, self.epoch + 1, op, False
            if not self.nudged:
                self.change_over(i, to)
        elif kind == "promote" and self.nudged and self.state[i] != "primary":
            self.change_over(self.state.index("stopped"), i)
        elif kind == "restart":
            self.started[i] += 1
        elif kind in ("pause", "resume"):
            self.paused = kind == "pause"
        elif kind == "failover" and not o.cancel:
            to = int(o.to.rsplit("-", 1)[1]) if o.to else 1
            old, self.holder, self.epoch = self.holder, to, self.epoch + 1
            self.change_over(old, to)
        return None

    def change_over(self, old, to):
        """A moment later, as elections do; over before the world is."""
        t = threading.Thread(target=self.take_over, args=(old, to))
        self.threads.append(t)
        t.start()

    def take_over(self, old, to):
        with self.lock:
            self.state[to], self.timeline = "primary", 2
        self.label(to)
        with self.lock:
            self.state[old], self.fence[old] = "standby", ""
            for i in range(3):
                self.upstream[i] = None if i == to else to

    def status(self, i):
        st, up = self.state[i], self.upstream[i]
        lsn = LAST if st == "stopped" else LAST + 0x78 if "stopped" in self.state or self.epoch > 7 else 0x50000000
        r = P.CommandResult(pod_name=f"prod-pg-{i}", running=st != "stopped", clean=st == "stopped",
                            in_recovery=st == "standby", is_fenced=bool(self.fence[i]), fence_operation=self.fence[i],
                            timeline_id=self.timeline, lsn=f"0/{lsn:X}", epoch=self.epoch, state=st,
                            output=st, lease_holder=f"prod-pg-{self.holder}", lease_epoch=self.epoch,
                            handover_operation=self.handover, paused=self.paused, started_at_us=self.started[i] * 1000)
        if st == "standby" and up is not None:
            r.upstream, r.streaming = f"prod-pg-{up}", self.state[up] == "primary" and i not in self.starting
        if st == "primary":
            for k in range(3):
                if self.state[k] == "standby" and self.upstream[k] == i and self.alive[k]:
                    r.followers.add(pod_name=f"prod-pg-{k}", state="streaming", sync_state="quorum",
                                    flushed_lsn=r.lsn, replayed_lsn=f"0/{lsn - self.lag:X}")
        return r

    def expire_hold(self):
        """What a sidecar does when nothing more is heard of an operation."""
        with self.lock:
            if self.holder == 0 and self.fence[0]:
                self.state[0], self.held, self.fence[0] = "primary", False, ""

    def whole(self):
        with self.lock:
            return (self.state.count("primary") == 1 and self.state[self.holder] == "primary"
                    and not any(self.fence) and not self.held)

    def close(self):
        self.stop = True
        for t in self.threads:  # the first three may add to them until they end
            t.join(60)


def send_id(self, ident, r):
    self.out.put(P.SidecarMessage(id=ident, result=r))


Sidecar.send_id = send_id


@pytest.fixture
def world(env):  # noqa: F811
    worlds = []

    def make(**kw):
        env.applied()
        env.members()
        worlds.append(World(env, **kw))
        wait_until("connected", lambda: env.sat.metric("sidecars_connected") == 3)
        return worlds[0]
    yield make
    for w in worlds:
        w.close()


def ask(env, ident, **more):  # noqa: F811
    env.central.stream().send(id=ident, switchover=S.SwitchoverRequest(
        operation_id=ident, cluster_name="prod-pg", namespace=env.db, requested_by="ann", **more))


def member_op(env, ident, kind, **more):  # noqa: F811
    env.central.stream().send(id=ident, member_operation=S.MemberOperation(
        operation_id=ident, kind=kind, cluster_name="prod-pg", namespace=env.db, requested_by="ann", **more))


def result(env, ident, timeout=60):  # noqa: F811
    def find():
        return [r for s in env.central.streams for r in s.all("operation_result") if r.operation_id == ident]
    return wait_until(f"the result of {ident}", find, timeout)[-1]


def progress(env, ident):  # noqa: F811
    """The newest of each step."""
    newest = {}
    for s in env.central.streams:
        for p in s.all("operation_progress"):
            if p.operation_id == ident and p.at_us >= newest.get(p.step, p).at_us:
                newest[p.step] = p
    return [newest[n] for n in sorted(newest)]


def record(env):  # noqa: F811
    return json.loads(env.get("cm", "prod-pg-operation")["data"]["operation.json"])


def test_nine_steps(env, world):  # noqa: F811
    w = world()
    ask(env, "op-1")
    r = result(env, "op-1")
    assert (r.outcome, r.success, r.target_pod) == ("done", True, "prod-pg-1"), r
    steps = progress(env, "op-1")
    assert [p.step_name for p in steps] == STEPS and all(p.status == "done" for p in steps), steps
    assert [k for k, _ in w.orders if k != "promote"] == ["checkpoint", "fence", "stop_clean", "handover"], w.orders
    assert w.whole() and w.holder == 1
    wait_until("written down", lambda: record(env)["outcome"] == "done")
    # Central has not acknowledged: told again with each stream, and to whoever asks again; nothing is done twice.
    n, orders = len(env.central.streams), len(w.orders)
    env.central.restart()
    s = env.central.stream(after=n)
    wait_until("told again", lambda: s.all("operation_result"))
    s.send(id="op-1", switchover=S.SwitchoverRequest(operation_id="op-1", cluster_name="prod-pg", namespace=env.db))
    wait_until("and again", lambda: len(s.all("operation_result")) == 2)
    assert len(w.orders) == orders
    s.send(operation_ack=S.OperationAck(operation_id="op-1"))
    wait_until("acknowledged", lambda: record(env).get("acked"))
    # The next one, back again, to whom it is told.
    ask(env, "op-2", target_pod="prod-pg-0")
    assert result(env, "op-2").outcome == "done" and w.holder == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_satellite_is_killed(env, world, order, when):  # noqa: F811
    w = world(nudged=order == "promote")
    killed, one = threading.Event(), threading.Lock()

    def kill():
        with one:  # it is dead before anybody starts the next
            if killed.is_set():
                return False
            env.sat.kill()
            killed.set()
            return True
    w.hooks[order] = (kill, None) if when == "before" else (None, kill)
    ask(env, "op")
    wait_until("killed", killed.is_set)
    env.sat.start()
    r = result(env, "op")
    assert r.outcome in ("done", "rolled_back"), r
    wait_until("nobody is fenced, one leads", w.whole)
    assert w.holder == (0 if r.outcome == "rolled_back" else 1)
    steps = progress(env, "op")
    assert len(steps) == 9 and all(p.status in ("done", "pending", "failed", "rolling_back") for p in steps)


def test_nobody_drives_for_a_while(env, world):  # noqa: F811
    """The satellite is away longer than the sidecar holds the fence: the operation is found undone."""
    w = world()
    w.hooks["stop_clean"] = (None, lambda: env.sat.kill() or True)
    ask(env, "op")
    wait_until("killed", lambda: env.sat.proc.poll() is not None)
    w.expire_hold()
    w.hooks.clear()
    env.sat.start()
    r = result(env, "op")
    assert r.outcome == "rolled_back" and w.whole() and w.holder == 0, r


@pytest.mark.parametrize("order", ["fence", "stop_clean", "handover"])
def test_the_target_dies(env, world, order):  # noqa: F811
    w = world()

    def die():
        w.alive[1] = False
    w.hooks[order] = (die, None)
    ask(env, "op", target_pod="prod-pg-1")
    wait_until("dead", lambda: not w.alive[1])
    if order == "handover":  # it had it all and is the holder: it leads when it is back
        wait_until("handed over", lambda: w.holder == 1)
        w.alive[1] = True
        assert result(env, "op").outcome == "done"
    else:
        r = result(env, "op")
        assert r.outcome == "rolled_back" and "prod-pg-1" in r.error, r
        assert w.holder == 0
    wait_until("nobody is fenced, one leads", w.whole)


def test_refusals_change_nothing(env, world):  # noqa: F811
    w = world(lag=200 << 20)
    ask(env, "far")
    r = result(env, "far")
    assert r.outcome == "rolled_back" and "209715200 B behind" in r.error, r
    w.lag = 5000
    ask(env, "near", max_lag_bytes=1000)
    assert "5000 B behind" in result(env, "near").error
    ask(env, "who", target_pod="prod-pg-9")
    assert "prod-pg-9 is not a member" in result(env, "who").error
    ask(env, "me", target_pod="prod-pg-0")
    assert "leads already" in result(env, "me").error
    w.fence[0] = "somebody"
    ask(env, "fenced")
    assert "operation somebody" in result(env, "fenced").error
    w.fence[0] = ""
    env.central.stream().send(operation_step=S.OperationStep(operation_id="nobody-knows", verb=2))
    assert "not known at this site" in result(env, "nobody-knows").error
    assert w.orders == [] and w.whole()


def test_nobody_was_named_and_one_is_fit(env, world):  # noqa: F811
    w = world()
    w.starting = {1}
    ask(env, "op-1")
    r = result(env, "op-1")
    assert (r.outcome, r.target_pod, w.holder) == ("done", "prod-pg-2", 2), r
    # Nobody is, for as long as the step may take: who is not, and why.
    w.starting, orders = {0, 1}, len(w.orders)
    ask(env, "op-2")
    r = result(env, "op-2")
    assert r.outcome == "rolled_back" and len(w.orders) == orders, r
    for text in ("nothing was changed", "nobody is fit", "prod-pg-0 does not stream", "prod-pg-1 does not stream"):
        assert text in r.error, r
    # One comes meanwhile.
    ask(env, "op-3")
    wait_until("both were looked at", lambda: record(env)["id"] == "op-3")
    w.starting = {1}
    r = result(env, "op-3")
    assert (r.outcome, r.target_pod) == ("done", "prod-pg-0"), r


def test_a_refused_handover_is_rolled_back(env, world):  # noqa: F811
    w = world(refuse={"handover": ("conflict", "somebody was faster")})
    ask(env, "op")
    r = result(env, "op")
    assert r.outcome == "rolled_back" and "somebody was faster" in r.error, r
    assert w.whole() and w.holder == 0
    assert [k for k, _ in w.orders][-2:] == ["start_again", "unfence"]


def test_a_person_decides(env, world):  # noqa: F811
    w = world()

    def word(ident, verb, step=0):
        env.central.stream().send(operation_step=S.OperationStep(operation_id=ident, verb=verb, step=step))
    ask(env, "op", interactive=True)
    wait_until("waits", lambda: [p for p in progress(env, "op") if p.status == "waiting" and p.step == 4])
    ask(env, "second")
    assert "operation op (switchover) is under way" in result(env, "second").error
    # A new satellite waits as well; a word for another step is none.
    env.sat.kill()
    n = len(env.central.streams)
    env.sat.start()
    env.central.stream(after=n)
    wait_until("connected", lambda: env.sat.metric("sidecars_connected") == 3)
    word("op", 1, step=3)
    assert not [k for k, _ in w.orders if k == "fence"]
    word("op", 1, step=4)
    assert result(env, "op").outcome == "done" and w.holder == 1
    ask(env, "op-2", interactive=True)
    wait_until("waits", lambda: [p for p in progress(env, "op-2") if p.status == "waiting"])
    word("op-2", 2)
    assert result(env, "op-2").outcome == "rolled_back" and w.holder == 1 and w.whole()


def test_the_other_kinds(env, world):  # noqa: F811
    w = world()
    K = {k[len("OPERATION_KIND_"):].lower(): v for k, v in S.OperationKind.items()}
    member_op(env, "f", K["fence"])
    assert result(env, "f").outcome == "done" and w.fence[0] == "f"
    member_op(env, "u", K["unfence"], pod="prod-pg-0")
    assert result(env, "u").outcome == "done" and not w.fence[0]
    member_op(env, "p", K["pause"])
    assert result(env, "p").outcome == "done" and w.paused
    member_op(env, "r", K["resume"])
    assert result(env, "r").outcome == "done" and not w.paused
    member_op(env, "one", K["restart"], pod="prod-pg-2")
    assert result(env, "one").outcome == "done" and w.started == [1, 1, 2]
    member_op(env, "all", K["restart"], rolling=True)
    r = result(env, "all", 90)
    assert r.outcome == "done" and w.started == [2, 2, 3] and w.holder != 0 and w.whole(), (r, w.started)
    assert [p.step_name for p in progress(env, "all")] == \
        ["verify", "restart prod-pg-1", "restart prod-pg-2", "switchover", "restart prod-pg-0"]
    member_op(env, "copy", K["reinit"], pod=f"prod-pg-{w.holder}")
    assert "leads" in result(env, "copy").error
    to = next(i for i in range(3) if i != w.holder)
    member_op(env, "force", K["failover"], pod=f"prod-pg-{to}")
    assert result(env, "force").outcome == "done" and w.holder == to
