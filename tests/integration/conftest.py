"""Fixtures that several files share."""
import os, subprocess, time

import pytest

from rest_util import Central, Postgres

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("PGSWARM_BIN", os.path.join(ROOT, "build/release/bin"))


@pytest.fixture(scope="session")
def kube_api(tmp_path_factory):
    """The kubeconfig (admin) of a Kubernetes API without a node: PGSWARM_TEST_KUBECONFIG, else a sandbox of our own."""
    given = os.environ.get("PGSWARM_TEST_KUBECONFIG")
    if given:
        yield given
        return
    program = os.path.join(BIN, "pg-swarm-sandbox")
    if not os.path.exists(program):
        pytest.skip("no Kubernetes API: PGSWARM_TEST_KUBECONFIG is not set and pg-swarm-sandbox is not built")
    state = tmp_path_factory.mktemp("site")
    log = open(state / "sandbox.log", "w")
    images = state / "images.json"
    images.write_text("{}")
    proc = subprocess.Popen([program, "--site", "test", "--state", str(state), "--images", str(images), "--no-node"],
                            stderr=log)
    config = state / "kubeconfig"
    try:
        end = time.monotonic() + 240
        while not config.exists() or subprocess.run(["kubectl", "--kubeconfig", str(config), "get", "ns"],
                                                    capture_output=True).returncode:
            assert proc.poll() is None, (state / "sandbox.log").read_text()[-4000:]
            assert time.monotonic() < end, "the sandbox's API does not answer"
        yield str(config)
    finally:
        proc.terminate()
        try:
            proc.wait(20)
        except subprocess.TimeoutExpired:
            proc.kill()


@pytest.fixture(scope="session")
def postgres():
    """One throwaway PostgreSQL for the tests of the REST interface."""
    p = Postgres()
    yield p
    p.stop()


@pytest.fixture(scope="module")
def central(postgres):
    """A central that serves, its admin's token known. Shared by the tests of one file."""
    c = Central(postgres.create_database())
    c.init()
    c.start()
    yield c
    c.stop()
