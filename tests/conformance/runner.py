"""Runs cases against one server: {case name: [(step line, flat answer)]}."""
import json, re, time
from concurrent.futures import ThreadPoolExecutor

import yaml

import answers
from casefile import CaseError
from server import Client, Watch

VARIABLE = re.compile(r"\$([A-Z][A-Z0-9_]*)|\$\{([A-Z][A-Z0-9_]*)\}")
IMAGE = "kreal/busybox:1"
SERVER_MADE = "metadata.managedFields"


class Run:
    def __init__(self, server, case):
        self.server, self.case = server, case
        self.client, self.watches = Client(server), {}
        self.norm = answers.Normaliser(server.node)
        self.ns = "c-" + case.name
        self.vars = {"NS": self.ns, "IMAGE": IMAGE, "NODE": server.node or "none",
                     "POLICY": server.groups["policy"], "SLICES": server.groups["discovery.k8s.io"]}

    def fill(self, text, step):
        """$NAME of ours; another one (a shell's, say) stays. ${NAME} is always ours."""
        def one(m):
            name = m.group(1) or m.group(2)
            if m.group(2) and name not in self.vars:
                raise CaseError(f"{step.where}: ${name} was not saved before")
            return self.vars.get(name, m.group())
        return VARIABLE.sub(one, text)

    # ---- the steps ----

    def body(self, step):
        text = self.fill(step.text, step)
        if not text:
            return None
        return text if step.raw else json.dumps(yaml.safe_load(text))

    def http(self, step):
        body = self.body(step)
        headers = {k: self.fill(v, step) for k, v in step.headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", step.type or "application/json")
        token = self.fill(step.token, step) if step.token is not None else None
        status, data, r = self.client.call(step.verb, self.fill(step.rest, step), body, headers, token)
        answer = {"code": status, "body": data}
        for name in ("Warning", "Retry-After", "Allow"):
            if r.getheader(name):
                answer[name.lower()] = r.getheader(name)
        return answer

    def kubectl(self, step):
        p = self.server.run([self.fill(a, step) for a in step.args()], self.body(step))
        answer = {"exit": p.returncode}
        for name, text in (("out", p.stdout), ("err", p.stderr)):
            lines = [s for s in self.norm.lines(text) if not s.startswith("WARNING: version difference")]
            if lines:
                answer[name] = lines
        return answer

    def watch(self, step):
        name, _, path = step.rest.partition(" ")
        token = self.fill(step.token, step) if step.token else None
        self.watches[name] = w = Watch(self.server, self.fill(path, step), token, step.headers)
        return {"code": w.code}

    def events(self, step):
        """EVENTS name COUNT|end [of TYPE,TYPE] [more]: then the watch is closed, unless there is more."""
        name, count, *words = step.rest.split()
        w = self.watches[name]
        types = words[words.index("of") + 1].split(",") if "of" in words else None
        events, ended = w.take(None if count == "end" else int(count), step.within, types)
        if "more" in words:
            w.events = w.events[len(events):]
        else:
            w.close()
        return {"events": events, "ended": ended} if count == "end" else {"events": events}

    # ---- around a step ----

    def holds(self, flat, step):
        for path, want in step.until:
            has = [p for p in flat if answers.glob_pattern(path).match(p)]
            if want in ("absent", "present"):
                if bool(has) != (want == "present"):
                    return False
            elif not any(json.dumps(flat[p], ensure_ascii=False) == self.fill(want, step) for p in has):
                return False
        return True

    def once(self, step):
        raw = getattr(self, step.what)(step)
        flat = {}
        self.flatten(raw, flat)
        return raw, flat

    def flatten(self, raw, out, path=""):
        """Unnormalised, for @until and @save."""
        if isinstance(raw, dict) and raw:
            for k, v in raw.items():
                step = ("." if path else "") + k if answers.PLAIN.match(k) else f"[{json.dumps(k)}]"
                self.flatten(v, out, path + step)
        elif isinstance(raw, list) and raw:
            for i, v in enumerate(raw):
                self.flatten(v, out, f"{path}[{i}]")
        else:
            out[path] = raw

    def perform(self, step):
        deadline = time.monotonic() + step.within
        while True:
            raw, flat = self.once(step)
            if not step.until or self.holds(flat, step):
                break
            if time.monotonic() > deadline:
                return {"never": " and ".join(f"{p} = {v}" for p, v in step.until),
                        **answers.reduce(self.norm.flat(raw), step.keep, step.drop)}
            time.sleep(0.05)  # poll
        for name, path in step.save:
            found = [p for p in flat if answers.glob_pattern(path).match(p)]
            if not found:
                raise CaseError(f"{step.where}: nothing at {path} to save as {name}: {json.dumps(raw)[:600]}")
            self.vars[name] = str(flat[found[0]])
        if step.keep == ["none"]:
            if not 200 <= raw.get("code", 200) < 300 or raw.get("exit", 0) != 0:
                raise CaseError(f"{step.where}: a step whose answer is not kept must succeed: {json.dumps(raw)[:600]}")
            return {}
        flat = self.norm.flat(raw, managed=any(SERVER_MADE in k for k in step.keep))
        return answers.reduce(flat, step.keep, step.drop)

    def prepare(self):
        if not any("$NS" in "\n".join([s.line, *s.body]) for s in self.case.steps):
            return
        path = "/api/v1/namespaces"
        old = self.client.call("GET", f"{path}/{self.ns}")[0]
        if old == 200:
            self.client.call("DELETE", f"{path}/{self.ns}")
            self.wait(f"{path}/{self.ns}", 404, 60)
        self.client.call("POST", path, json.dumps({"metadata": {"name": self.ns}}),
                         {"Content-Type": "application/json"})
        self.wait(f"{path}/{self.ns}/serviceaccounts/default", 200, 20)

    def wait(self, path, code, seconds):
        end = time.monotonic() + seconds
        while self.client.call("GET", path)[0] != code:
            if time.monotonic() > end:
                raise CaseError(f"{self.case.name}: {path} did not become {code} within {seconds} s")
            time.sleep(0.02)  # poll

    def all(self):
        try:
            self.prepare()
            return [(s.line, self.perform(s)) for s in self.case.steps]
        finally:
            for w in self.watches.values():
                w.close()
            self.client.close()


def run(server, cases, threads=6, remove=False):
    """Slow cases (those that wait for pods) begin first. ({case: steps}, {case: seconds}, [errors])"""
    results, took, errors = {}, {}, []

    def one(case):
        begin = time.monotonic()
        try:
            r = Run(server, case)
            results[case.name] = r.all()
        except Exception as e:  # reported, and the others go on
            errors.append(f"{case.name}: {type(e).__name__ if not isinstance(e, CaseError) else 'case'}: {e}")
        took[case.name] = time.monotonic() - begin

    order = sorted(cases, key=lambda c: -sum(5 if s.until or s.what == "events" else 2 if s.what == "kubectl" else 0
                                              for s in c.steps))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, order))
    if remove:
        for c in cases:
            server.once("DELETE", f"/api/v1/namespaces/c-{c.name}")
    return results, took, errors
