"""Where scenarios are played: one sandbox, and a cluster for each topology, used again while it is whole."""
import os
import time
import warnings

from . import cluster as clusters
from .player import Broken, Late, Player
from .sandbox import Sandbox


class Stage:
    def __init__(self, sandbox=None, say=print):
        self.sandbox, self.own, self.say = sandbox or Sandbox(), sandbox is None, say
        self.made, self.count = {}, 0
        self.again = []  # what was played twice, and why
        if self.own:
            self.sandbox.ctl("sandbox", "up", "--site", "edge-a:region=us-east,tier=edge")

    def cluster(self, topology):
        key = tuple(sorted(topology.items()))
        if key not in self.made:
            self.count += 1
            self.made[key] = clusters.create(self.sandbox, f"ha-{self.count}", topology)
        return self.made[key]

    def spoil(self, topology):
        """What a failed scenario left is looked at in its logs, not used again. Central may be what it left away."""
        self.sandbox.ctl("sandbox", "up", check=False)
        c = self.made.pop(tuple(sorted(topology.items())), None)
        if c:
            clusters.remove(self.sandbox, c.short)

    def play(self, scenario, ask=None):
        """The figures of the scenario; Broken with what the logs say.

        A limit of time that was missed while this machine itself stood still, by the witnesses beside the writers, was
        not measured. That is said aloud, and the scenario is played once more on a new cluster: the second time counts,
        whatever the machine does. What was lost, who led, and errors count the first time."""
        self.say(f"{scenario.number} {scenario.name}")
        try:
            return self.play_once(scenario, ask)
        except Late as e:
            if not e.stalls:
                raise
            told = (f"{scenario.number} {scenario.name} is played again: {str(e).splitlines()[0]}; meanwhile THIS MACHINE STOOD "
                    "STILL: " + ", ".join(f"{what} for {(end - start) // 1000} ms" for start, end, what in e.stalls[:5]))
            self.again.append(told)
            warnings.warn(told, stacklevel=2)
            self.say(f"    {told}\n{e}")
        return self.play_once(scenario, ask)

    def play_once(self, scenario, ask):
        began = time.monotonic()
        try:
            c = self.cluster(scenario.topology)
            m = Player(scenario, c, self.sandbox.folder, self.say, ask).play()
        except AssertionError as e:
            self.say(f"    BROKEN after {time.monotonic() - began:.1f} s: {e}")
            tail = self.tail(scenario)
            self.spoil(scenario.topology)
            told = (Late if isinstance(e, Late) else Broken)(f"{scenario.path}: {e}\n{tail}")
            told.stalls = getattr(e, "stalls", ())
            raise told from None
        if m:
            still = f", machine stood still for {(m['stalls'][0][1] - m['stalls'][0][0]) // 1000} ms" if m["stalls"] else ""
            self.say(f"    ok: gap {m['gap']:.0f} ms, lost {m['lost']} of {m['acked']}, overlap {m['overlap']:.0f} ms{still}")
        return m

    def tail(self, scenario):
        try:
            return self.look_around(scenario)
        except AssertionError as e:
            return f"no logs: {e}"

    def look_around(self, scenario):
        c = self.made.get(tuple(sorted(scenario.topology.items())))
        if not c:
            return self.sandbox.logs()
        out = [self.sandbox.ctl("cluster", "show", c.name, check=False).stdout,
               self.sandbox.ctl("events", "--cluster", c.name, "--limit", "60", check=False).stdout]
        for pod in sorted(c.pods()):
            for container in ("failover", "postgres"):
                p = self.sandbox.kubectl(c.site, "-n", c.ns, "logs", pod, "-c", container, "--tail", "600",
                                         check=False)
                lines = [x for x in p.stdout.splitlines() if "swarm_probe" not in x and "read-only trans" not in x]
                out.append(f"--- {pod} {container}\n" + "\n".join(lines[-60:]))
        return "\n".join(out)

    def close(self):
        if self.own:
            self.sandbox.close()


def specs(folder=os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "specs")):
    return sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".spec"))
