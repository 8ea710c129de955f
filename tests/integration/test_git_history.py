"""Profiles are git: stock git clones, logs, diffs and fetches them from central, read only."""
import os
import subprocess

import pytest

from central_util import Central, Postgres


@pytest.fixture(scope="module")
def postgres():
    pg = Postgres()
    yield pg
    pg.remove()


@pytest.fixture(scope="module")
def central(postgres):
    c = Central(postgres.database()).start()
    yield c
    c.remove()


def profile(work_mem, message="", name="std"):
    return {"name": name, "replicas": 3, "postgres": {"version": "15"}, "storage": {"size": "1Gi"},
            "parameters": {"work_mem": work_mem}, "message": message}


def save(central, work_mem, version, message, name="std"):
    status, body = central.admin().call("PUT", f"/api/v1/profiles/{name}", profile(work_mem, message, name),
                                        {"If-Match": f'"{version}"'})
    assert status == 200 and body["version"] == version + 1, body


class Git:
    def __init__(self, central, folder, token=None, proto="2"):
        self.folder = str(folder)
        self.url = f"https://x:{token or central.admin().token}@localhost:{central.http_port}/git/profiles.git"
        self.args = ["git", "-c", f"protocol.version={proto}"]
        self.env = dict(os.environ, GIT_TERMINAL_PROMPT="0", GIT_CONFIG_GLOBAL="/dev/null", HOME=self.folder,
                        GIT_SSL_CAINFO=central.ca_file)

    def run(self, *args, check=True):
        p = subprocess.run([*self.args, *args], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=60)
        if check:
            assert p.returncode == 0, p.stderr
        return p.stdout if check else p

    def clone(self, *args):
        return self.run("clone", "-q", *args, self.url, "r")

    def repo(self, *args, check=True):
        return self.run("-C", "r", *args, check=check)


@pytest.fixture(scope="module")
def versions(central):
    status, body = central.admin().call("POST", "/api/v1/profiles", profile("4MB", "the first"))
    assert status == 201, body
    save(central, "8MB", 1, "more for sorts")
    save(central, "16MB", 2, "and more")
    assert central.admin().call("POST", "/api/v1/profiles", profile("4MB", "another", "tiny"))[0] == 201


@pytest.mark.parametrize("proto", ["0", "1", "2"])
def test_clone_log_diff(central, versions, tmp_path, proto):
    git = Git(central, tmp_path, proto=proto)
    git.clone()
    git.repo("fsck", "--strict")
    log = git.repo("log", "-p", "--format=%an|%s", "origin/std")
    assert [line for line in log.splitlines() if "|" in line and line.startswith("ann|")] == \
        ["ann|and more", "ann|more for sorts", "ann|the first"]
    assert "+work_mem = '8MB'" in log or "+work_mem = 8MB" in log
    diff = git.repo("diff", "std/v1", "std/v2")
    changed = [line for line in diff.splitlines() if line.startswith(("+work_mem", "-work_mem"))]
    assert len(changed) == 2 and "4MB" in changed[0] and "8MB" in changed[1]
    assert sorted(git.repo("tag").split()) == ["std/v1", "std/v2", "std/v3", "tiny/v1"]
    assert "postgresql.conf" in git.repo("ls-tree", "--name-only", "std/v3").split()
    assert central.sql("SELECT encode(commit_oid, 'hex') FROM profile_versions v JOIN profiles p ON p.id = profile_id"
                       " WHERE name = 'std' AND v.version = 3") == [(git.repo("rev-parse", "std/v3").strip(),)]


def test_fetch_brings_only_what_is_new(central, versions, tmp_path):
    assert central.admin().call("POST", "/api/v1/profiles", profile("4MB", "first", "grow"))[0] == 201
    git = Git(central, tmp_path)
    git.clone()
    save(central, "5MB", 1, "second", "grow")
    git.repo("fetch", "-q", "--tags")
    assert git.repo("log", "--format=%s", "origin/grow").split() == ["second", "first"]
    git.repo("fsck", "--strict")
    git.repo("fetch", "-q")  # nothing to do


def test_single_branch_and_ls_remote(central, versions, tmp_path):
    git = Git(central, tmp_path)
    git.clone("--single-branch", "--no-tags", "-b", "tiny")
    assert git.repo("log", "--format=%s").split("\n")[0] == "another"
    assert "refs/tags/std/v2" in git.run("ls-remote", git.url)


def test_read_only_and_for_users_only(central, versions, tmp_path):
    git = Git(central, tmp_path)
    git.clone()
    p = git.repo("push", "-q", "origin", "HEAD:refs/heads/mine", check=False)
    assert p.returncode != 0
    stranger = Git(central, tmp_path, token="0" * 64)
    p = stranger.run("ls-remote", stranger.url, check=False)
    assert p.returncode != 0
    status, body = central.admin().call("POST", "/git/profiles.git/git-upload-pack", {"not": "git"})
    assert status in (400, 415), body


def test_an_empty_history(postgres, tmp_path):
    c = Central(postgres.database()).start()
    try:
        git = Git(c, tmp_path)
        git.clone()
        assert git.repo("branch", "-r").split() == []
    finally:
        c.remove()
