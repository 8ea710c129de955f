"""What judges the scenarios, judged: a machine that stood still excuses a limit of time once, and nothing else."""
import os
import re
import signal
import subprocess

import pytest

from harness.load import Load, now_us
from harness.player import Broken, Late, Player
from harness.sandbox import TEST_BIN, wait_until
from harness.spec import parse
from harness.stage import Stage

SPEC = """# Why.
scenario 00 none
tags core
cluster members=3
load writers=4
step nothing
  say here
expect
  gap <= 500ms
  errors = 0
  moves = 0
"""
FIGURES = {"gap_ms": 20.0, "gap_at_us": 1000000, "overlap_ms": 0, "lost": 0, "acked": 9, "moves": 0, "errors": 0, "silent": 0,
           "spans": [], "lost_ids": []}


class Log(Load):
    """A log that is read, of nobody who writes."""

    def __init__(self, path, figures=FIGURES):
        self.log, self.reader, self.figures = str(path), None, figures
        self.last_ack, self.since, self.first_ack = 0, None, None
        self.states, self.acked_by, self.sent_to, self.addresses, self.stalls = {}, {}, {}, {}, []

    def sync_probers(self):
        pass

    def stop(self):
        pass

    def check(self, since=0, until=None):
        return dict(self.figures)


class Whole:
    """A cluster that is well."""
    name = "none"

    def wait_whole(self, members, seconds):
        pass

    def pods(self):
        return {"none-0": {}}


def player(path, lines="", **figures):
    path.write_text("S 1 none-0 writable\n" + lines)
    p = Player(parse("x.spec", SPEC), Whole(), "")
    p.load = Log(path, dict(FIGURES, **figures))
    return p


def verdict(p):
    with pytest.raises(Broken) as e:
        p.judge()
    return e.value


def test_only_time_is_excused(tmp_path):
    stalls = "T 1300000 400000 cpu0\nT 1300000 400000 cpu1\nT 9000000 900000 disk0\nT 1200000 150000 cpu0\n"
    path = tmp_path / "log"
    assert player(path, stalls).judge()["gap"] == 20
    late = verdict(player(path, stalls, gap_ms=700.0))
    assert isinstance(late, Late) and [s[2] for s in late.stalls] == ["cpu0", "cpu1"], "those within the gap, and long ones"
    assert not verdict(player(path, "T 9000000 900000 cpu0\n", gap_ms=700.0)).stalls, "it stood still, but not then"
    assert not verdict(player(path, gap_ms=700.0)).stalls
    assert verdict(player(path, stalls, errors=1, silent=1)).stalls
    for wrong in ({"errors": 2, "silent": 1}, {"moves": 1}, {"lost": 1}, {"overlap_ms": 3.0}):
        e = verdict(player(path, stalls, gap_ms=700.0, **wrong))
        assert not isinstance(e, Late), wrong


def test_an_ack_counts_from_when_it_came(tmp_path):
    p = player(tmp_path / "log", "A 1 1000 5000 10.0.0.1:5432 1\n")
    p.load.addresses = {"none-0": {"10.0.0.1"}}
    p.marks = {"before": 900, "between": 2000, "after": 5000}
    assert [p.is_no_ack(["none-0", "since", m], 0) for m in p.marks] == [False, False, True]
    p = player(tmp_path / "log", "A 1 1000 900000 10.0.0.1:5432 1\nT 1500 800000 cpu0\n")
    p.load.addresses, p.marks = {"none-0": {"10.0.0.1"}}, {"before": 900, "between": 2000}
    assert not p.is_no_ack(["none-0", "since", "before"], 0), "it was sent after: no excuse"
    with pytest.raises(Late):
        p.is_no_ack(["none-0", "since", "between"], 0)


def test_when_is_what_the_writers_wrote_down(tmp_path):
    """The harness looks after the limit; the write was in time, or was not."""
    for acked, held in ((300000, True), (900000, False)):
        p = player(tmp_path / "log")
        began = []

        def ack(words, since):
            if not began:
                began.append(since)
                with open(p.load.log, "a") as f:
                    f.write(f"A 1 {since + 1} {since + acked} 10.0.0.1:5432 1\n")
                return False
            return now_us() > since + 700000 and p.is_writable(words, since)
        p.condition = ack
        if held:
            p.do_wait(["500ms", "writable"], None)
        else:
            with pytest.raises(Late, match="after 0.9 s"):
                p.do_wait(["500ms", "writable"], None)


class Played(Stage):
    def __init__(self, *ends):
        super().__init__(sandbox=object(), say=lambda text: None)
        self.ends = list(ends)

    def play_once(self, scenario, ask):
        e = self.ends.pop(0)
        if isinstance(e, Exception):
            raise e
        return e


def late(*stalls):
    e = Late("gap is 700, <= 500 was promised")
    e.stalls = stalls
    return e


def test_played_again_once_and_aloud():
    s, still = parse("x.spec", SPEC), (1000, 701000, "cpu1")
    stage = Played(late(still), {"gap": 20})
    with pytest.warns(UserWarning, match="played again.*STOOD STILL: cpu1 for 700 ms"):
        assert stage.play(s) == {"gap": 20}
    assert len(stage.again) == 1
    with pytest.raises(Late), pytest.warns(UserWarning):
        Played(late(still), late(still), {"gap": 20}).play(s)
    for e in (late(), Broken("I1: 1 acknowledged rows are gone")):
        stage = Played(e, {"gap": 20})
        with pytest.raises(Broken):
            stage.play(s)
        assert not stage.again


def test_the_witnesses_see_a_stall(tmp_path):
    """Whether the machine stood still or only who measures: a stop of the writers looks the same to both."""
    log = tmp_path / "log"
    p = subprocess.Popen([os.path.join(TEST_BIN, "load_writer"), "run", "--dsn", "host=127.0.0.1 port=1", "--log", str(log)],
                         stdin=subprocess.PIPE, env=dict(os.environ, PGCONNECT_TIMEOUT="2"))
    try:
        wait_until("it writes", lambda: log.exists() and "\nE " in "\n" + log.read_text())
        os.kill(p.pid, signal.SIGSTOP)
        end = now_us() + 600000
        wait_until("it stood still", lambda: now_us() > end)
        os.kill(p.pid, signal.SIGCONT)
        seen = wait_until("the witnesses' lines", lambda: {m[2] for m in re.finditer(
            r"^T \d+ (\d+) (cpu\d+|disk0)$", log.read_text(), re.M) if int(m[1]) >= 500000})
        assert {f"cpu{n}" for n in os.sched_getaffinity(0)} >= {x for x in seen if x != "disk0"}
        p.stdin.close()
        assert p.wait(30) == 0
    finally:
        p.kill()
        p.wait()
