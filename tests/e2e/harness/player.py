"""Plays a scenario on a cluster: steps, waits, expectations, and after them the invariants of every scenario."""
import json
import re
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

from .load import Load, now_us
from .sandbox import wait_until
from .spec import holds, seconds

WHOLE_S = 60
JOIN_S = 200
LOOK_LATE_S = 15  # how much longer is looked for what the writers' record then judges
UNANSWERED_S = 30
SILENT_US = 1000000


class Broken(AssertionError):
    """Something that was promised did not hold."""


class Late(Broken):
    """A limit of time was not kept. `stalls`: where the machine itself stood still meanwhile, so that nothing was measured."""
    stalls = ()


class Player:
    def __init__(self, scenario, cluster, folder, say=print, ask=None, patience=1):
        self.s, self.c, self.folder, self.say, self.ask = scenario, cluster, folder, say, ask
        self.patience = patience  # what limits are multiplied by, where the way to a Service takes its own time
        self.members = int(scenario.topology["members"])
        self.vars, self.marks, self.jobs = {}, {}, {}
        self.load = None
        self.events_since, self.began = None, None

    # ---- the whole ----

    def play(self):
        """The figures; Broken when a promise was not kept."""
        self.c.wait_whole(self.members, WHOLE_S)
        before = wait_until("central tells its events", lambda: (e := self.events()) is not None and [e])[0]
        self.events_since = max([int(e["id"]) for e in before], default=0)
        self.began = datetime.now(timezone.utc) - timedelta(seconds=1)  # some times are whole seconds
        try:
            self.start_load()
            for step in self.s.steps:
                if self.ask:
                    self.ask(step)
                self.play_step(step)
            self.c.sandbox.heal()
            return self.judge()
        finally:
            self.c.sandbox.heal()
            for job in self.jobs.values():
                job.kill()
            if self.load:
                self.load.stop()
            self.c.forget()

    def start_load(self):
        if self.s.load is None:
            return
        self.load = Load(self.c, self.folder, self.s.load["writers"], self.s.load["every"])
        self.load.sync_probers()
        self.until("30s", "the writers write", lambda: self.acked_since(0))

    def play_step(self, step):
        began = now_us()
        for line in step.lines:
            try:
                getattr(self, "do_" + line.verb)(self.expand(line.args), line)
            except Broken as e:
                text = f"{self.s.path}:{line.number}: {line.text}: {e}"
                raise (self.late(text, began) if isinstance(e, Late) else Broken(text)) from None
        self.say(f"    {(now_us() - began) / 1e6:6.1f} s  {step.name}")

    def late(self, text, start, end=None):
        e = Late(text)
        e.stalls = self.load.stalls_in(start, end or now_us()) if self.load else ()
        return e

    def judge(self):
        """I1 to I5: nothing lost, no overlap, one writable node, all on one timeline, and all that by itself."""
        try:
            self.c.wait_whole(self.members, WHOLE_S)
        except AssertionError as e:
            raise Broken(f"I4: {e}\n{self.c.pods()}") from None
        if not self.load:
            return {}
        self.load.sync_probers()
        self.until("30s", "I3: exactly one writable node", lambda: len(self.writable_nodes()) == 1)
        self.load.stop()
        m = self.load.check(self.marks.get("fault", 0), self.marks.get("end"))
        m.update(gap=m["gap_ms"], overlap=m["overlap_ms"])
        limits = [(n, op, v * self.patience if n == "gap" else v) for n, op, v in self.s.limits]
        wrong = [x for n, x in holds(limits, m) if not self.is_time(n, m)]
        late = [x for n, x in holds(limits, m) if self.is_time(n, m)]
        if m["overlap"] > 0:
            wrong.append(f"I2: two primaries acknowledged side by side for {m['overlap']} ms: {m['spans']}")
        told = any(metric == "lost" for metric, _, _ in self.s.limits)  # the file says itself what may be lost
        if m["lost"] and self.s.topology["durability"] != "performance" and not told:
            wrong.append(f"I1: {m['lost']} acknowledged rows are gone, first {m['lost_ids']}")
        if wrong:
            raise Broken("; ".join(wrong + late))
        if late:
            begin, end = m["gap_at_us"], m["gap_at_us"] + int(m["gap"] * 1000)
            silences = any("errors" in x for x in late)
            raise self.late("; ".join(late), self.marks.get("fault", 0) if silences else begin, None if silences else end)
        m["stalls"] = self.load.stalls_in(0, now_us())
        return m

    @staticmethod
    def is_time(metric, m):
        """Is it time that this counts? Of the errors those are that were no answer within the writer's second."""
        return metric == "gap" or metric == "errors" and m["errors"] == m["silent"]

    # ---- what lines may name ----

    def expand(self, args):
        def value(m):
            name = m[1]
            if name in self.vars:
                return self.vars[name]
            v = self.variable(name)
            if v is None:
                raise Broken(f"${name} is not known now")
            return v
        return [re.sub(r"\$(\w+)", value, a) for a in args]

    def variable(self, name):
        if name == "primary":
            return self.c.primary()
        if m := re.fullmatch(r"replica(\d)", name):
            replicas = self.c.replicas()
            return replicas[int(m[1]) - 1] if len(replicas) >= int(m[1]) else None
        if name == "epoch":
            now = self.c.lease().get("leaseTransitions")
            return None if now is None else str(now)
        return {"cluster": self.c.name, "name": self.c.short, "site": self.c.site, "ns": self.c.ns}.get(name)

    def events(self):
        """None while central does not answer."""
        return self.items("events", "--cluster", self.c.name, "--limit", "500")

    def items(self, *args):
        out = self.c.sandbox.ctl(*args, "-o", "json", check=False)
        if out.returncode == 0:
            return json.loads(out.stdout)["items"]
        self.c.silent += 1
        return None

    def is_new(self, at):
        return at and datetime.fromisoformat(at.replace("Z", "+00:00")) >= self.began

    def acked_since(self, us):
        self.load.look()
        return self.load.last_ack > us

    def writable_nodes(self):
        self.load.look()
        return [n for n in self.c.pods() if self.load.states.get(n) == "writable"]

    def until(self, limit, what, ready):
        """The last look begins after the limit: a look that was under way when the time was up tells nothing."""
        end = time.monotonic() + seconds(limit) * self.patience
        while True:
            last = time.monotonic() > end
            if value := ready():
                return value
            if last:
                raise Late(f"not within {limit}: {what}")
            if self.load:
                self.load.look()
            time.sleep(0.02)  # poll

    # ---- verbs ----

    def run(self, argv, args, env=None):
        want = "0"
        if args and args[0].startswith("exit="):
            want = args.pop(0)[5:]
        try:
            p = self.c.sandbox.run(*argv, *args, check=False, env=env)
        except AssertionError as e:
            raise Late(str(e)) from None
        if want != "any" and str(p.returncode) != want:
            raise Late(f"exit {p.returncode}, not {want}: {p.stdout}{p.stderr}")
        self.vars["output"] = p.stdout + p.stderr

    def do_ctl(self, args, line):
        self.run(["swarmctl"], args)

    def do_kubectl(self, args, line):
        opt = [args.pop(0)] if args[0].startswith("exit=") else []
        self.run(["kubectl"], [*opt, "-n", self.c.ns, *args], env=self.c.sandbox.kube_env(self.c.site))

    def do_sql(self, args, line):
        """[any] ROLE QUERY; any: also when the answer does not come back"""
        anyway = args[0] == "any" and args.pop(0)
        if self.c.sql(" ".join(args[1:]), args[0]) is None and not anyway:
            raise Late("no answer")

    def do_background(self, args, line):
        self.jobs[args[0]] = subprocess.Popen(["swarmctl", *args[2:]], env=self.c.sandbox.env, stdin=subprocess.DEVNULL,
                                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def do_join(self, args, line):
        job = self.jobs[args[0]]
        try:
            out, _ = job.communicate(timeout=JOIN_S)
        except subprocess.TimeoutExpired:
            raise Late(f"no end within {JOIN_S} s") from None
        self.jobs.pop(args[0])
        want = args[1][5:] if len(args) > 1 else "0"
        self.vars["output"] = out
        if want != "any" and str(job.returncode) != want:
            raise Late(f"exit {job.returncode}, not {want}: {out}")

    def do_remember(self, args, line):
        """NAME primary, epoch, replicaN, a word, or sql ROLE QUERY: its first value"""
        known = args[1] in ("primary", "epoch") or re.fullmatch(r"replica\d", args[1])
        if known:
            self.vars[args[0]] = self.until("10s", f"there is a {args[1]}", lambda: self.variable(args[1]))
        elif args[1] == "sql":
            rows = self.until("10s", "an answer", lambda: self.c.sql(" ".join(args[3:]), args[2]))
            self.vars[args[0]] = str(rows[0][0])
        else:
            self.vars[args[0]] = args[1]

    def do_mark(self, args, line):
        self.marks[args[0]] = now_us()

    def do_say(self, args, line):
        self.say("      " + " ".join(args))

    def do_nap(self, args, line):
        end = time.monotonic() + seconds(args[0])
        while time.monotonic() < end:
            if self.load:
                self.load.look()
            time.sleep(0.1)  # poll

    def do_wait(self, args, line):
        began, what = now_us(), " ".join(args[1:])
        if what not in ("writable", "silent"):
            self.until(args[0], what, lambda: self.known(args[1:], began))
            return
        # When that was the writers wrote down; a harness that looks late is not what is measured.
        self.load.watch_from(began)
        limit = seconds(args[0]) * self.patience
        try:
            self.until(f"{limit / self.patience + LOOK_LATE_S}s", what, lambda: self.condition(args[1:], began))
        except Late:
            raise Late(f"not within {args[0]}, nor {LOOK_LATE_S} s later: {what}") from None
        at = self.load.first_ack if what == "writable" else self.load.last_ack + SILENT_US
        if at - began > limit * 1e6:
            raise Late(f"not within {args[0]}, but after {(at - began) / 1e6:.1f} s: {what}")

    def do_expect(self, args, line):
        if not self.answered(args, now_us()):
            raise Broken(f"it is not so: {' '.join(args)}")

    def do_hold(self, args, line):
        end = time.monotonic() + seconds(args[0])
        last = False
        while not last:
            last = time.monotonic() > end
            if not self.answered(args[1:], now_us()):
                raise Broken(f"it did not stay so: {' '.join(args[1:])}")
            time.sleep(0.1)  # poll

    # ---- conditions ----

    def known(self, words, began):
        """None when a question had no answer: neither that it is so nor that it is not."""
        before = self.c.unanswered()
        value = self.condition(words, began)
        return value if self.c.unanswered() == before else None

    def answered(self, words, began):
        end = time.monotonic() + UNANSWERED_S
        while (value := self.known(words, began)) is None:
            if time.monotonic() > end:
                raise Late(f"no answer within {UNANSWERED_S} s")
            time.sleep(0.1)  # poll
        return bool(value)

    def condition(self, words, began):
        if words[0] == "not":
            return not self.condition(words[1:], began)  # asked by known(): an answer it is
        if words[0] == "no" and words[1] == "primary":
            return self.c.primary() is None
        name = words[0].replace("-", "_")
        fn = getattr(self, "is_" + name, None)
        if not fn:
            raise Broken(f"'{words[0]}' is not a condition")
        return fn(words[1:], began)

    def is_writable(self, args, began):
        return self.acked_since(began)

    def is_silent(self, args, began):
        self.load.look()
        return self.load.last_ack < now_us() - SILENT_US

    def is_streaming(self, args, began):
        return self.c.primary() and self.c.streaming() == int(args[0])

    def is_primary(self, args, began):
        now = self.c.primary()
        return now is not None and (now != args[2] if args[1] == "not" else now == args[1])

    def is_node(self, args, began):
        self.load.sync_probers()
        self.load.look()
        return self.load.states.get(args[0]) == args[1]

    def is_no_ack(self, args, began):
        """POD since MARK. An answer counts from when it came, also to a write that was sent before."""
        self.load.look()
        names, mark = [args[0], *self.load.addresses.get(args[0], ())], self.marks[args[2]]
        acked, sent = (max(of.get(n, 0) for n in names) for of in (self.load.acked_by, self.load.sent_to))
        if acked > mark >= sent and self.load.stalls_in(mark, acked):  # it came before, and the writer could not look
            raise Late(f"{args[0]} acknowledged a write {(acked - mark) / 1000:.0f} ms after '{args[2]}'")
        return acked <= mark

    def is_event(self, args, began):
        """KIND [TEXT]; KIND * is any"""
        return any(int(e["id"]) > self.events_since and args[0] in ("*", e["kind"]) and
                   " ".join(args[1:]) in e["message"] and self.is_new(e["at"])
                   for e in self.events() or [])

    def is_state(self, args, began):
        return (self.c.sandbox.cluster(self.c.name) or {}).get("state") == args[0]

    def is_explain(self, args, began):
        return self.told(args, "explain", self.c.name)

    def is_topology(self, args, began):
        return self.told(args, "cluster", "topology", self.c.name)

    def told(self, words, *ask):
        p = self.c.sandbox.ctl(*ask, check=False)
        self.c.silent += p.returncode != 0
        return p.returncode == 0 and " ".join(words) in p.stdout

    def is_operation(self, args, began):
        """KIND: one of this scenario is under way, or has been"""
        items = self.items("op", "list", "--cluster", self.c.name, "--kind", args[0])
        return any(self.is_new(o["started_at"]) for o in items or [])

    def is_connected(self, args, began):
        """The site's satellite, with central"""
        return any(s["name"] == self.c.site and s["connected"] for s in self.items("satellite", "list") or [])

    def is_output(self, args, began):
        return " ".join(args) in self.vars.get("output", "")

    def is_sql(self, args, began):
        """ROLE QUERY = VALUE"""
        at = len(args) - 1 - args[::-1].index("=")
        rows = self.c.sql(" ".join(args[1:at]), args[0])
        return bool(rows) and str(rows[0][0]) == " ".join(args[at + 1:])

    def is_ready(self, args, began):
        return sum(p["ready"] for p in self.c.pods().values()) == int(args[0])

    def is_lease(self, args, began):
        """holder POD"""
        return self.c.lease().get("holderIdentity") == args[1]

    def is_epoch(self, args, began):
        """= N or > N"""
        now = self.c.lease().get("leaseTransitions", 0)
        return now == int(args[1]) if args[0] == "=" else now > int(args[1])


def stepper(step):
    """--step: what comes next, and a key."""
    print(f"-- {step.name}")
    for line in step.lines:
        print(f"     {line.text}")
    print("   Enter goes on, q stops: ", end="", flush=True)
    if sys.stdin.readline().strip() == "q":
        raise KeyboardInterrupt
