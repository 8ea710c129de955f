"""Clients that write, and a prober that asks every node: both are C programs, here they are started and judged."""
import json
import os
import subprocess
import time

from .sandbox import TEST_BIN


class Load:
    """load_writer over the rw Service, one write_prober a pod, all in one log."""

    def __init__(self, cluster, folder, writers=4, every=10):
        self.cluster, self.log = cluster, os.path.join(folder, f"load-{time.monotonic_ns()}.log")
        self.errors = open(self.log + ".err", "w")
        self.probers = {}
        self.run_tool("init")
        self.writers = self.start([os.path.join(TEST_BIN, "load_writer"), "run", "--dsn", cluster.dsn, "--log", self.log,
                                   "--writers", str(writers), "--every-ms", str(every)])
        self.reader = None
        self.last_ack = 0  # when the newest acknowledged write was sent
        self.since, self.first_ack = None, None  # the first acknowledgement of a write sent after `since`
        self.states, self.acked_by, self.sent_to = {}, {}, {}  # by prober's name or by address
        self.stalls = []  # (from, to, what): the machine itself stood still, by the witnesses beside the writers
        self.addresses = {}  # pod -> all it ever had

    def start(self, argv):
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=self.errors, env=self.cluster.libpq_env())

    def run_tool(self, verb, *args):
        p = subprocess.run([os.path.join(TEST_BIN, "load_writer"), verb, "--dsn", self.cluster.dsn, *args],
                           capture_output=True, text=True, timeout=60)
        assert p.returncode == 0, p.stderr
        return p.stdout

    def sync_probers(self):
        """A prober for each address there is; addresses change when pods are made anew."""
        for pod, p in self.cluster.pods().items():
            if not p["ip"] or self.probers.get(pod, (None,))[0] == p["ip"]:
                continue
            self.stop_prober(pod)
            self.addresses.setdefault(pod, set()).add(p["ip"])
            argv = [os.path.join(TEST_BIN, "write_prober"), "--log", self.log, f"{pod}={p['ip']}:5432"]
            self.probers[pod] = (p["ip"], self.start(self.cluster.in_site(*argv)))

    def stop_prober(self, pod):
        _, proc = self.probers.pop(pod, (None, None))
        if proc:
            self.end(proc)

    @staticmethod
    def end(proc):
        proc.stdin.close()
        try:
            proc.wait(5)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()

    def look(self):
        """Read on in the log."""
        if not self.reader:
            if not os.path.exists(self.log):
                return
            self.reader = open(self.log)
            self.rest = ""
        text = self.rest + self.reader.read()
        *lines, self.rest = text.split("\n")
        for line in lines:
            w = line.split()
            if w[0] == "A":
                self.take_ack(int(w[1]), int(w[2]), int(w[3]), w[4].rsplit(":", 1)[0])
            elif w[0] == "S":
                self.states[w[2]] = w[3]
            elif w[0] == "T":
                self.stalls.append((int(w[1]), int(w[1]) + int(w[2]), w[3]))

    def take_ack(self, ident, sent, acked, node):
        if ident:
            self.last_ack = max(self.last_ack, sent)
            if self.since is not None and sent > self.since:
                self.first_ack = min(self.first_ack or acked, acked)
        self.acked_by[node] = max(self.acked_by.get(node, 0), acked)
        self.sent_to[node] = max(self.sent_to.get(node, 0), sent)

    def watch_from(self, us):
        """From now on first_ack is of a write that was sent after this."""
        self.since, self.first_ack = us, None

    def stalls_in(self, start, end, least_ms=250):
        """Where the machine stood still for so long between the two, longest first."""
        self.look()
        return sorted((s for s in self.stalls if s[0] < end and s[1] > start and s[1] - s[0] >= least_ms * 1000),
                      key=lambda s: s[0] - s[1])

    def stop(self):
        for pod in list(self.probers):
            self.stop_prober(pod)
        if self.writers:
            self.end(self.writers)
        self.writers = None
        self.errors.close()

    def check(self, since_us=0, until_us=None):
        window = ["--since-us", str(since_us)] + (["--until-us", str(until_us)] if until_us else [])
        out = json.loads(self.run_tool("check", "--log", self.log, *window))
        out["moves"] = len({s["timeline"] for s in out["spans"]}) - 1
        return out


def now_us():
    return time.monotonic_ns() // 1000
