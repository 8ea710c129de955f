"""Plays a scenario on a cluster: steps, waits, expectations, and after them the invariants of every scenario."""
import json
import re
import subprocess
import sys
import time

from .load import Load, now_us
from .spec import holds, seconds

WHOLE_S = 60


class Broken(AssertionError):
    """Something that was promised did not hold."""


class Player:
    def __init__(self, scenario, cluster, folder, say=print, ask=None, patience=1):
        self.s, self.c, self.folder, self.say, self.ask = scenario, cluster, folder, say, ask
        self.patience = patience  # what limits are multiplied by, where the way to a Service takes its own time
        self.members = int(scenario.topology["members"])
        self.vars, self.marks, self.jobs = {}, {}, {}
        self.load = None
        self.events_since = None

    # ---- the whole ----

    def play(self):
        """The figures; Broken when a promise was not kept."""
        self.c.wait_whole(self.members, WHOLE_S)
        self.events_since = max([int(e["id"]) for e in self.events()], default=0)
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
        self.until("10s", "the writers write", lambda: self.acked_since(0))

    def play_step(self, step):
        began = time.monotonic()
        for line in step.lines:
            try:
                getattr(self, "do_" + line.verb)(self.expand(line.args), line)
            except Broken as e:
                raise Broken(f"{self.s.path}:{line.number}: {line.text}: {e}") from None
        self.say(f"    {time.monotonic() - began:6.1f} s  {step.name}")

    def judge(self):
        """I1 to I5: nothing lost, no overlap, one writable node, all on one timeline, and all that by itself."""
        try:
            self.c.wait_whole(self.members, WHOLE_S)
        except AssertionError as e:
            raise Broken(f"I4: {e}\n{self.c.pods()}") from None
        if not self.load:
            return {}
        self.load.sync_probers()
        self.until("10s", "I3: exactly one writable node", lambda: len(self.writable_nodes()) == 1)
        self.load.stop()
        m = self.load.check(self.marks.get("fault", 0), self.marks.get("end"))
        m.update(gap=m["gap_ms"], overlap=m["overlap_ms"])
        limits = [(n, op, v * self.patience if n == "gap" else v) for n, op, v in self.s.limits]
        wrong = holds(limits, m)
        if m["overlap"] > 0:
            wrong.append(f"I2: two primaries acknowledged side by side for {m['overlap']} ms: {m['spans']}")
        told = any(metric == "lost" for metric, _, _ in self.s.limits)  # the file says itself what may be lost
        if m["lost"] and self.s.topology["durability"] != "performance" and not told:
            wrong.append(f"I1: {m['lost']} acknowledged rows are gone, first {m['lost_ids']}")
        if wrong:
            raise Broken("; ".join(wrong))
        return m

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
            return str(self.c.lease().get("leaseTransitions"))
        return {"cluster": self.c.name, "name": self.c.short, "site": self.c.site, "ns": self.c.ns}.get(name)

    def events(self):
        out = self.c.sandbox.ctl("events", "--cluster", self.c.name, "--limit", "500", "-o", "json", check=False)
        return json.loads(out.stdout)["items"] if out.returncode == 0 else []

    def acked_since(self, us):
        self.load.look()
        return self.load.last_ack > us

    def writable_nodes(self):
        self.load.look()
        return [n for n in self.c.pods() if self.load.states.get(n) == "writable"]

    def until(self, limit, what, ready):
        end = time.monotonic() + seconds(limit) * self.patience
        while not (value := ready()):
            if time.monotonic() > end:
                raise Broken(f"not within {limit}: {what}")
            if self.load:
                self.load.look()
            time.sleep(0.02)  # poll
        return value

    # ---- verbs ----

    def run(self, argv, args, env=None):
        want = "0"
        if args and args[0].startswith("exit="):
            want = args.pop(0)[5:]
        p = self.c.sandbox.run(*argv, *args, check=False, env=env)
        if want != "any" and str(p.returncode) != want:
            raise Broken(f"exit {p.returncode}, not {want}: {p.stdout}{p.stderr}")
        self.vars["output"] = p.stdout + p.stderr

    def do_ctl(self, args, line):
        self.run(["swarmctl"], args)

    def do_kubectl(self, args, line):
        opt = [args.pop(0)] if args[0].startswith("exit=") else []
        self.run(["kubectl"], [*opt, "-n", self.c.ns, *args], env=self.c.sandbox.kube_env(self.c.site))

    def do_sql(self, args, line):
        if self.c.sql(" ".join(args[1:]), args[0]) is None:
            raise Broken("no answer")

    def do_background(self, args, line):
        self.jobs[args[0]] = subprocess.Popen(["swarmctl", *args[2:]], env=self.c.sandbox.env, stdin=subprocess.DEVNULL,
                                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def do_join(self, args, line):
        job = self.jobs.pop(args[0])
        out, _ = job.communicate(timeout=120)
        want = args[1][5:] if len(args) > 1 else "0"
        self.vars["output"] = out
        if want != "any" and str(job.returncode) != want:
            raise Broken(f"exit {job.returncode}, not {want}: {out}")

    def do_remember(self, args, line):
        known = args[1] in ("primary", "epoch") or args[1].startswith("replica")
        self.vars[args[0]] = self.variable(args[1]) if known else args[1]
        if self.vars[args[0]] is None:
            raise Broken(f"there is no {args[1]} now")

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
        began = now_us()
        self.until(args[0], " ".join(args[1:]), lambda: self.condition(args[1:], began))

    def do_expect(self, args, line):
        if not self.condition(args, now_us()):
            raise Broken(f"it is not so: {' '.join(args)}")

    def do_hold(self, args, line):
        end = time.monotonic() + seconds(args[0])
        while time.monotonic() < end:
            if not self.condition(args[1:], now_us()):
                raise Broken(f"it did not stay so: {' '.join(args[1:])}")
            time.sleep(0.1)  # poll

    # ---- conditions ----

    def condition(self, words, began):
        if words[0] == "not":
            return not self.condition(words[1:], began)
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
        return self.load.last_ack < now_us() - 1000000

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
        """POD since MARK"""
        self.load.look()
        names = [args[0], *self.load.addresses.get(args[0], ())]
        return max(self.load.acked_by.get(n, 0) for n in names) <= self.marks[args[2]]

    def is_event(self, args, began):
        """KIND [TEXT]; KIND * is any"""
        return any(int(e["id"]) > self.events_since and args[0] in ("*", e["kind"]) and
                   " ".join(args[1:]) in e["message"] for e in self.events())

    def is_state(self, args, began):
        return (self.c.sandbox.cluster(self.c.name) or {}).get("state") == args[0]

    def is_explain(self, args, began):
        p = self.c.sandbox.ctl("explain", self.c.name, check=False)
        return p.returncode == 0 and " ".join(args) in p.stdout

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
