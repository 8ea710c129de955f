"""The sandbox's API where kubectl does not look: watches, versions, pages, raw requests."""
import json, socket, ssl, threading

import pytest

from sandbox_site import Sandbox, wait_for


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    s = Sandbox(tmp_path_factory.mktemp("site"), "--no-node").start()
    yield s
    s.stop()


def make(site, name, **data):
    status, o = site.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}, "data": data})
    assert status == 201, o
    return o


def watch(site, query):
    """Events of a watch that ends by itself."""
    status, text = site.call("GET", "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1&" + query)
    assert status == 200
    lines = text if isinstance(text, str) else json.dumps(text)
    return [json.loads(line) for line in lines.splitlines()]


def test_watch_goes_on_from_a_version(site):
    rv = site.call("GET", "/api/v1/namespaces/default/configmaps")[1]["metadata"]["resourceVersion"]
    make(site, "w1", a="1")
    site.call("PATCH", "/api/v1/namespaces/default/configmaps/w1", {"metadata": {"labels": {"x": "y"}}},
              "application/merge-patch+json")
    site.call("PATCH", "/api/v1/namespaces/default/configmaps/w1", {"metadata": {"labels": {"x": None}}},
              "application/merge-patch+json")
    site.call("DELETE", "/api/v1/namespaces/default/configmaps/w1")
    events = watch(site, f"resourceVersion={rv}&allowWatchBookmarks=true")
    assert [e["type"] for e in events] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED", "BOOKMARK"]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert versions == sorted(versions) and len(set(versions[:4])) == 4
    chosen = watch(site, f"resourceVersion={rv}&labelSelector=x%3Dy")
    assert [e["type"] for e in chosen] == ["ADDED", "DELETED"], "it came into the selection and went out of it"


def test_too_old_and_too_new(site):
    for i in range(1100):
        site.call("PUT", "/apis/coordination.k8s.io/v1/namespaces/default/leases/old",
                  {"metadata": {"name": "old"}, "spec": {"leaseTransitions": i}})
    events = watch(site, "resourceVersion=2")
    assert len(events) == 1 and events[0]["type"] == "ERROR"
    assert events[0]["object"]["code"] == 410 and events[0]["object"]["reason"] == "Expired"
    status, body = site.call("GET", "/api/v1/namespaces/default/configmaps?resourceVersion=99999999")
    assert status == 504 and "Too large resource version" in body["message"]


def test_pages(site):
    names = [f"page-{i:02}" for i in range(7)]
    for n in names:
        make(site, n)
    seen, token = [], ""
    while True:
        _, page = site.call("GET", f"/api/v1/namespaces/default/configmaps?limit=3&continue={token}")
        assert len(page["items"]) <= 3
        seen += [o["metadata"]["name"] for o in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
        assert page["metadata"]["remainingItemCount"] > 0
    assert [n for n in seen if n.startswith("page-")] == names and len(seen) == len(set(seen))
    assert site.call("GET", "/api/v1/namespaces/default/configmaps?limit=3&continue=xx")[0] == 400


def test_stale_writes(site):
    o = make(site, "stale", a="1")
    path = "/api/v1/namespaces/default/configmaps/stale"
    o["data"] = {"a": "2"}
    assert site.call("PUT", path, o)[0] == 200
    o["data"] = {"a": "3"}
    status, body = site.call("PUT", path, o)
    assert status == 409 and body["reason"] == "Conflict"
    assert body["message"] == ('Operation cannot be fulfilled on configmaps "stale": the object has been modified; please '
                               'apply your changes to the latest version and try again')
    status, body = site.call("DELETE", path, {"preconditions": {"uid": "nobody"}})
    assert status == 409 and site.call("GET", path)[0] == 200
    same = site.call("GET", path)[1]
    assert site.call("PUT", path, same)[1]["metadata"]["resourceVersion"] == same["metadata"]["resourceVersion"]


def test_paths_and_methods(site):
    assert site.call("GET", "/api/v1/namespaces/default/widgets")[0] == 404
    assert site.call("GET", "/apis/nowhere.io/v1")[0] == 404
    assert site.call("GET", "/nothing")[0] == 404
    status, body = site.call("POST", "/api/v1/namespaces/default/configmaps/x", {})
    assert status == 405 and body["reason"] == "MethodNotAllowed"
    assert site.call("GET", "/healthz")[1] == "ok"
    assert site.call("GET", "/version")[1]["major"] == "1"
    assert site.call("PATCH", "/api/v1/namespaces/default/configmaps/x", {}, "text/plain")[0] == 415
    assert site.call("POST", "/api/v1/namespaces/default/configmaps", b"{")[0] == 400
    assert site.call("POST", "/api/v1/namespaces/default/configmaps", b"k8s\0\xff\xff", "application/vnd.kubernetes.protobuf")[0] == 400
    assert site.call("GET", "/api/v1/nodes", headers={"Authorization": "Bearer nonsense"})[0] == 401
    assert site.call("GET", "/api/v1/nodes", headers={"Authorization": ""})[0] == 403


def test_yaml_body_and_dry_run(site):
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fromyaml}\ndata: {a: '1'}\n"
    status, o = site.call("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", text, "application/yaml")
    assert status == 201 and o["metadata"]["uid"]
    assert site.call("GET", "/api/v1/namespaces/default/configmaps/fromyaml")[0] == 404
    status, o = site.call("PATCH", "/api/v1/namespaces/default/configmaps/fromyaml?fieldManager=m", text,
                          "application/apply-patch+yaml")
    assert status == 201 and o["data"] == {"a": "1"}
    status, body = site.call("PATCH", "/api/v1/namespaces/default/configmaps/fromyaml", text, "application/apply-patch+yaml")
    assert status == 422 and "fieldManager: Required value" in body["message"]


def test_finalizers_and_generate_name(site):
    status, o = site.call("POST", "/api/v1/namespaces/default/configmaps",
                          {"metadata": {"generateName": "gen-", "finalizers": ["example.io/hold"]}})
    name = o["metadata"]["name"]
    assert status == 201 and name.startswith("gen-") and len(name) == 9
    path = "/api/v1/namespaces/default/configmaps/" + name
    status, o = site.call("DELETE", path)
    assert status == 200 and o["metadata"]["deletionTimestamp"]
    status, body = site.call("PATCH", path, {"metadata": {"finalizers": ["example.io/hold", "example.io/more"]}},
                             "application/merge-patch+json")
    assert status == 422 and "no new finalizers can be added if the object is being deleted" in body["message"]
    assert site.call("PATCH", path, {"metadata": {"finalizers": []}}, "application/merge-patch+json")[0] == 200
    assert site.call("GET", path)[0] == 404


def test_status_is_a_part_of_its_own(site):
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "host:1"}]}, "status": {"phase": "Running"}}
    wait_for(lambda: site.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200, 60, "account")
    status, o = site.call("POST", "/api/v1/namespaces/default/pods", pod)
    assert status == 201 and o["status"]["phase"] == "Pending"
    path = "/api/v1/namespaces/default/pods/p"
    status, o = site.call("PATCH", path + "/status", {"status": {"phase": "Running"}, "metadata": {"labels": {"a": "b"}}},
                          "application/merge-patch+json")
    assert status == 200 and o["status"]["phase"] == "Running" and o["metadata"]["labels"] == {"a": "b"}
    status, o = site.call("PATCH", path, {"status": {"phase": "Failed"}}, "application/merge-patch+json")
    assert status == 200 and o["status"]["phase"] == "Running"
    status, body = site.call("PATCH", path, {"spec": {"containers": [{"name": "c", "image": "host:1", "command": ["x"]}]}},
                             "application/strategic-merge-patch+json")
    assert status == 422 and "pod updates may not change fields other than" in body["message"]
    assert body["details"]["causes"][0]["field"] == "spec"


def test_many_watchers_see_the_same_order(site):
    rv = site.call("GET", "/api/v1/namespaces/default/configmaps")[1]["metadata"]["resourceVersion"]
    results = []
    threads = [threading.Thread(target=lambda: results.append(watch(site, f"resourceVersion={rv}"))) for _ in range(5)]
    for t in threads:
        t.start()
    for i in range(20):
        make(site, f"order-{i}")
    for t in threads:
        t.join()
    full = watch(site, f"resourceVersion={rv}")
    names = [e["object"]["metadata"]["name"] for e in full]
    assert names == [f"order-{i}" for i in range(20)]
    for r in results:
        got = [e["object"]["metadata"]["name"] for e in r]
        assert got == names[:len(got)]


def test_random_bytes_do_not_hurt(site):
    host, port = site.url[len("https://"):].split(":")
    for data in (b"\0" * 100, b"GET / HTTP/1.1\r\n" * 50, b"\x16\x03\x01\xff\xff" + b"a" * 400):
        with socket.create_connection((host, int(port)), 60) as s:
            s.sendall(data)
            s.settimeout(5)
            try:
                while s.recv(4096):
                    pass
            except OSError:
                pass
    deep = b"[" * 5000
    assert site.call("POST", "/api/v1/namespaces/default/configmaps", deep)[0] == 400
    assert site.call("GET", "/readyz")[1] == "ok"


def test_a_rule_for_one_name_allows_to_list_and_watch_that_name(site):
    """As the real authorizer: a field selector that has room for one name is a request for that name."""
    for body, path in (
            ({"metadata": {"name": "one-name"}, "rules": [
                {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"], "verbs": ["list", "watch"]}]},
             "roles"),
            ({"metadata": {"name": "one-name"}, "subjects": [{"kind": "ServiceAccount", "name": "narrow", "namespace":
                                                              "default"}],
              "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one-name"}}, "rolebindings")):
        status, o = site.call("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/default/{path}", body)
        assert status == 201, o
    assert site.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "narrow"}})[0] == 201
    token = site.token_of("default", "narrow")
    make(site, "mine", a="1")
    base = "/api/v1/namespaces/default/configmaps"

    def get(query):
        return site.call("GET", f"{base}?{query}", token=token)[0]

    for query, want in (("fieldSelector=metadata.name%3Dmine", 200), ("fieldSelector=metadata.name%3D%3Dmine", 200),
                        ("fieldSelector=metadata.namespace%3Ddefault,metadata.name%3Dmine", 200),
                        ("watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dmine", 200),
                        ("", 403), ("watch=1", 403), ("fieldSelector=metadata.name%3Dother", 403),
                        ("fieldSelector=metadata.name!%3Dmine", 403), ("fieldSelector=metadata.name%3D", 403),
                        ("labelSelector=name%3Dmine", 403)):
        assert get(query) == want, query
    assert site.call("GET", f"{base}/mine", token=token)[0] == 403, "list and watch only"
