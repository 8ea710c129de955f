"""The scenarios of tests/e2e/specs that are tagged kube: what they do wrong, a real Kubernetes can do as well."""
import subprocess
import sys

import pytest

from conftest import DB, TOP, storage_class

sys.path.insert(0, f"{TOP}/tests/e2e")
from harness.cluster import Cluster  # noqa: E402
from harness.player import Player  # noqa: E402
from harness.spec import load  # noqa: E402
from harness.stage import specs  # noqa: E402

SPECS = [s for s in map(load, specs()) if "kube" in s.tags]


class Site:
    """What a player asks of a sandbox, here of the Kubernetes under test."""

    def __init__(self, kube):
        self.kube, self.env, self.folder = kube, kube.env, kube.folder
        self.ctl = kube.ctl

    def run(self, *argv, check=True, stdin=None, env=None, timeout=180):
        p = subprocess.run(argv, env=env or self.env, input=stdin, capture_output=True, text=True, timeout=timeout)
        assert p.returncode == 0 or not check, f"{' '.join(argv)}: exit {p.returncode}\n{p.stdout}\n{p.stderr}"
        return p

    def kubectl(self, site, *args, **kw):
        return self.kube.kubectl(*args, **kw)

    def kube_env(self, site):
        return self.env

    def cluster(self, name):
        return self.kube.cluster(name.split("@")[0])

    def in_site(self, site, argv):
        return list(argv)  # kube-real routes to its pods

    def heal(self):
        pass


@pytest.fixture(scope="module")
def cluster(site):
    if not site.real:
        pytest.skip("this machine does not reach the pods of a Kubernetes that is not kube-real")
    site.apply(storage_class("pgs-check-ha"))
    site.volumes("pgs-check-ha", 3)
    site.make("ha", "failover.durability=protected", "storage.storage_class=pgs-check-ha", replicas=3)
    site.running("ha")
    c = Cluster(Site(site), "ha", site="check", ns=DB, durability="protected")
    c.wait_whole(3)
    yield c
    site.remove("ha")


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.number}-{s.name}")
def test_scenario(cluster, spec):
    # kube-proxy gathers changes for a second or more before it sends anybody to the new primary.
    Player(spec, cluster, cluster.sandbox.folder, patience=5).play()

