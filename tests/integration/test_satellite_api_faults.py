"""Each way in which an API server can fail, one at a time, between the satellite and a real one: what is retried, what is
told in its words, what is waited for; and that all is well once the fault is gone."""
import os
import threading
import time

import pytest

from fake_central import pb, wait_until
from faulty_api import FaultyApi, cut, hold, status
from satellite_util import ack_of, cluster_config
from test_satellite_operator import Env, Sidecar, kubectl, passwords  # noqa: F401 (a fixture)


LONG = pytest.mark.skipif(os.environ.get("PGSWARM_FAULTS") != "all", reason="with PGSWARM_FAULTS=all, as make check-kube does")


class Site:
    """One satellite with a cluster in force, behind the proxy; versions count up."""

    def __init__(self, kubectl, folder):  # noqa: F811
        self.env = Env(kubectl, folder)
        self.config = os.path.join(folder, "sat.kubeconfig")
        self.api = FaultyApi(self.config)
        self.token = os.path.join(folder, "token")
        self.s, self.version = self.env.applied(1), 1

    def send(self, **more):
        self.version += 1
        more.setdefault("parameters", {"work_mem": f"{self.version}MB"})
        self.s.send(cluster_config=cluster_config(self.env.db, self.version, **more))
        return self.version

    def applied(self, seconds=120):
        ack_of(self.s, self.version, "applied", seconds)

    def refused(self, seconds=60):
        return ack_of(self.s, self.version, "refused", seconds).error

    def drift(self, seconds=180):
        """Somebody deletes an object; it comes back, so the satellite saw it."""
        self.env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", self.env.db)
        wait_until("the drift is repaired", lambda: self.env.get("svc", "prod-pg-ro"), seconds)

    def alive(self):
        assert self.env.sat.proc.poll() is None


@pytest.fixture(scope="module")
def module_site(kubectl, tmp_path_factory):  # noqa: F811
    s = Site(kubectl, str(tmp_path_factory.mktemp("faults")))
    yield s
    s.api.heal()
    s.env.close()
    s.api.stop()


@pytest.fixture
def site(module_site):
    module_site.api.heal()
    yield module_site
    module_site.api.heal()
    module_site.alive()
    module_site.send()
    module_site.applied()  # whatever it was, it is over
    module_site.drift()


STS, CM = "/statefulsets/prod-pg", "/configmaps/prod-pg-config"


@pytest.mark.parametrize("code, reason", [(500, "InternalError"), (502, "BadGateway"), (503, "ServiceUnavailable"),
                                          (504, "Timeout"), (409, "Conflict"), (0, "cut")])
def test_what_passes_is_tried_again(site, code, reason):
    """Nobody is told; the write comes through at its third time."""
    fault = site.api.fault("PATCH", CM, cut if not code else status(code, reason), times=2)
    n = len(site.s.all("config_ack"))
    site.send()
    site.applied()
    assert len(fault.hits) == 2
    assert [a.result for a in site.s.all("config_ack")[n:]] == [pb.config.ACK_RESULT_APPLIED]


@pytest.mark.parametrize("code, reason, words", [
    pytest.param(403, "Forbidden", "configmaps \"prod-pg-config\" is forbidden: not on this site", marks=LONG),
    pytest.param(422, "Invalid", "ConfigMap \"prod-pg-config\" is invalid: data: too pretty", marks=LONG),
    (400, "BadRequest", "admission webhook \"no.example\" denied the request: never")])
def test_what_is_refused_is_told_in_the_servers_words(site, code, reason, words):
    fault = site.api.fault("PATCH", CM, status(code, reason, words))
    site.send()
    assert words in site.refused() and "prod-pg-config" in site.refused()
    asked = len(fault.hits)
    assert asked == 1, "the same question again would bring the same answer"
    wait_until("an event", lambda: any(words in e.message for e in site.s.all("event") if e.kind == "config.refused"))
    site.api.heal()
    site.applied(180)  # by itself


def test_retry_after_is_kept(site):
    fault = site.api.fault("PATCH", CM, status(429, "TooManyRequests", Retry_After="3"), times=1)
    site.send()
    site.applied()
    again = [at for at, m, p in site.api.requests if m == "PATCH" and CM in p and at > fault.hits[0] + 0.01]
    assert again[0] - fault.hits[0] >= 2.9


@LONG
def test_an_overloaded_server_is_not_hammered(site):
    since = time.monotonic()
    fault = site.api.fault(None, "/", status(429, "TooManyRequests", Retry_After="1"))
    site.send()
    wait_until("it goes on asking", lambda: len(fault.hits) >= 10, 60)
    spent = time.monotonic() - since
    assert len(fault.hits) / max(spent, 1) < 30, "every watch and the pass, about once a second each"
    site.api.heal()
    site.applied()


def test_a_token_that_is_not_taken_any_more(site):
    """401 until the token was renewed; the file is read again, nobody restarts anything."""
    with open(site.token) as f:
        good = f.read()
    said = len(site.env.sat.text())
    with open(site.token, "w") as f:
        f.write("expired")
    site.api.fault("PATCH", CM, cut, times=1)  # the connection with it is gone as well
    site.send()
    wait_until("it says so", lambda: "nauthorized" in site.env.sat.text()[said:])
    with open(site.token, "w") as f:
        f.write(good)
    site.applied()


def test_a_list_that_expires(site):
    """410 in answer to a list or to the start of a watch: from the beginning again."""
    fault = site.api.fault("GET", "/services\\?", status(410, "Expired", "too old resource version"), times=2)
    site.api.twist = lambda path, line: [None] if "/services" in path else [line]  # its watch ends at its next event
    site.env.kubectl.merge("svc", "prod-pg-rw", site.env.db, {"metadata": {"annotations": {"x": "1"}}})
    wait_until("it asked", lambda: len(fault.hits) == 2, 60)
    site.api.heal()


def test_a_watch_that_ends_with_each_event(site):
    since = time.monotonic()
    ended = []
    site.api.twist = lambda path, line: ended.append(path) or [line, None]
    for i in range(3):
        site.env.kubectl.merge("svc", "prod-pg-rw", site.env.db, {"metadata": {"annotations": {"y": str(i)}}})
    site.drift()
    spent = time.monotonic() - since
    assert ended and site.api.count("GET", "services.*watch", since) < 10 + 5 * spent


def test_a_watch_that_says_expired(site):
    gone = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
    said = []

    def twist(path, line):
        if "/services" in path and len(said) < 3:
            said.append(path)
            return [gone, None]
        return [line]
    site.api.twist = twist
    site.drift()
    wait_until("it said so", lambda: said)  # at the latest of what was made anew


def test_made_and_deleted_between_two_lists(site):
    """The watch is away while the Service is made again and deleted again: no list tells, and it is missed all the same."""
    gone = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
    hidden = []

    def twist(path, line):
        if hidden or "/services" not in path or b'"ADDED"' not in line:
            return [line]
        site.api.fault("GET", r"/services\?(?!.*watch=)", status(503, "ServiceUnavailable"))
        hidden.append(line)
        return [gone, None]
    site.api.twist = twist
    site.env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", site.env.db)
    wait_until("it is made again, and that is hidden", lambda: hidden, 120)
    site.env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", site.env.db)
    site.api.heal()
    wait_until("the drift is repaired", lambda: site.env.get("svc", "prod-pg-ro"), 120)


EVENTS = "pg-swarm-satellite-events"


def test_a_write_of_events_that_hangs(site):
    """Events do not wait for it; and when it reaches the server after newer ones, it undoes nothing."""
    env, gate, answers = site.env, threading.Event(), []
    wait_until("pods", lambda: env.get("pod", "prod-pg-0"))
    car = Sidecar(env, "prod-pg-0", passwords(env.get("secret", "prod-pg-secret"))["sidecar-stream-token"])
    come = lambda: [(e.message, e.sequence) for e in site.s.all("event") if e.kind == "test.hang"]

    def say(text, seconds):
        car.send(event=pb.health.EventReport(severity=1, kind="test.hang", message=text))
        return wait_until(f"'{text}' at central", lambda: [n for m, n in come() if m == text], seconds)[0]
    try:
        say("before", 60)
        fault = site.api.fault("PATCH", EVENTS, hold(gate, answers), times=1)
        site.send()  # whose event may be the one that hangs
        first = say("meanwhile", 28)  # an HTTP request would wait 30 s
        assert fault.hits and not answers
        second = say("after", 60)
        kept = lambda: int(env.kubectl.get("cm", EVENTS, env.ns)["data"]["next"])
        before = kept()
        gate.set()
        wait_until("the old write reaches the server", lambda: answers)
        assert answers == [409], "the server has newer"
        assert first < second < before <= kept()
    finally:
        gate.set()
        car.close()
    n = [e.sequence for e in site.s.all("event")]
    assert len(n) == len(set(n)), "no number twice"


@LONG
def test_a_watch_with_garbage(site):
    said = []

    def twist(path, line):
        if "/services" in path and len(said) < 3:
            said.append(path)
            return [b'{"type":"MODIFIED","object":\xff{]\n', None]
        return [line]
    site.api.twist = twist
    site.drift()
    assert said


@LONG
def test_a_watch_that_is_slow(site):
    """An event that comes a few bytes at a time."""
    def twist(path, line):
        if "/services" not in path:
            return [line]
        return slowly(line)

    def slowly(line):
        for i in range(0, len(line), max(1, len(line) // 8)):
            time.sleep(0.2)  # the fault itself
            yield line[i:i + max(1, len(line) // 8)]
    site.api.twist = twist
    site.drift()


def test_a_watch_that_repeats(site):
    """Every event three times, old ones among them: no more writes than without."""
    site.api.twist = lambda path, line: [line, line, line]
    site.send()
    site.applied()
    site.drift()
    last = {"n": -1, "since": 0}

    def rest():
        n = site.env.sat.metric("writes_total")
        last["since"] = last["since"] + 1 if n == last["n"] else 0
        last["n"] = n
        return last["since"] > 40
    wait_until("no more writes", rest, 120)


def test_a_watch_that_jumps(site):
    """An event is lost and later ones come; the server says that it is too far behind: the list that follows tells."""
    gone = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
    lost = []

    def twist(path, line):
        if "/services" not in path or not lost and b"DELETED" not in line:
            return [line]
        lost.append(path)
        return [] if len(lost) == 1 else [line] if len(lost) == 2 else [gone, None] if len(lost) == 3 else [line]
    site.api.twist = twist

    def lose():  # a list may tell it instead: then once more
        if not lost and site.env.get("svc", "prod-pg-ro"):
            site.env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", site.env.db)
        return lost
    wait_until("it is lost", lose, 90)
    for i in range(2):
        site.env.kubectl.merge("svc", "prod-pg-rw", site.env.db, {"metadata": {"annotations": {"z": str(i)}}})
    wait_until("the drift is repaired", lambda: site.env.get("svc", "prod-pg-ro"), 120)


def test_an_api_server_that_is_away(site):
    """Nothing at all for a while; what was wished meanwhile is made so afterwards."""
    site.api.fault(None, "/", cut)
    site.send()
    wait_until("it tried", lambda: len(site.api.faults[0].hits) > 3, 60)
    site.alive()
    site.api.heal()
    site.applied()
