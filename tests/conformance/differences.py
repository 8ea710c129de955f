"""The table of differences that we allow, and the comparison that reads it."""
import fnmatch, json, os, re

import answers
from casefile import HERE, CaseError

PATH = os.path.join(HERE, "differences.txt")
SIGNS = {"-": "only the real server", "+": "only the sandbox", "~": "both, not equal"}


class Row:
    def __init__(self, reason, case, step, sign, path, where):
        self.reason, self.case, self.step, self.sign, self.path, self.where = reason, case, step, sign, path, where
        self.pattern, self.hits = answers.glob_pattern(path), set()

    def covers(self, d):
        return (fnmatch.fnmatchcase(d.case, self.case) and self.step in ("*", str(d.step))
                and (self.sign in ("*", d.sign)) and self.pattern.match(d.path) is not None)


class Reason:
    def __init__(self, name, text):
        self.name, self.text, self.rows = name, text, []


def load():
    reasons = []
    with open(PATH) as f:
        for n, line in enumerate(f, 1):
            line, where = line.rstrip("\n"), f"differences.txt:{n}"
            m = re.match(r"\[([a-z0-9-]+)\] (.+)$", line)
            if m:
                reasons.append(Reason(*m.groups()))
            elif line.strip() and not line.startswith("#"):
                words = line.split(None, 3)
                if len(words) != 4 or not reasons or words[2] not in "-+~*":
                    raise CaseError(f"{where}: a row is CASE STEP SIGN PATH below a [reason]")
                reasons[-1].rows.append(Row(reasons[-1], *words, where))
    return reasons


class Difference:
    def __init__(self, case, step, line, sign, path, real, ours):
        self.case, self.step, self.line, self.sign, self.path = case, step, line, sign, path
        self.real, self.ours = real, ours

    def __str__(self):
        sides = {"-": [f"real:    {self.real}"], "+": [f"sandbox: {self.ours}"],
                 "~": [f"real:    {self.real}", f"sandbox: {self.ours}"]}[self.sign]
        return f"{self.case} {self.step} {self.sign} {self.path}   ({self.line})\n" + "\n".join("    " + s for s in sides)


def compare_case(name, real, ours, kubectl):
    """kubectl: "same" version as recorded, "newer" (of its steps only the exit code counts), "older" (they do not)."""
    out = []
    for i, ((line, a), (_, b)) in enumerate(zip(real, ours), 1):
        if line.startswith("$ ") and kubectl != "same":
            a, b = ({k: v for k, v in x.items() if k == "exit" and kubectl == "newer"} for x in (a, b))
        for path in sorted(a.keys() | b.keys()):
            x, y = (json.dumps(t[path], ensure_ascii=False) if path in t else None for t in (a, b))
            if x != y:
                sign = "-" if y is None else "+" if x is None else "~"
                out.append(Difference(name, i, line, sign, path, x, y))
    return out


def judge(differences, reasons, cases, kubectl_too, part):
    """(those nobody listed, rows that met nothing); rows of cases that did not run are left in peace. part: not all did."""
    rows = [r for reason in reasons for r in reason.rows]
    unlisted = []
    for d in differences:
        hit = [r for r in rows if r.covers(d)]
        for r in hit:
            r.hits.add(d.case)
        if not hit:
            unlisted.append(d)
    ran = {c.name: c for c in cases}
    gone = []
    for r in rows:
        met = [c for n, c in ran.items() if fnmatch.fnmatchcase(n, r.case)]
        if part and "*" in r.case:
            continue
        silent = not kubectl_too and any(s.what == "kubectl" for c in met for s in c.steps if r.step in ("*", str(s.number)))
        if met and not r.hits and not silent:
            gone.append(r)
    return unlisted, gone
