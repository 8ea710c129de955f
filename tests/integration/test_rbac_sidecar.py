"""The rights of a cluster's sidecars are the least that works: without any one verb of the Role that the satellite renders, its
members do not form a cluster, or not again after the primary left; and their logs say what is missing."""
import json
import os
import signal

import pytest

from launcher_util import wait_until
from sidecar_util import FakeKube, Pod

ROLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fixtures/golden/satellite/role.json")
with open(ROLE) as f:
    RIGHTS = sorted({(verb, r) for rule in json.load(f)["rules"] for r in rule["resources"] for verb in rule["verbs"]})


class Missing(Exception):
    pass


def step(pods, what, ready, seconds=90):
    """Until it is so, or until a sidecar says that it may not."""
    def either():
        for p in pods:
            for line in p.sidecar_log().splitlines():
                if "cannot" in line and "forbidden" in line and ("level=warn" in line or "level=error" in line):
                    raise Missing(line)
        return ready()
    try:
        wait_until(what, either, seconds)
    except AssertionError as e:
        raise Missing(str(e)) from None


def life(kube):
    """Three members form a cluster; a sidecar starts again; the primary dies, and the other two prove which of them has all."""
    pods = [Pod(kube, i, replicas=3, LEASE_SECONDS="9", DURABILITY="protected") for i in range(3)]
    a, b, c = pods
    try:
        for p in pods:
            p.launch()
        step(pods, "a primary", lambda: a.ready("primary"))
        step(pods, "replicas", lambda: b.ready("replica") and c.ready("replica"))
        step(pods, "labels", lambda: [kube.role(p.name) for p in pods] == ["primary", "replica", "replica"])
        a.kill_sidecar()
        a.start_sidecar()
        step(pods, "the primary again", lambda: a.ready("primary"))
        a.stop_pod(signal.SIGKILL)
        step(pods, "another primary", lambda: [p for p in (b, c) if p.ready("primary") and kube.role(p.name) == "primary"])
        step(pods, "one primary only", lambda: kube.role(a.name) != "primary")
        step(pods, "a replica of it", lambda: [p for p in (b, c) if p.ready("replica")])
    finally:
        for p in pods:
            p.stop()


@pytest.fixture
def kube():
    k = FakeKube()
    yield k
    k.close()


def test_with_all_of_them(kube):
    life(kube)


@pytest.mark.parametrize("right", RIGHTS, ids=lambda r: "-".join(r))
def test_without_one(kube, right):
    kube.denied.add(right)
    with pytest.raises(Missing) as e:
        life(kube)
    assert "forbidden" in str(e.value) and right[1] in str(e.value), str(e.value)
