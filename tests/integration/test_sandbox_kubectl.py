"""Stock kubectl against the sandbox, as a person at a shell would use it."""
import fcntl, json, os, re, threading

import pytest

from sandbox_site import Sandbox, wait_for

CONFIGMAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: web, tier: edge}}
data: {colour: "blue", size: "1"}
"""

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: c
        image: host:1
        command: [/bin/sh, -c, "trap 'exit 0' TERM; i=0; while true; do i=$((i+1)); echo line $i; sleep 0.2 & wait; done"]
"""

STATEFULSET = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: c, image: "host:1", command: [/bin/sleep, "1000"], ports: [{containerPort: 80, name: http}]}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    s = Sandbox(tmp_path_factory.mktemp("site")).start()
    yield s
    s.stop()


@pytest.fixture
def ns(site, request):
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60].strip("-")
    site.kubectl("create", "namespace", name)
    wait_for(lambda: site.kubectl("-n", name, "get", "sa", "default", check=False).code == 0, 60, "service account")
    yield name
    site.kubectl("delete", "namespace", name, "--wait=false")


def manifest(text, **changes):
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def test_get_in_every_form(site, ns):
    site.kubectl("-n", ns, "create", "-f", "-", stdin=CONFIGMAP)
    get = lambda *a: site.kubectl("-n", ns, "get", *a).out
    assert get("cm", "settings").splitlines()[0].split() == ["NAME", "DATA", "AGE"]
    assert get("cm", "settings").splitlines()[1].split()[:2] == ["settings", "2"]
    assert get("cm/settings", "-o", "name") == "configmap/settings\n"
    assert "colour: blue" in get("cm", "settings", "-o", "yaml")
    assert json.loads(get("cm", "settings", "-o", "json"))["data"]["size"] == "1"
    assert get("cm", "settings", "-o", "jsonpath={.data.colour}") == "blue"
    assert "settings" in get("cm", "-l", "app=web,tier in (edge,core)")
    assert get("cm", "-l", "app!=web", "-o", "name") == "configmap/kube-root-ca.crt\n"
    assert get("cm", "--field-selector", "metadata.name=settings", "-o", "name") == "configmap/settings\n"
    assert get("nodes", "-o", "wide").splitlines()[0].split()[:4] == ["NAME", "STATUS", "ROLES", "AGE"]
    assert site.kubectl("get", "cm", "-A").out.splitlines()[0].split()[0] == "NAMESPACE"
    bad = site.kubectl("-n", ns, "get", "pods", "--field-selector", "spec.colour=x", check=False)
    assert "field label not supported: spec.colour" in bad.err


def test_create_says_what_is_wrong(site, ns):
    site.kubectl("-n", ns, "create", "-f", "-", stdin=CONFIGMAP)
    again = site.kubectl("-n", ns, "create", "-f", "-", stdin=CONFIGMAP, check=False)
    assert 'Error from server (AlreadyExists): ' in again.err and 'configmaps "settings" already exists' in again.err
    bad = site.kubectl("-n", ns, "create", "-f", "-", stdin=manifest(STATEFULSET, **{"app: db}}\n    spec": "app: x}}\n    spec",
                                                                                    "replicas: 1": "replicas: -1"}), check=False)
    assert 'The StatefulSet "db" is invalid:' in bad.err
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in bad.err
    assert "`selector` does not match template `labels`" in bad.err
    typo = site.kubectl("-n", ns, "create", "-f", "-", stdin=manifest(STATEFULSET, serviceName="serviceNam"), check=False)
    assert 'unknown field "spec.serviceNam"' in typo.err
    assert site.minor() < 27 or "strict decoding error" in typo.err, "an older kubectl does not ask to be strict"
    site.kubectl("-n", ns, "delete", "sts", "db", "--ignore-not-found")
    assert site.kubectl("-n", ns, "create", "-f", "-", "--validate=" + ("ignore" if site.minor() >= 25 else "false"),
                        stdin=manifest(STATEFULSET, serviceName="serviceNam")).code == 0
    nowhere = site.kubectl("-n", "nowhere", "create", "-f", "-", stdin=CONFIGMAP, check=False)
    assert 'namespaces "nowhere" not found' in nowhere.err


def test_create_by_command(site, ns):
    """kubectl 1.32 and later send these in protobuf."""
    k = lambda *a: site.kubectl("-n", ns, *a)
    k("create", "configmap", "c", "--from-literal=a=b")
    assert site.json("-n", ns, "get", "cm", "c")["data"] == {"a": "b"}
    k("create", "secret", "generic", "s", "--from-literal=password=x")
    assert site.json("-n", ns, "get", "secret", "s")["data"] == {"password": "eA=="}
    k("create", "deployment", "d", "--image=host:1", "--replicas=0", "--port=80")
    d = site.json("-n", ns, "get", "deploy", "d")
    assert d["spec"]["replicas"] == 0 and d["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] == 80
    k("create", "quota", "q", "--hard=pods=3,requests.storage=1Gi")
    assert site.json("-n", ns, "get", "quota", "q")["spec"]["hard"] == {"pods": "3", "requests.storage": "1Gi"}
    if site.minor() >= 21:  # before, kubectl made a policy/v1beta1 only
        k("create", "poddisruptionbudget", "p", "--selector=app=x", "--min-available=50%")
        assert site.json("-n", ns, "get", "pdb", "p")["spec"]["minAvailable"] == "50%"
    k("create", "role", "r", "--verb=get,list", "--resource=pods,pods/log", "--resource-name=x")
    assert site.json("-n", ns, "get", "role", "r")["rules"][0]["verbs"] == ["get", "list"]
    k("create", "service", "clusterip", "svc", "--tcp=80:8080")
    svc = site.json("-n", ns, "get", "svc", "svc")["spec"]
    assert svc["ports"][0]["targetPort"] == 8080 and svc["clusterIP"].startswith("198.")


def test_apply_and_diff(site, ns):
    k = lambda *a, **kw: site.kubectl("-n", ns, *a, **kw)
    assert "created" in k("apply", "-f", "-", stdin=CONFIGMAP).out
    assert "unchanged" in k("apply", "-f", "-", stdin=CONFIGMAP).out
    changed = manifest(CONFIGMAP, **{'size: "1"': 'weight: "2"'})
    diff = k("diff", "-f", "-", stdin=changed, check=False)
    assert diff.code == 1 and "-  size:" in diff.out and "+  weight:" in diff.out
    assert "configured" in k("apply", "-f", "-", stdin=changed).out
    assert site.json("-n", ns, "get", "cm", "settings")["data"] == {"colour": "blue", "weight": "2"}
    assert k("diff", "-f", "-", stdin=changed, check=False).code == 0
    k("apply", "-f", "-", stdin=STATEFULSET)
    more = manifest(STATEFULSET, **{"ports:": "env: [{name: A, value: b}], ports:"})
    k("apply", "-f", "-", stdin=more)
    c = site.json("-n", ns, "get", "sts", "db")["spec"]["template"]["spec"]["containers"][0]
    assert c["env"] == [{"name": "A", "value": "b"}] and c["imagePullPolicy"] == "IfNotPresent"
    k("apply", "-f", "-", stdin=STATEFULSET)
    assert "env" not in site.json("-n", ns, "get", "sts", "db")["spec"]["template"]["spec"]["containers"][0]
    refused = k("apply", "-f", "-", stdin=manifest(STATEFULSET, **{"serviceName: db": "serviceName: other"}), check=False)
    assert "updates to statefulset spec for fields other than 'replicas'" in refused.err


def test_server_side_apply(site, ns):
    k = lambda *a, **kw: site.kubectl("-n", ns, *a, **kw)
    k("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=CONFIGMAP)
    red = manifest(CONFIGMAP, blue="red")
    conflict = k("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=red, check=False)
    assert 'Apply failed with 1 conflict: conflict with "one": .data.colour' in conflict.err
    k("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=red)
    assert site.json("-n", ns, "get", "cm", "settings")["data"]["colour"] == "red"
    k("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=manifest(red, **{'colour: "red", ': ""}))
    data = site.json("-n", ns, "get", "cm", "settings")["data"]
    assert data == {"size": "1"}, "what its only owner no longer names is removed"
    show = ["--show-managed-fields"] if site.minor() >= 21 else []
    fields = site.json("-n", ns, "get", "cm", "settings", *show)["metadata"]["managedFields"]
    assert {(f["manager"], f["operation"]) for f in fields} == {("one", "Apply"), ("two", "Apply")}
    k("patch", "cm", "settings", "--field-manager=three", "-p", '{"data":{"size":"9"}}')
    conflict = k("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=CONFIGMAP, check=False)
    assert re.search(r'conflicts? with "three" using v1:\s+(- )?\.data\.size', conflict.err), conflict.err


def test_three_patches(site, ns):
    k = lambda *a: site.kubectl("-n", ns, *a)
    site.kubectl("-n", ns, "apply", "-f", "-", stdin=STATEFULSET)
    k("patch", "sts", "db", "--type=strategic", "-p",
      '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"host:1"}]}}}}')
    names = [c["name"] for c in site.json("-n", ns, "get", "sts", "db")["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == ["c", "side"]
    k("patch", "sts", "db", "--type=strategic", "-p",
      '{"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}')
    k("patch", "sts", "db", "--type=merge", "-p", '{"metadata":{"labels":{"a":"b"}},"spec":{"replicas":0}}')
    k("patch", "sts", "db", "--type=json", "-p",
      '[{"op":"test","path":"/spec/replicas","value":0},{"op":"add","path":"/metadata/labels/c~1d","value":"e"}]')
    o = site.json("-n", ns, "get", "sts", "db")
    assert o["metadata"]["labels"] == {"a": "b", "c/d": "e"} and o["spec"]["replicas"] == 0
    assert len(o["spec"]["template"]["spec"]["containers"]) == 1
    generation = o["metadata"]["generation"]
    failed = site.kubectl("-n", ns, "patch", "sts", "db", "--type=json", "-p",
                          '[{"op":"test","path":"/spec/replicas","value":5}]', check=False)
    assert failed.code == 1
    k("label", "sts", "db", "a=z", "--overwrite")
    k("annotate", "sts", "db", "note=hello")
    o = site.json("-n", ns, "get", "sts", "db")
    assert o["metadata"]["labels"]["a"] == "z" and o["metadata"]["annotations"]["note"] == "hello"
    assert o["metadata"]["generation"] == generation, "metadata is no new generation"
    dry = site.kubectl("-n", ns, "patch", "sts", "db", "--dry-run=server", "-p", '{"spec":{"replicas":4}}')
    assert "db patched" in dry.out and site.json("-n", ns, "get", "sts", "db")["spec"]["replicas"] == 0


def test_deployment_life(site, ns):
    """apply, rollout status, scale, logs, wait, new version, undo, delete."""
    k = lambda *a, **kw: site.kubectl("-n", ns, *a, **kw)
    k("apply", "-f", "-", stdin=WEB)
    assert "successfully rolled out" in k("rollout", "status", "deploy/web", "--timeout=120s").out
    k("wait", "--for=condition=Available", "deploy/web", "--timeout=120s")
    k("scale", "deploy/web", "--replicas=1")
    wait_for(lambda: len(k("get", "pods", "-l", "app=web", "-o", "name").out.split()) == 1, 60, "one pod")
    pod = k("get", "pods", "-l", "app=web", "-o", "name").out.strip()
    wait_for(lambda: "line 3" in k("logs", pod).out, 60, "log lines")
    assert re.fullmatch(r"line \d+\n", k("logs", pod, "--tail=1").out)
    assert re.match(r"20\d\d-\S+Z line 1\n", k("logs", pod, "--timestamps", "--limit-bytes=1000").out)
    assert k("logs", pod, "--since=1h").out.startswith("line 1\n")
    with site.following("-n", ns, "logs", "-f", pod, "--tail=1") as follow:
        first = int(follow.stdout.readline().split()[1])
        assert int(follow.stdout.readline().split()[1]) == first + 1
        k("set", "image", "deploy/web", "c=host:2")
        k("rollout", "status", "deploy/web", "--timeout=120s")
        follow.communicate(timeout=120)
        assert follow.returncode == 0, "the log ends with its pod"
    assert "REVISION" in k("rollout", "history", "deploy/web").out
    k("rollout", "undo", "deploy/web")
    k("rollout", "status", "deploy/web", "--timeout=120s")
    assert site.json("-n", ns, "get", "deploy", "web")["spec"]["template"]["spec"]["containers"][0]["image"] == "host:1"
    about = k("describe", "deploy", "web").out
    assert "StrategyType:" in about and "ScalingReplicaSet" in about
    assert "ScalingReplicaSet" in k("get", "events").out

    def table():
        lines = k("get", "pods", "-o", "wide").out.splitlines()
        return lines if len(lines) == 2 else None

    pods = wait_for(table, 60, "one pod")  # a rollout is through before the last of the old ones has ended
    assert pods[0].split()[:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert pods[1].split()[1:3] == ["1/1", "Running"] and "198." in pods[1]
    k("delete", "deploy", "web", "--cascade=foreground")
    wait_for(lambda: not k("get", "pods,rs", "-o", "name").out, 60, "nothing is left")


def test_orphan_and_background_delete(site, ns):
    k = lambda *a, **kw: site.kubectl("-n", ns, *a, **kw)
    k("apply", "-f", "-", stdin=STATEFULSET)
    wait_for(lambda: k("get", "pod", "db-0", check=False).code == 0, 60, "the pod")  # kubectl waits for nothing that is not
    k("wait", "--for=condition=Ready", "pod/db-0", "--timeout=120s")
    k("delete", "sts", "db", "--cascade=orphan")
    assert "ownerReferences" not in wait_for(
        lambda: (lambda m: m if "ownerReferences" not in m else None)(site.json("-n", ns, "get", "pod", "db-0")["metadata"]),
        60, "the pod is free")
    k("apply", "-f", "-", stdin=STATEFULSET)
    wait_for(lambda: "ownerReferences" in site.json("-n", ns, "get", "pod", "db-0")["metadata"], 60, "adopted again")
    k("delete", "sts", "db")
    wait_for(lambda: "NotFound" in k("get", "pod", "db-0", check=False).err, 60, "the pod goes")


def test_watch_from_the_shell(site, ns):
    with site.following("-n", ns, "get", "cm", "-w", "-l", "app=web", "--no-headers") as w:
        site.kubectl("-n", ns, "create", "-f", "-", stdin=CONFIGMAP)
        assert w.stdout.readline().split()[:2] == ["settings", "2"]  # by its first list, or by its watch
        site.kubectl("-n", ns, "patch", "cm", "settings", "-p", '{"data":{"third":"3"}}')
        assert w.stdout.readline().split()[:2] == ["settings", "3"]


def test_can_i_as_a_service_account(site, ns):
    k = lambda *a, **kw: site.kubectl("-n", ns, *a, **kw)
    k("create", "serviceaccount", "bot")
    k("create", "role", "reader", "--verb=get,list", "--resource=pods")
    k("create", "rolebinding", "bot-reads", "--role=reader", f"--serviceaccount={ns}:bot")
    token = site.token_of(ns, "bot")
    can = lambda *a: site.kubectl("-n", ns, "--token", token, "auth", "can-i", *a, check=False).out.strip()
    assert can("list", "pods") == "yes"
    assert can("delete", "pods") == "no"
    assert can("get", "secrets") == "no"
    assert "pods" in can("--list")
    other = f"--as=system:serviceaccount:{ns}:bot"
    as_bot = lambda *a: k("auth", "can-i", *a, other, check=False).out.strip()
    assert (as_bot("list", "pods"), as_bot("get", "secrets")) == ("yes", "no")
    assert k("get", "secrets", other, check=False).code != 0
    assert 'cannot impersonate resource "users"' in k("--token", token, "get", "pods", "--as=ada", check=False).err
    anonymous = {"Authorization": "Bearer " + token}
    status, body = site.call("GET", f"/api/v1/namespaces/{ns}/secrets", headers=anonymous)
    assert status == 403 and body["reason"] == "Forbidden"
    assert body["message"] == (f'secrets is forbidden: User "system:serviceaccount:{ns}:bot" cannot list resource '
                               f'"secrets" in API group "" in the namespace "{ns}"')
    status, body = site.call("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
                             {"metadata": {"name": "x"}, "rules": []}, headers=anonymous)
    assert status == 403
    k("delete", "sa", "bot")
    status, body = site.call("GET", f"/api/v1/namespaces/{ns}/pods", headers=anonymous)
    assert status == 401 and body["reason"] == "Unauthorized", "its token ends with the account"


def test_nobody_grants_what_they_do_not_hold(site, ns):
    k = lambda *a, **kw: site.kubectl("-n", ns, *a, **kw)
    k("create", "serviceaccount", "maker")
    k("create", "role", "maker", "--verb=get,create", "--resource=roles,rolebindings")
    k("create", "rolebinding", "maker", "--role=maker", f"--serviceaccount={ns}:maker")
    token = site.token_of(ns, "maker")
    refused = k("--token", token, "create", "role", "big", "--verb=get", "--resource=secrets", check=False)
    assert "attempting to grant RBAC permissions not currently held" in refused.err
    k("--token", token, "create", "role", "same", "--verb=create", "--resource=roles")


def test_quota_refusal_is_an_event(site, ns):
    k = lambda *a, **kw: site.kubectl("-n", ns, *a, **kw)
    k("create", "quota", "small", "--hard=pods=1")
    k("apply", "-f", "-", stdin=WEB)
    wait_for(lambda: "exceeded quota: small" in k("get", "events").out, 60, "the refusal")
    wait_for(lambda: site.json("-n", ns, "get", "quota", "small").get("status", {}).get("used") == {"pods": "1"}, 60, "used")
    k("delete", "deploy", "web")


def test_explain_api_resources_and_unknown(site, ns):
    if site.minor() >= 27:  # explain by OpenAPI v3; older ones read definitions of v2, which the sandbox does not give
        assert "updateStrategy" in site.kubectl("explain", "statefulset.spec").out
    rows = {r.split()[0] for r in site.kubectl("api-resources", "--no-headers").out.splitlines()}
    assert {"pods", "statefulsets", "leases", "roles", "poddisruptionbudgets", "storageclasses"} <= rows
    assert "Server Version" in site.kubectl("version").out
    unknown = site.kubectl("get", "ingresses", check=False)
    assert "the server doesn't have a resource type" in unknown.err


def test_namespace_goes_with_all_it_holds(site):
    site.kubectl("create", "ns", "short-lived")
    wait_for(lambda: site.kubectl("-n", "short-lived", "get", "sa", "default", check=False).code == 0, 60, "account")
    site.kubectl("-n", "short-lived", "apply", "-f", "-", stdin=STATEFULSET)
    site.kubectl("delete", "ns", "short-lived", "--timeout=120s")
    assert site.kubectl("get", "ns", "short-lived", check=False).code == 1


def test_a_killed_process_loses_nothing(tmp_path):
    s = Sandbox(tmp_path / "site", "--no-node").start()
    s.kubectl("create", "-f", "-", stdin=CONFIGMAP)
    before = s.json("get", "cm", "settings")
    token = s.token
    s.stop(kill=True)
    with open(os.path.join(s.state, "objects", "lock")) as lock:  # as one has it that is not quite dead yet
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Timer(1, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        s.start()
    assert s.token == token
    assert s.json("get", "cm", "settings") == before
    s.stop()


def test_a_followed_log_survives_rotation(site, ns):
    """The kubelet moves a full file away; here the test does."""
    site.kubectl("-n", ns, "apply", "-f", "-", stdin=WEB.replace("replicas: 2", "replicas: 1"))
    site.kubectl("-n", ns, "rollout", "status", "deploy/web", "--timeout=120s")
    pod = site.json("-n", ns, "get", "pods")["items"][0]["metadata"]
    log = os.path.join(site.state, "logs", f"{ns}_{pod['name']}_{pod['uid']}", "c", "0.log")
    with site.following("-n", ns, "logs", "-f", pod["name"], "--tail=1") as follow:
        assert follow.stdout.readline().startswith("line ")
        os.rename(log, log + ".moved")
        with open(log, "w") as f:
            f.write("2026-01-01T00:00:00.000000Z stdout F from the new file\n")
        assert "from the new file\n" in follow.stdout
