"""Decisions of members at the site: kept before a member may forget them, in order, whatever is away."""
import pytest

from decision_util import chain, data
from fake_central import pb, wait_until
from test_satellite_operator import Env, Sidecar, kubectl, passwords  # noqa: F401: kubectl is a fixture


@pytest.fixture
def env(kubectl, tmp_path):  # noqa: F811
    e = Env(kubectl, str(tmp_path))
    yield e
    e.close()


def member(env, pod="prod-pg-1"):
    """Let in: a satellite that has just started does not know its token yet."""
    token = passwords(env.get("secret", "prod-pg-secret"))["sidecar-stream-token"]
    wait_until("its pod", lambda: env.get("pod", pod))

    def come():
        car = Sidecar(env, pod, token)
        return car if car.joined() else car.close()
    return wait_until("it is let in", come)


def say(car, decisions):
    for d in decisions:
        car.send(event=pb.health.EventReport(at_us=d["at_us"], severity=pb.health.SEVERITY_INFO, kind="decision",
                                             message=d["did"], source="sidecar", data=data(d)))


def acked(car, name):
    return max([m.decision_ack.number for m in car.got
                if m.WhichOneof("payload") == "decision_ack" and m.decision_ack.chain == name], default=0)


def told(stream):
    return [e for e in stream.all("event") if e.kind == "decision"]


def notes(n):
    return [(7, "test.step", f"look {i}", f"step {i}", "a rule") for i in range(n)]


NAME = "00c0ffee00c0ffee"


def test_kept_then_acknowledged_then_told_in_order(env):
    s = env.applied()
    car = member(env)
    said = chain("prod-pg-1", notes(5))
    say(car, said)
    wait_until("acknowledged", lambda: acked(car, NAME) == 5)
    got = wait_until("told", lambda: len(told(s)) >= 5 and told(s))
    assert [e.data["number"] for e in got] == list("12345")
    assert [e.data["hash"] for e in got] == [d["hash"] for d in said]
    assert all((e.pod_name, e.cluster_name, e.namespace) == ("prod-pg-1", "prod-pg", env.db) for e in got)
    acks = lambda: len([m for m in car.got if m.WhichOneof("payload") == "decision_ack"])
    before = acks()
    say(car, said[:2])  # it has not heard us: told again that they are here, and not told twice
    wait_until("again", lambda: acks() > before)
    say(car, chain("prod-pg-1", notes(2), name="11" * 8))  # a new pod, a new chain
    wait_until("the new chain", lambda: acked(car, "11" * 8) == 2)
    wait_until("it is told", lambda: len([e for e in told(s) if e.data["chain"] == "11" * 8]) == 2)
    assert len(told(s)) == 7
    bad = data(said[0])
    del bad["hash"]
    car.send(event=pb.health.EventReport(kind="decision", message="x", data=bad))
    wait_until("refused", lambda: "a decision that cannot be read" in env.sat.text())
    car.close()


def test_central_away_and_the_satellite_killed(env):
    s = env.applied()
    car = member(env)
    env.central.acks = False
    said = chain("prod-pg-1", notes(200))
    say(car, said)
    # Half of the room is for them; the rest the member keeps.
    first = wait_until("some are kept", lambda: acked(car, NAME) >= 50 and acked(car, NAME))
    wait_until("no more are taken", lambda: acked(car, NAME) > 0 and env.sat.metric("events_kept") >= 128)
    assert acked(car, NAME) < 200 and first <= 128
    kept = acked(car, NAME)
    env.sat.kill()
    car.close()
    env.central.acks = True
    n = len(env.central.streams)
    env.sat.start()
    s = env.central.stream(after=n)
    wait_until("what was kept is told", lambda: len(told(s)) >= kept)
    car = member(env)
    # As a sidecar does it: again from the first that is not acknowledged.
    for _ in range(20):
        if acked(car, NAME) == 200:
            break
        at = max(acked(car, NAME), kept)
        wait_until("there is room", lambda: 0 <= env.sat.metric("events_kept") < 60)
        say(car, said[at:at + 60])
        wait_until("more", lambda a=at: acked(car, NAME) > a, 40)
    assert acked(car, NAME) == 200
    numbers = wait_until("all are told", lambda: len({e.data["number"] for e in told(s)}) == 200
                         and [int(e.data["number"]) for e in told(s)])
    firsts = sorted(set(numbers), key=numbers.index)
    assert firsts == list(range(1, 201))
    car.close()
