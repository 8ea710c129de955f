"""Case files: what is asked of a server, and what is kept of the answer. The format is told in README.md."""
import glob, os, re, shlex

HERE = os.path.dirname(os.path.abspath(__file__))
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATCHES = {"json": "application/json-patch+json", "merge": "application/merge-patch+json",
           "strategic": "application/strategic-merge-patch+json", "apply": "application/apply-patch+yaml"}
DIRECTIVES = ("keep", "drop", "save", "until", "raw", "type", "as", "header", "within")


class CaseError(Exception):
    pass


class Step:
    def __init__(self, number, line, where):
        self.number, self.line, self.where = number, line, where
        self.body, self.keep, self.drop, self.save, self.until = [], [], [], [], []
        self.raw, self.type, self.token, self.headers, self.within = False, None, None, {}, 30
        word, _, rest = line.partition(" ")
        self.verb, self.rest = word, rest.strip()
        if word == "$":
            self.what = "kubectl"
        elif word in ("WATCH", "EVENTS"):
            self.what = word.lower()
        elif word.split(".")[0] in METHODS:
            self.what = "http"
            if word.startswith("PATCH."):
                self.type = PATCHES[word[6:]]
            self.verb = word.split(".")[0]
        else:
            raise CaseError(f"{where}: no step begins with {word!r}")

    def directive(self, text):
        name, _, rest = text[1:].partition(" ")
        rest = rest.strip()
        if name not in DIRECTIVES:
            raise CaseError(f"{self.where}: no directive @{name}; there are {' '.join(DIRECTIVES)}")
        if name in ("keep", "drop"):
            getattr(self, name).extend(rest.split())
        elif name in ("save", "until"):
            left, _, right = rest.partition("=")
            getattr(self, name).append((left.strip(), right.strip()))
        elif name == "header":
            left, _, right = rest.partition(":")
            self.headers[left.strip()] = right.strip()
        elif name == "raw":
            self.raw = True
        elif name == "within":
            self.within = float(rest)
        else:
            setattr(self, "token" if name == "as" else name, rest)

    def args(self):
        return shlex.split(self.rest)

    @property
    def text(self):
        lines = self.body
        while lines and not lines[-1].strip():
            lines = lines[:-1]
        indent = min((len(s) - len(s.lstrip()) for s in lines if s.strip()), default=0)
        return "\n".join(s[indent:] for s in lines)


class Case:
    def __init__(self, name, title, file):
        self.name, self.title, self.file, self.steps = name, title, file, []


def parse(path):
    file = os.path.basename(path).removesuffix(".case")
    cases = []
    with open(path) as f:
        for n, line in enumerate(f, 1):
            line, where = line.rstrip("\n"), f"{os.path.basename(path)}:{n}"
            if line.startswith("== "):
                name, _, title = line[3:].strip().partition(" ")
                cases.append(Case(name, title.strip(), file))
            elif line.startswith("#") or not line.strip():
                continue
            elif not cases:
                raise CaseError(f"{where}: a step before the first case")
            elif not line[0].isspace():
                cases[-1].steps.append(Step(len(cases[-1].steps) + 1, line, where))
            elif re.match(r"\s+@[a-z]", line):
                cases[-1].steps[-1].directive(line.strip())
            else:
                cases[-1].steps[-1].body.append(line)
    return cases


def load(only=()):
    """All cases in order; `only`: file or case names."""
    cases = [c for p in sorted(glob.glob(os.path.join(HERE, "cases", "*.case"))) for c in parse(p)]
    names = [c.name for c in cases]
    double = {n for n in names if names.count(n) > 1}
    if double:
        raise CaseError("two cases with one name: " + " ".join(sorted(double)))
    return [c for c in cases if not only or c.name in only or c.file in only]
