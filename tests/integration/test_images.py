"""Images: each runs by itself as a plain user on a read-only root, and holds nothing but what it needs."""
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("PGSWARM_BIN", os.path.join(ROOT, "build/release/bin"))
LIMIT_MB = 30  # as a tar
PROGRAMS = {"central": (65532, ["pg-swarm-central"]),
            "satellite": (65532, ["pg-swarm-satellite", "swarmctl"]),
            "failover-sidecar": (999, ["pg-swarm-failover-sidecar", "pg-swarm-launcher"])}
OURS = {"etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt"}


def make(folder, *args, **env):
    p = subprocess.run([os.path.join(ROOT, "tools/make-images"), *(args or (BIN, str(folder)))], capture_output=True,
                       text=True, env=dict(os.environ, **env))
    assert p.returncode == 0, p.stderr
    return folder


class Image:
    def __init__(self, path):
        with tarfile.open(path) as tar:
            files = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
        [self.manifest] = json.loads(files["manifest.json"])
        self.config = json.loads(files[self.manifest["Config"]])
        [self.layer] = [files[name] for name in self.manifest["Layers"]]
        assert self.manifest["Config"] == hashlib.sha256(files[self.manifest["Config"]]).hexdigest() + ".json"
        assert self.config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(self.layer).hexdigest()]

    def members(self):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            return tar.getmembers()

    def text(self, name):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            return tar.extractfile(name).read().decode()

    def unpack(self, folder):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            tar.extractall(folder)
        return str(folder)


def run(root, uid, *argv, extra=()):
    """In that root only, which is read-only, as that user, without network or environment."""
    return subprocess.run(["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--uid", str(uid), "--gid",
                           str(uid), "--clearenv", "--ro-bind", root, "/", *extra, "--", *argv],
                          capture_output=True, text=True, timeout=180)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if "libasan" in subprocess.run(["ldd", f"{BIN}/pg-swarm-central"], capture_output=True, text=True).stdout:
        pytest.skip("images are made of the release's programs; sanitizers need /proc")
    return make(tmp_path_factory.mktemp("images"))


@pytest.fixture(params=sorted(PROGRAMS))
def image(request, folder):
    i = Image(folder / f"{request.param}.tar")
    i.name, (i.uid, i.programs) = request.param, PROGRAMS[request.param]
    i.tar = folder / f"{request.param}.tar"
    return i


def test_programs_run(image, tmp_path):
    root = image.unpack(tmp_path / "root")
    entry = image.config["config"]["Entrypoint"]
    assert entry == [f"/usr/local/bin/{image.programs[0]}"]
    for program in image.programs:
        p = run(root, image.uid, f"/usr/local/bin/{program}", "--version")
        assert p.returncode == 0 and p.stdout.startswith(program + " "), p.stderr
    assert image.config["config"]["User"] == f"{image.uid}:{image.uid}" and image.uid != 0


def test_launcher_installs_itself(folder, tmp_path):
    root = Image(folder / "failover-sidecar.tar").unpack(tmp_path / "root")
    target = tmp_path / "bin"
    target.mkdir(mode=0o777)
    target.chmod(0o777)
    p = run(root, 999, "/usr/local/bin/pg-swarm-launcher", "--install", "/tmp/pg-swarm-launcher", extra=(
        "--proc", "/proc", "--bind", str(target), "/tmp"))
    assert p.returncode == 0, p.stderr
    alone = tmp_path / "alone"  # it needs nothing of an image
    alone.mkdir()
    shutil.copy(target / "pg-swarm-launcher", alone / "launcher")
    p = run(str(alone), 999, "/launcher", "--version")
    assert p.returncode == 0 and p.stdout.startswith("pg-swarm-launcher "), p.stderr


def test_holds_only_what_it_needs(image):
    want = set(OURS)
    for program in image.programs:
        want.add(f"usr/local/bin/{program}")
        out = subprocess.run(["ldd", f"{BIN}/{program}"], capture_output=True, text=True).stdout
        want |= {word.lstrip("/") for word in out.split() if word.startswith("/")}
    assert {m.name for m in image.members() if not m.isdir()} == want
    assert {m.name for m in image.members() if m.isdir()} <= {os.path.dirname(w) for w in want} | {
        "etc", "etc/ssl", "usr", "usr/local", "lib", "usr/lib", "dev", "proc", "sys", "run", "tmp"}
    assert image.text("etc/passwd") == ("root:x:0:0:root:/:/sbin/nologin\n"
                                        f"pgswarm:x:{image.uid}:{image.uid}::/tmp:/sbin/nologin\n")


def test_nobody_gains_rights(image):
    for m in image.members():
        assert m.isreg() or m.isdir(), f"{m.name} is neither file nor folder"
        assert (m.uid, m.gid) == (0, 0) and not m.mode & 0o6000, m.name
        assert not m.mode & 0o022 or m.name == "tmp", f"{m.name} can be written"


def test_size(image):
    assert os.path.getsize(image.tar) < LIMIT_MB * 1000 * 1000


def test_same_input_same_bytes(folder, tmp_path):
    again = make(tmp_path / "again")
    sums = (folder / "SHA256SUMS").read_text()
    assert (again / "SHA256SUMS").read_text() == sums and len(sums.splitlines()) == len(PROGRAMS)
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=again).returncode == 0
    dated = make(tmp_path / "dated", SOURCE_DATE_EPOCH="1000000000")
    assert {m.mtime for m in Image(dated / "central.tar").members()} == {1000000000}
    assert Image(dated / "central.tar").config["created"] == "2001-09-09T01:46:40Z"


def test_containerfile_says_the_same(image):
    """A builder's image has the same user and entrypoint."""
    with open(os.path.join(ROOT, "deploy/containers/Containerfile")) as f:
        stages = {part.split("\n", 1)[0].split(" AS ")[1]: part for part in f.read().split("FROM ")[1:]}
    stage = stages[image.name].splitlines()
    assert "USER " + image.config["config"]["User"] in stage
    assert "ENTRYPOINT " + json.dumps(image.config["config"]["Entrypoint"]) in stage


def test_what_is_missing_is_said(tmp_path):
    for args in ((str(tmp_path), str(tmp_path / "out")), ("--postgres", "17", str(tmp_path / "out"), str(tmp_path))):
        p = subprocess.run([os.path.join(ROOT, "tools/make-images"), *args], capture_output=True, text=True)
        assert p.returncode == 1 and p.stderr.startswith("error: ") and "run " in p.stderr


@pytest.mark.parametrize("major", ["15", "17"])
def test_postgres(major, tmp_path):
    """It makes a cluster, starts with every library that contrib names, and has a shell for archive_command."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    pg = f"/usr/lib/postgresql/{major}/bin"
    if not any(os.path.exists(f"{root}{pg}/postgres") for root in ("", f"{cache}/pgswarm/images/postgres-{major}")):
        pytest.skip(f"no PostgreSQL {major} on this machine (tools/pg-root {major})")
    make(tmp_path, "--postgres", major, str(tmp_path))
    image = Image(tmp_path / f"postgres-{major}.tar")
    assert os.path.getsize(tmp_path / f"postgres-{major}.tar") < 100e6
    assert not any(m.mode & 0o6000 for m in image.members())
    root = image.unpack(tmp_path / "root")
    data = tmp_path / "data"
    data.mkdir(mode=0o777)
    data.chmod(0o777)
    (data / "password").write_text("a password\n")
    extra = ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", str(data), "/var/lib/postgresql")
    p = run(root, 999, f"{pg}/initdb", "-D", "/var/lib/postgresql/data", "-A", "scram-sha-256", "--locale=C.UTF-8", "--pwfile",
            "/var/lib/postgresql/password", "-U", "postgres", "--no-sync", extra=extra)
    assert p.returncode == 0, p.stdout + p.stderr
    single = ("--single", "-j", "-D", "/var/lib/postgresql/data", "-c", "shared_preload_libraries=pg_stat_statements",
              "-c", "timezone=Europe/Oslo", "-c", "archive_mode=on", "-c", "archive_command=cp %p /tmp/%f", "postgres")
    p = subprocess.run(["bwrap", "--unshare-all", "--unshare-user", "--uid", "999", "--gid", "999", "--clearenv", "--ro-bind",
                        root, "/", *extra, "--", f"{pg}/postgres", *single], input="select extract(timezone from "
                       "timestamptz '2024-07-01') as zone;\n\nselect count(*) > 30 as enough from "
                       "pg_available_extensions;\n\n", capture_output=True, text=True, timeout=180)
    assert p.returncode == 0 and '"7200"' in p.stdout and 'enough = "t"' in p.stdout, p.stdout + p.stderr
    shutil.rmtree(root)
