"""Answers as flat tables {path: value}: normalised, reduced to what is kept, written and read as text."""
import json, re

CONSONANTS = "bcdfghjklmnpqrstvwxz2456789"  # of names that a server makes up
TEXT_RULES = [(re.compile(p), r) for p, r in (
    (r"eyJ[\w-]{10,}\.[\w-]+\.[\w-]*", "<token>"),
    (r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", "<microtime>"),
    (r"\b0xc[0-9a-f]{9}\b", "<pointer>"),
    (r"\bdocker\.io/", ""),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "<time>"),
    (r"[A-Z][a-z]{2}, +\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
    (r"\b(?!192\.0\.2\.)(?!127\.)(?!0\.0\.0\.0)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", "<ip>"),
    (rf"-[{CONSONANTS}]{{8,10}}\b", "-<hash>"),
    (rf"-[{CONSONANTS}]{{5}}\b", "-<made>"),
    (r"resource version: (\d+) \(\d+\)", r"resource version: \1 (<rv>)"),
    (r"\b(policy|discovery\.k8s\.io)/v1(beta1)?\b", r"\1/<version>"),
    (r"pod-template-hash=\w+", "pod-template-hash=<hash>"),
    (r"current: \d+", "current: <rv>"),
    (r"in record \(\d+\)", "in record (<rv>)"),
    (r"\.[0-9a-f]{16}\b", ".<event>"),
    (r"\b(containerd|sandbox)://[0-9a-f]+", "<container>"),
    (r"https://[\w.\[\]:-]+:\d+", "<server>"),
)]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
AGE = re.compile(r"(?<=[\s(\"])(\d+[smhd])+(?=[\s)\"]|$)|(?<=\s)<invalid>(?=\s|$)")
HASH_KEYS = ("pod-template-hash", "controller-revision-hash", "controller.kubernetes.io/hash")
PLAIN = re.compile(r"[A-Za-z0-9_-]+$")


# Lists whose order says nothing: shown by what identifies an element.
BY_KEY = {"causes": ("field",), "conditions": ("type",), "managedFields": ("manager", "operation", "subresource"),
          "resources": ("name",)}


def tidy(v, managed):
    """A member that is null is an absent one, for clients read both alike; the text of several causes is told by them."""
    if isinstance(v, list):
        return [tidy(m, managed) for m in v]
    if not isinstance(v, dict):
        return v
    out = {}
    for k, m in v.items():
        if m is None or (k == "managedFields" and not managed):
            continue
        keys = BY_KEY.get(k)
        if keys and isinstance(m, list) and all(isinstance(x, dict) and keys[0] in x for x in m):
            m = keyed(m, keys)
        out[k] = tidy(m, managed)
    if isinstance(out.get("message"), str) and " is invalid: [" in out["message"]:
        out["message"] = out["message"].partition(" is invalid: [")[0] + " is invalid: [...]"
    return out


def keyed(elements, keys):
    out = {}
    for e in elements:
        name, n = " ".join(str(e[k]) for k in keys if k in e), 1
        while f"{name} {n}".removesuffix(" 1") in out and out[f"{name} {n}".removesuffix(" 1")] != e:
            n += 1
        out[f"{name} {n}".removesuffix(" 1")] = e
    return out


class Normaliser:
    """Of one case: uids and versions become numbers in the order in which they were first seen."""

    def __init__(self, node):
        self.node = node and re.compile(rf"(?<![\w-]){re.escape(node)}(?![\w-])")
        self.seen = {"uid": {}, "rv": {}}

    def number(self, what, value):
        table = self.seen[what]
        return f"<{what} {table.setdefault(value, len(table) + 1)}>"

    def text(self, s, ages=False):
        s = UUID.sub(lambda m: self.number("uid", m.group()), s)
        for rule, to in TEXT_RULES:
            s = rule.sub(to, s)
        if self.node:
            s = self.node.sub("<node>", s)
        return AGE.sub("<age>", s) if ages else s

    def value(self, key, v, of_list):
        if key == "resourceVersion" and isinstance(v, str):
            return "<rv>" if of_list or not v.isdigit() else v if v in ("", "0") else self.number("rv", v)
        if key == "continue":
            return "<continue>" if v else v
        if key in ("nodePort", "healthCheckNodePort"):
            return "<port>"
        if key in ("imageID", "containerID"):
            return "<id>" if v else v
        if key in HASH_KEYS and isinstance(v, str):
            return self.text("-" + v.rpartition("-")[2])
        return self.text(v) if isinstance(v, str) else v

    def lines(self, text):
        """Of a command's output: runs of blanks are two, ages and widths do not count."""
        out = []
        for line in self.text(text, True).splitlines():
            out.append(re.sub(r"\s{2,}", "  ", line.replace("\t", "  ")).rstrip())
        return out

    def flat(self, answer, managed=False):
        out = {}
        self._walk("", None, tidy(answer, managed), out, False)
        return out

    def _walk(self, path, key, v, out, of_list):
        if isinstance(v, dict) and v:
            listish = str(v.get("kind", "")).endswith("List") or v.get("kind") == "Table"
            for k, m in v.items():
                step = ("." if path else "") + k if PLAIN.match(k) else "[%s]" % json.dumps(self.text(k))
                inner = (listish and k == "metadata") or (of_list and key == "metadata")
                self._walk(path + step, k, m, out, inner)
        elif isinstance(v, list) and v:
            for i, m in enumerate(v):
                self._walk(f"{path}[{i}]", key, m, out, False)
        else:
            out[path] = self.value(key, v, of_list)


def glob_pattern(glob):
    """`*` stands for one step of a path, `**` for any; what is below a match matches."""
    out = ""
    for part in re.split(r"(\*\*|\*)", glob):
        out += ".*" if part == "**" else r"[^.\[\]]*" if part == "*" else re.escape(part)
    return re.compile(out + r"($|[.\[])")


def reduce(flat, keep, drop):
    kept = [glob_pattern(k) for k in keep]
    dropped = [glob_pattern(d) for d in drop]
    return {p: v for p, v in flat.items() if (not kept or any(k.match(p) for k in kept))
            and not any(d.match(p) for d in dropped)}


def write(f, header, cases):
    """cases: [(name, [(step line, flat)])]"""
    f.write("".join(f"# {k}: {v}\n" for k, v in header.items()))
    for name, steps in cases:
        f.write(f"\n== {name}\n")
        for i, (line, flat) in enumerate(steps, 1):
            f.write(f"{i} {line}\n")
            for path in sorted(flat):
                f.write(f"  {path} = {json.dumps(flat[path], ensure_ascii=False)}\n")


def read(path):
    """(header, {case: [(step line, flat)]})"""
    header, cases, steps = {}, {}, None
    with open(path) as f:
        for line in f:
            line = line.rstrip("\n")
            if line.startswith("# "):
                k, _, v = line[2:].partition(": ")
                header[k] = v
            elif line.startswith("== "):
                steps = cases.setdefault(line[3:], [])
            elif line.startswith("  "):
                p, _, v = line[2:].partition(" = ")
                steps[-1][1][p] = json.loads(v)
            elif line:
                steps.append((line.partition(" ")[2], {}))
    return header, cases
