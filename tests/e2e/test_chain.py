"""A profile and a rule at central become streaming clusters at two sites; what happens there is seen at central."""
import base64
import select
import subprocess

import pytest
from conftest import wait_until

OBJECTS = ["statefulset/{n}", "service/{n}-headless", "service/{n}-rw", "service/{n}-ro", "secret/{n}-secret",
           "configmap/{n}-config", "configmap/pg-swarm-config-{n}", "configmap/{n}-recovery-rules",
           "serviceaccount/{n}-failover", "role/{n}-failover", "rolebinding/{n}-failover", "lease/{n}-leader",
           "poddisruptionbudget/{n}", "networkpolicy/{n}", "pvc/data-{n}-0", "pvc/data-{n}-1", "pvc/data-{n}-2"]


def split(cluster):
    return cluster.split("@")


def test_manifest_of_a_new_site(sandbox):
    """What `satellite manifest` prints, the API server of a site takes as it is."""
    out = sandbox.ctl("satellite", "manifest", "new-site", "--central", "central.example:9090", "--service-type",
                      "NodePort", "--region", "eu", "-l", "tier=edge").stdout
    said = sandbox.kubectl("edge-a", "apply", "--dry-run=server", "-f", "-", stdin=out).stdout.splitlines()
    assert len(said) == len(out.split("\n---\n")) == 8 and all("(server dry run)" in line for line in said)
    here = sandbox.kget("edge-a", "-n", "pgswarm-system", "deployment", "pg-swarm-satellite")
    env = {e["name"]: e.get("value") for e in here["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["PGSWARM_K8S_CLUSTER"] == "edge-a", "a dry run changes nothing"
    p = sandbox.ctl("satellite", "manifest", "new-site", "--central", "nowhere", check=False)
    assert p.returncode != 0 and not p.stdout and "central" in p.stderr


def test_events_of_one_cluster_by_any_of_its_names(sandbox, chain):
    everywhere = lambda: {e["satellite"] for e in sandbox.json("events", "--cluster", "prod-pg", "--limit", "500")["items"]}
    wait_until("events of both sites", lambda: everywhere() == {"edge-a", "edge-b"})
    for name in ("prod-pg@edge-a", "databases/prod-pg@edge-a"):
        items = sandbox.json("events", "--cluster", name)["items"]
        assert items and all(e["cluster"] == "prod-pg" and e["satellite"] == "edge-a" for e in items)
    assert sandbox.json("events", "--cluster", "other/prod-pg@edge-a")["items"] == []


def test_lists_and_states(sandbox, chain):
    items = sandbox.json("cluster", "list")["items"]
    assert {f"{c['name']}@{c['satellite']}" for c in items} >= set(chain)
    assert all(c["namespace"] == "databases" for c in items)
    wait_until("all run", lambda: all(c["state"] == "running" for c in sandbox.json("cluster", "list")["items"]))
    names = sandbox.ctl("cluster", "list", "-o", "name").stdout.split()
    assert "cluster/databases/prod-pg@edge-a" in names
    wait_until("nothing is broken", lambda: sandbox.ctl("status", "--check", check=False).returncode == 0)


def test_rows_travel(sandbox, chain):
    for cluster in chain:
        sandbox.psql(cluster, "create table if not exists t(id int primary key); insert into t values (1), (2), (3)")
        wait_until(f"3 rows on a replica of {cluster}",
                   lambda c=cluster: sandbox.psql(c, "select count(*) from t", role="replica", check=False) == "3")
        assert sandbox.psql(cluster, "select pg_is_in_recovery()") == "f"
        assert sandbox.psql(cluster, "select pg_is_in_recovery()", role="replica") == "t"
        wait_until(f"both replicas of {cluster} stream", lambda c=cluster: sandbox.psql(
            c, "select count(*) from pg_stat_replication where state='streaming'") == "2")


def test_versions_and_wal_volume(sandbox, chain):
    if "new-pg@edge-a" not in chain:
        pytest.skip("no image postgres:17 on this machine (tools/pg-root 17)")
    assert sandbox.psql("new-pg@edge-a", "show server_version").startswith("17")
    assert sandbox.psql("prod-pg@edge-a", "show server_version").startswith("15")
    assert sandbox.kget("edge-a", "-n", "databases", "pvc", "wal-new-pg-2")["status"]["phase"] == "Bound"


def test_every_object_is_there(sandbox, chain):
    for cluster in chain:
        name, site = split(cluster)
        for o in OBJECTS:
            wait_until(o.format(n=name), lambda: sandbox.kubectl(site, "-n", "databases", "get", o.format(n=name),
                                                                 check=False).returncode == 0)
        roles = lambda: sorted(sandbox.kubectl(site, "-n", "databases", "get", "pods", "-l", f"pg-swarm.io/cluster={name}", "-o",
                                               "jsonpath={.items[*].metadata.labels.pg-swarm\\.io/role}").stdout.split())
        wait_until(f"the roles in {cluster}", lambda: roles() == ["primary", "replica", "replica"])


def test_no_secret_leaks(sandbox, chain):
    secrets = set()
    for cluster in chain:
        name, site = split(cluster)
        data = sandbox.kget(site, "-n", "databases", "secret", f"{name}-secret")["data"]
        secrets |= {base64.b64decode(v).decode() for v in data.values()}
    assert len(secrets) >= 3 * len(chain) and all(len(s) >= 16 for s in secrets)
    seen = []
    for site in ("edge-a", "edge-b"):
        seen.append(sandbox.kubectl(site, "get", "configmaps,events,pods,leases,statefulsets", "-A", "-o", "json").stdout)
        pods = sandbox.kget(site, "-n", "databases", "pods")["items"]
        for p in pods:
            for c in ("postgres", "failover"):
                seen.append(sandbox.kubectl(site, "-n", "databases", "logs", p["metadata"]["name"], "-c", c).stdout)
    seen.append(sandbox.ctl("events", "--limit", "500", "-o", "json").stdout)
    seen.append(sandbox.ctl("api", "GET", "/api/v1/audit").stdout)
    seen.append(sandbox.logs())
    text = "\n".join(seen)
    assert not [s for s in secrets if s in text]


def test_a_password_command_is_audited(sandbox, chain):
    sandbox.ctl("cluster", "dsn", "prod-pg@edge-a")
    rows = [r for r in sandbox.json("api", "GET", "/api/v1/audit")["items"] if r["action"] == "cluster.credentials"]
    assert rows and rows[0]["user"] == "admin"


def test_viewer_changes_nothing(sandbox, chain):
    token = sandbox.ctl("token", "create", "looker", "--role", "viewer").stdout.strip()
    env = dict(sandbox.env, SWARM_TOKEN=token)
    assert sandbox.ctl("cluster", "list", env=env).returncode == 0
    for args in (["profile", "edit", "production-standard", "--set", "replicas=1"],
                 ["cluster", "delete", "prod-pg@edge-a", "--confirm", "prod-pg"],
                 ["satellite", "label", "edge-a", "x=y"], ["cluster", "dsn", "prod-pg@edge-a"],
                 ["rule", "delete", "edge", "--yes"]):
        p = sandbox.ctl(*args, check=False, env=env)
        assert p.returncode == 4 and "forbidden" in p.stderr, (args, p.stderr)
    wait_until("it runs on", lambda: sandbox.cluster("prod-pg@edge-a")["state"] == "running")


def test_bad_input_names_every_field(sandbox):
    p = sandbox.ctl("profile", "create", "bad", "--set", "replicas=0", "--set", "storage.size=10Gx", "--set",
                    "parameters.wrok_mem=1MB", check=False)
    assert p.returncode == 7
    for field in ("replicas", "storage.size", "wrok_mem", "work_mem"):
        assert field in p.stderr, p.stderr


def test_refusal_is_shown_and_heals(sandbox, chain):
    sandbox.ctl("profile", "create", "nostore", "--set", "replicas=1", "--set", "postgres.version=\"15\"", "--set",
                "storage.size=1Gi", "--set", "storage.storage_class=no-such-class")
    sandbox.ctl("rule", "create", "nostore", "--profile", "nostore", "-l", "region=eu-north", "-n", "other",
                "--cluster-name", "refused-pg")
    wait_until("the refusal on the cluster", lambda: "no-such-class" in (
        (sandbox.cluster("refused-pg@edge-b") or {}).get("config_error") or ""))
    wait_until("the other one runs", lambda: sandbox.cluster("prod-pg@edge-b")["state"] == "running")
    sandbox.ctl("rule", "delete", "nostore", "--yes")
    sandbox.ctl("cluster", "delete", "refused-pg@edge-b", "--confirm", "refused-pg")
    sandbox.ctl("cluster", "wait", "refused-pg@edge-b", "--for", "deleted", "--timeout", "240s")


def test_drift_is_repaired(sandbox, chain):
    sandbox.kubectl("edge-a", "-n", "databases", "delete", "service", "prod-pg-ro")
    wait_until("the ro service again",
               lambda: sandbox.kubectl("edge-a", "-n", "databases", "get", "service", "prod-pg-ro",
                                       check=False).returncode == 0)


def first_line(sandbox, argv, provoke, want):
    """The first line with `want` that a following command prints after provoke() made something happen."""
    p = subprocess.Popen(argv, env=sandbox.env, stdout=subprocess.PIPE, bufsize=0)
    try:
        for _ in range(120):
            provoke()
            while select.select([p.stdout], [], [], 0.5)[0]:
                line = p.stdout.readline().decode(errors="replace")
                assert line, f"{' '.join(argv)} ended"
                if want in line:
                    return line
    finally:
        p.kill()
        p.wait()
    raise AssertionError(f"no '{want}' came from {' '.join(argv)}")


def test_logs_and_events_follow(sandbox, chain):
    def noise():
        sandbox.kubectl("edge-a", "-n", "databases", "delete", "service", "prod-pg-ro", "--ignore-not-found")
    sandbox.ctl("satellite", "log-level", "edge-a", "debug")
    first_line(sandbox, ["swarmctl", "logs", "satellite/edge-a", "--tail", "0", "-f"], noise, "[")
    sandbox.ctl("satellite", "log-level", "edge-a", "info")
    pods = sandbox.ctl("logs", "prod-pg@edge-a", "--pod", "prod-pg-1", "--tail", "3").stdout
    assert len(pods.strip().splitlines()) == 3

    n = iter(range(1000))
    def follow():
        sandbox.psql("prod-pg@edge-a", f"do $$ begin raise log 'hello {next(n)}'; end $$")
    line = first_line(sandbox, ["swarmctl", "logs", "prod-pg@edge-a", "--tail", "1", "-f"], follow, "hello")
    assert "LOG" in line


def test_profile_history_in_git(sandbox, chain, tmp_path):
    sandbox.ctl("profile", "edit", "production-standard", "--set", "parameters.work_mem=16MB", "-m", "more work_mem")
    token = open(f"{sandbox.folder}/state/central/token").read().strip()
    server = sandbox.json("context", "list")["items"][0]["server"]
    url = server.replace("https://", f"https://x:{token}@") + "/git/profiles.git"
    env = dict(sandbox.env, GIT_SSL_CAINFO=f"{sandbox.folder}/state/central/ca.crt")
    sandbox.run("git", "clone", "-q", url, str(tmp_path / "profiles"), env=env)
    inside = ["git", "-C", str(tmp_path / "profiles")]
    log = sandbox.run(*inside, "log", "-p", "--all").stdout
    assert "more work_mem" in log and "+work_mem = '16MB'" in log.replace("+work_mem = 16MB", "+work_mem = '16MB'")
    diff = sandbox.run(*inside, "diff", "production-standard/v1", "production-standard/v2").stdout
    assert "16MB" in diff and "8MB" in diff
    out = sandbox.ctl("profile", "diff", "production-standard", "v1..v2", check=False)
    assert out.returncode == 1 and "16MB" in out.stdout


def test_central_killed_and_back(sandbox, chain):
    sandbox.kill("central")
    sandbox.ctl("sandbox", "up")
    wait_until("both satellites connected", lambda: all(
        s["connected"] for s in sandbox.json("satellite", "list")["items"] if s["state"] == "approved"), 90)
    sandbox.ctl("cluster", "wait", *chain, "--timeout", "240s")


def test_delete_while_the_satellite_is_down(sandbox, chain):
    sandbox.ctl("profile", "create", "gone", "--set", "replicas=1", "--set", "postgres.version=\"15\"", "--set",
                "storage.size=1Gi")
    sandbox.ctl("rule", "create", "gone", "--profile", "gone", "-l", "region=eu-north", "-n", "other", "--cluster-name",
                "gone-pg")
    sandbox.ctl("cluster", "wait", "gone-pg@edge-b", "--timeout", "240s")
    deploy = ["-n", "pgswarm-system", "scale", "deployment", "pg-swarm-satellite", "--replicas"]
    sandbox.kubectl("edge-b", *deploy, "0")
    wait_until("edge-b offline", lambda: not next(
        s for s in sandbox.json("satellite", "list")["items"] if s["name"] == "edge-b")["connected"], 90)
    sandbox.ctl("rule", "delete", "gone", "--yes")
    sandbox.ctl("cluster", "delete", "gone-pg@edge-b", "--confirm", "gone-pg")
    assert sandbox.cluster("gone-pg@edge-b")["state"] == "deleting"
    sandbox.kubectl("edge-b", *deploy, "1")
    sandbox.ctl("cluster", "wait", "gone-pg@edge-b", "--for", "deleted", "--timeout", "240s")
    wait_until("nothing left of it", lambda: "gone-pg" not in sandbox.kubectl(
        "edge-b", "-n", "other", "get", "statefulset,svc,secret,configmap,pvc,lease,pods", "-o", "name").stdout, 90)
    sandbox.ctl("cluster", "wait", "prod-pg@edge-b", "--timeout", "240s")


def test_sandbox_process_killed_and_back(sandbox, chain):
    sandbox.psql("prod-pg@edge-b", "create table if not exists kept(id int); insert into kept values (7)")
    sandbox.kill("site edge-b")
    sandbox.ctl("sandbox", "up")
    wait_until("the row after the restart of the whole site",
               lambda: sandbox.psql("prod-pg@edge-b", "select id from kept limit 1", check=False) == "7", 150)
    sandbox.ctl("cluster", "wait", "prod-pg@edge-b", "--timeout", "240s")
