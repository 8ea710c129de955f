"""The table of differences in docs/sandbox.md, made from differences.txt."""
import glob, os

import answers, casefile, differences
from casefile import HERE

PATH = os.path.join(HERE, "..", "..", "docs", "sandbox.md")
BEGIN, END = "<!-- differences: made by tests/conformance/conformance docs --write -->\n", "<!-- /differences -->\n"


def table():
    cases = casefile.load()
    header = answers.read(sorted(glob.glob(os.path.join(HERE, "recorded", "*.txt")))[0])[0]
    rows = [f"{len(cases)} cases with {sum(len(c.steps) for c in cases)} requests and commands, recorded from Kubernetes "
            f"{header['server']}.\n\n", "| difference | in cases |\n", "| --- | --- |\n"]
    for reason in differences.load():
        cases = []
        for r in reason.rows:
            name = "all" if r.case == "*" else r.case
            if name not in cases:
                cases.append(name)
        rows.append(f"| {reason.text.replace('|', chr(92) + '|')} | {', '.join(cases)} |\n")
    return "".join(rows)


def parts():
    with open(PATH) as f:
        text = f.read()
    head, begin, rest = text.partition(BEGIN)
    body, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PATH}: the marks of the table of differences are gone")
    return head, body, tail


def check():
    if parts()[1] != table():
        print("FAILED docs/sandbox.md: its table is not that of differences.txt; conformance docs --write makes it")
        return 1
    return 0


def write():
    head, _, tail = parts()
    with open(PATH, "w") as f:
        f.write(head + BEGIN + table() + END + tail)
    return 0
