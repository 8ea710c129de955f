"""The comparison of the sandbox with a real API server: what it must notice, and what it must not."""
import os, sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "conformance"))
import answers, casefile, differences  # noqa: E402


def rows(text, tmp_path, monkeypatch):
    path = tmp_path / "differences.txt"
    path.write_text(text)
    monkeypatch.setattr(differences, "PATH", str(path))
    return differences.load()


def case(name, *lines):
    c = casefile.Case(name, "", "file")
    c.steps = [casefile.Step(i, line, "here") for i, line in enumerate(lines, 1)]
    return c


REAL = [("GET /a", {"code": 200, "body.x": 1, "body.gone": True}), ("$ get a", {"exit": 0, "out[0]": "a"})]
OURS = [("GET /a", {"code": 200, "body.x": 2, "body.new": 5}), ("$ get a", {"exit": 1, "out[0]": "b"})]


def test_every_kind_of_difference_is_found():
    found = differences.compare_case("c", REAL, OURS, "same")
    assert [(d.step, d.sign, d.path) for d in found] == [
        (1, "-", "body.gone"), (1, "+", "body.new"), (1, "~", "body.x"), (2, "~", "exit"), (2, "~", "out[0]")]
    assert [d.path for d in differences.compare_case("c", REAL, OURS, "newer")][3:] == ["exit"]
    assert len(differences.compare_case("c", REAL, OURS, "older")) == 3
    assert differences.compare_case("c", REAL, REAL, "same") == []


def test_unlisted_and_vanished(tmp_path, monkeypatch):
    found = differences.compare_case("c", REAL, OURS, "same")
    cases = [case("c", "GET /a", "$ get a"), case("other", "GET /b")]
    listed = rows("[why] because\nc 1 - body.gone\nc 1 + body.new\n* * ~ body.x\nc 2 ~ **\n", tmp_path, monkeypatch)
    assert differences.judge(found, listed, cases, True, False) == ([], [])
    fewer = rows("[why] because\nc 1 - body.gone\nc 1 ~ body.new\nc 2 * **\n", tmp_path, monkeypatch)
    unlisted, gone = differences.judge(found, fewer, cases, True, False)
    assert [d.path for d in unlisted] == ["body.new", "body.x"] and [r.path for r in gone] == ["body.new"]
    # what did not run says nothing about its rows, and neither does a kubectl whose words do not count
    absent = rows("[why] because\nno-such 1 - x\nc 2 ~ out\n", tmp_path, monkeypatch)
    assert differences.judge([], absent, cases, False, False)[1] == []
    assert [r.path for r in differences.judge([], absent, cases, True, False)[1]] == ["out"]


def test_a_row_must_be_one(tmp_path, monkeypatch):
    for text in ("c 1 - x\n", "[why] because\nc 1 x\n", "[why] because\nc 1 ? x\n"):
        with pytest.raises(casefile.CaseError):
            rows(text, tmp_path, monkeypatch)


def test_answers_are_made_equal():
    one = answers.Normaliser("node-a").flat({"body": {
        "metadata": {"uid": "12345678-1234-1234-1234-123456789012", "resourceVersion": "7", "labels": None},
        "spec": {"nodeName": "node-a", "clusterIP": "10.0.0.7"}, "at": "2026-01-02T03:04:05Z",
        "conditions": [{"type": "B", "status": "True"}, {"type": "A", "status": "False"}]}})
    two = answers.Normaliser("b").flat({"body": {
        "metadata": {"uid": "87654321-4321-4321-4321-210987654321", "resourceVersion": "99"},
        "spec": {"nodeName": "b", "clusterIP": "198.18.8.9"}, "at": "2020-01-02T03:04:06Z",
        "conditions": [{"type": "A", "status": "False"}, {"type": "B", "status": "True"}]}})
    assert one == two
    assert one["body.metadata.uid"] == "<uid 1>" and one["body.conditions.A.status"] == "False"
    assert answers.Normaliser(None).flat({"a": "x"}) != answers.Normaliser(None).flat({"a": "y"})


def test_versions_are_numbered_as_they_are_seen():
    n = answers.Normaliser(None)
    seen = [n.flat({"kind": "A", "metadata": {"resourceVersion": rv}})["metadata.resourceVersion"] for rv in ("5", "9", "5")]
    assert seen == ["<rv 1>", "<rv 2>", "<rv 1>"], "a write that changed nothing shows"


def test_paths():
    flat = {"body.items[0].metadata.name": 1, "body.items[1].metadata.name": 2, "body.kind": 3, 'body.m["a.b"].c': 4}
    assert list(answers.reduce(flat, ["body.items[*].metadata.name"], [])) == list(flat)[:2]
    assert list(answers.reduce(flat, [], ["body.items"])) == list(flat)[2:]
    assert list(answers.reduce(flat, ["body.m**.c"], [])) == ['body.m["a.b"].c']
    assert answers.reduce(flat, ["body.item"], []) == {}, "a path is not a prefix of letters"


def test_every_case_is_recorded_as_it_is_asked():
    recorded = {}
    for file in sorted(os.listdir(os.path.join(casefile.HERE, "recorded"))):
        header, cases = answers.read(os.path.join(casefile.HERE, "recorded", file))
        assert header["server"].startswith("v1.") and header["kubectl"]
        recorded.update(cases)
    cases = casefile.load()
    assert sorted(recorded) == sorted(c.name for c in cases)
    for c in cases:
        assert [line for line, _ in recorded[c.name]] == [s.line for s in c.steps], c.name


def test_a_recording_reads_as_it_was_written(tmp_path):
    path = tmp_path / "x.txt"
    steps = [("GET /x?a=b = c", {"body": 'line "one"\nand = two', "n": None, "l": [], "ü": "ö"})]
    with open(path, "w") as f:
        answers.write(f, {"server": "v1.20.2", "kubectl": "1.28"}, [("case", steps)])
    assert answers.read(path) == ({"server": "v1.20.2", "kubectl": "1.28"}, {"case": steps})
