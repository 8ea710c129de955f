"""Fixtures of the e2e stories."""
import json
import os

import pytest

from harness.sandbox import TOP, Sandbox, wait_until  # noqa: F401 (the stories take wait_until from here)


# Of the module: the others measure times, and this machine is not to run two sites beside them.
@pytest.fixture(scope="module")
def sandbox():
    s = Sandbox()
    try:
        s.ctl("sandbox", "up")
        yield s
    except Exception:
        print(s.logs())
        raise
    finally:
        s.close()


@pytest.fixture(scope="module")
def chain(sandbox):
    """Two clusters prod-pg on PostgreSQL 15, and new-pg on 17 at edge-a where its image is there."""
    sandbox.ctl("apply", "-f", os.path.join(TOP, "deploy/demo"))
    names = ["prod-pg@edge-a", "prod-pg@edge-b"]
    images = json.load(open(f"{sandbox.folder}/state/images.json"))
    if "postgres:17" in images:
        sandbox.ctl("profile", "create", "next", "--set", "replicas=3", "--set", "postgres.version=\"17\"", "--set",
                    "storage.size=1Gi", "--set", "wal_storage.size=1Gi")
        sandbox.ctl("rule", "create", "next", "--profile", "next", "-l", "region=us-east", "-n", "databases",
                    "--cluster-name", "new-pg")
        names.append("new-pg@edge-a")
    try:
        sandbox.ctl("cluster", "wait", *names, "--timeout", "240s")
    except AssertionError:
        print(sandbox.ctl("cluster", "list", "-o", "wide", check=False).stdout)
        for site in ("edge-a", "edge-b"):
            print(sandbox.kubectl(site, "-n", "databases", "get", "pods,events", check=False).stdout)
        print(sandbox.logs())
        raise
    return names
