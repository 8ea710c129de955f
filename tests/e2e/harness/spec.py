"""Scenario files: what they may say, and where they are wrong. No side effects.

    # Why, in a sentence (ha.md section 11, row 1).
    scenario 01 postmaster-kill
    tags core
    cluster members=3 durability=protected lease=15
    load writers=4 every=10
    step kill the postmaster of the primary
      mark fault
      ctl sandbox kill $cluster --primary --process postmaster
    step clients write again
      wait 2s writable
    expect
      gap <= 2s
      lost = 0
"""
import re
import shlex
from dataclasses import dataclass, field

VERBS = {"ctl", "kubectl", "sql", "background", "join", "remember", "mark", "wait", "hold", "expect", "say", "nap"}
METRICS = {"gap", "lost", "overlap", "moves", "warned", "errors"}
TOPOLOGY = {"members": "3", "durability": "protected", "lease": "15", "postgres": "15", "storage": "1Gi",
            "failover": "on", "wal": "", "class": ""}
LOAD = {"writers": "4", "every": "10"}


class SpecError(Exception):
    pass


@dataclass
class Line:
    number: int
    verb: str
    args: list
    text: str


@dataclass
class Step:
    name: str
    lines: list = field(default_factory=list)


@dataclass
class Scenario:
    path: str
    why: str = ""
    number: str = ""
    name: str = ""
    tags: list = field(default_factory=list)
    topology: dict = field(default_factory=lambda: dict(TOPOLOGY))
    load: dict = None
    steps: list = field(default_factory=list)
    limits: list = field(default_factory=list)  # (metric, operator, number)


def seconds(text):
    m = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", text)
    if not m:
        raise SpecError(f"'{text}' is no time: 500ms, 2s or 1m is right")
    return float(m[1]) * {"ms": 0.001, "s": 1, "m": 60}[m[2]]


def settings(words, known):
    out = dict(known)
    for w in words:
        key, _, value = w.partition("=")
        if key not in known or not value:
            raise SpecError(f"'{w}' is not one of {', '.join(k + '=' for k in known)}")
        out[key] = value
    return out


def limit(words):
    if len(words) != 3 or words[0] not in METRICS or words[1] not in ("<=", "<", "=", ">="):
        raise SpecError(f"'{' '.join(words)}' is not METRIC <= VALUE, with a METRIC of {', '.join(sorted(METRICS))}")
    value = seconds(words[2]) * 1000 if re.search(r"[a-z]$", words[2]) else float(words[2])
    return words[0], words[1], value


def parse(path, text):
    s = Scenario(path)
    block = None  # a Step, "expect", or None
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.startswith("#") and not s.name:
            s.why += (" " if s.why else "") + raw[1:].strip()
        # '#' and quotes belong to what is run, so that only whole lines are comments.
        if not raw.strip() or raw.lstrip().startswith("#"):
            continue
        try:
            block = take(s, block, raw, number)
        except (SpecError, ValueError) as e:
            raise SpecError(f"{path}:{number}: {e}") from None
    if not s.name or not s.steps:
        raise SpecError(f"{path}: a scenario has a line 'scenario NUMBER NAME' and at least one step")
    return s


def take(s, block, raw, number):
    if raw[0] != " ":
        return head(s, raw.split(), raw)
    words = shlex.split(raw)
    if block == "expect":
        s.limits.append(limit(words))
    elif isinstance(block, Step):
        if words[0] not in VERBS:
            raise SpecError(f"'{words[0]}' is not one of {', '.join(sorted(VERBS))}")
        block.lines.append(Line(number, words[0], words[1:], raw.strip()))
    else:
        raise SpecError("a line that is indented stands below 'step' or 'expect'")
    return block


def head(s, words, raw):
    verb = words[0]
    if verb == "scenario" and len(words) == 3:
        s.number, s.name = words[1:]
    elif verb == "tags":
        s.tags = words[1:]
    elif verb == "cluster":
        s.topology = settings(words[1:], TOPOLOGY)
    elif verb == "load":
        s.load = settings(words[1:], LOAD)
    elif verb == "step" and len(words) > 1:
        s.steps.append(Step(raw.split(None, 1)[1]))
        return s.steps[-1]
    elif verb == "expect" and len(words) == 1:
        return "expect"
    else:
        raise SpecError(f"'{raw}': scenario NUMBER NAME, tags, cluster, load, step TEXT or expect is right")
    return None


def load(path):
    with open(path) as f:
        return parse(path, f.read())


def holds(limits, metrics):
    """What was promised and not kept: (metric, in words)."""
    ops = {"<=": lambda a, b: a <= b, "<": lambda a, b: a < b, "=": lambda a, b: a == b, ">=": lambda a, b: a >= b}
    return [(m, f"{m} is {metrics[m]:g}, {op} {v:g} was promised") for m, op, v in limits if not ops[op](metrics[m], v)]
