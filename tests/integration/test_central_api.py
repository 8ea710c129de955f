"""What every route of central owes: authentication, roles, error shape, audit, limits, request ids, metrics."""
import base64
import json
import re
import subprocess

import pytest

from rest_util import BIN

OPEN_GETS = ["/healthz", "/metrics", "/api/v1/openapi.json", "/api/v1/version"]


@pytest.fixture(scope="module")
def tokens(central):
    return {role: central.token_for(f"{role}-1", role) for role in ("viewer", "operator", "admin")}


def routes():
    """(method, path with values, role, audit) of every row of the table, from the document that central prints."""
    doc = json.loads(subprocess.run([BIN + "/pg-swarm-central", "--dump", "openapi"], capture_output=True, check=True).stdout)
    for path, methods in doc["paths"].items():
        for method, op in methods.items():
            yield method.upper(), re.sub(r"\{\w+\}", "nobody", path), op.get("x-role", ""), op


ROUTES = list(routes())


def test_open_routes(central):
    for path in OPEN_GETS:
        assert central.call("GET", path, token="").status == 200, path
    health = central.get("/healthz", token="")
    assert health["status"] == "ok" and health["database"] is True
    assert re.match(r"\d+\.\d+", central.get("/api/v1/version", token="")["version"])


@pytest.mark.parametrize("method,path,role", [(m, p, r) for m, p, r, _ in ROUTES if r])
def test_no_token_no_entry(central, method, path, role):
    for token, headers in (("", {}), ("0" * 64, {}), ("", {"Authorization": "Basic eDp5"}),
                           ("", {"Authorization": "Bearer"})):
        a = central.call(method, path, token=token, headers=headers)
        assert a.status == 401, a
        assert a.error["code"] == "unauthenticated" and a.headers["www-authenticate"]


def fingerprint(central, postgres):
    """Every row of the tables that a person can change, but for tokens' times of use and audit itself."""
    tables = ["users", "satellites", "profiles", "profile_versions", "postgres_versions", "deployment_rules", "clusters",
              "git_objects"]
    sql = " UNION ALL ".join(f"SELECT '{t}', coalesce(md5(string_agg(x::text, '' ORDER BY x::text)), '') FROM {t} x"
                             for t in tables)
    return postgres.psql(central.database, sql + " UNION ALL SELECT 'tokens', count(*)::text FROM tokens")


CHANGING = [(m, p, r) for m, p, r, op in ROUTES if m != "GET" and r in ("operator", "admin")]


@pytest.mark.parametrize("method,path,role", CHANGING)
def test_viewers_cannot_change_anything(central, tokens, postgres, method, path, role):
    before = fingerprint(central, postgres)
    a = central.call(method, path, {"name": "x"}, token=tokens["viewer"])
    assert a.status == 403, a
    assert a.error["code"] == "forbidden" and role in a.error["message"]
    if role == "admin":
        assert central.call(method, path, {"name": "x"}, token=tokens["operator"]).status == 403
    assert fingerprint(central, postgres) == before


def test_every_changing_route_has_a_role_and_is_audited():
    """A viewer may POST only what touches nothing but the caller's own token, or nothing at all."""
    own = {"/api/v1/auth/login", "/api/v1/auth/logout", "/api/v1/tokens", "/api/v1/tokens/nobody",
           "/api/v1/profiles/validate", "/api/v1/deployment-rules/preview", "/git/profiles.git/git-upload-pack"}
    assert {p for m, p, r, _ in ROUTES if m != "GET" and r not in ("operator", "admin")} == own


def test_unknown_paths_and_methods(central):
    a = central.call("GET", "/api/v1/nothing")
    assert a.status == 404 and a.error["code"] == "not_found"
    a = central.call("DELETE", "/api/v1/version")
    assert a.status == 405 and a.headers["allow"] == "GET"
    a = central.call("GET", "/api/v1/satellites/nobody")
    assert a.status == 404 and "nobody" in a.error["message"]


def test_bodies(central):
    post = lambda body, **kw: central.call("POST", "/api/v1/users", body, **kw)
    a = post("not json")
    assert a.status == 400 and a.error["code"] == "malformed", a
    a = post(b'{"name":"x"}', headers={"Content-Type": "text/plain"})
    assert a.status == 415
    a = post("{" + "[" * 100)
    assert a.status == 400
    a = post({"name": "bad name!", "role": "king", "password": "x", "nmae": 1})
    assert a.status == 422, a
    fields = {f["field"] for f in a.error["fields"]}
    assert {"role", "nmae"} <= fields and len(fields) >= 3, a
    assert all(f["want"] for f in a.error["fields"])
    a = post(b'{"name":"' + b"a" * (1024 * 1024 + 1) + b'"}')
    assert a.status == 413


def test_request_ids(central):
    a = central.call("GET", "/api/v1/nothing", headers={"X-Request-Id": "from-the-client-1"})
    assert a.headers["x-request-id"] == "from-the-client-1" == a.error["request_id"]
    a = central.call("GET", "/api/v1/nothing", headers={"X-Request-Id": 'bad "id"\t'})
    assert re.fullmatch(r"[0-9a-f]{16}", a.headers["x-request-id"])
    assert "request_id=from-the-client-1" in central.log()


def test_audit_rows(central, tokens, postgres):
    count = lambda: int(postgres.psql(central.database, "SELECT count(*) FROM audit"))
    before = count()
    a = central.call("POST", "/api/v1/users", {"name": "audited", "role": "viewer", "password": "correct horse"},
                     headers={"X-Request-Id": "audit-me-please"})
    assert a.status == 201, a
    assert count() == before + 1
    row = central.get("/api/v1/audit?limit=1")["items"][0]
    assert row["user"] == "root" and row["role"] == "admin" and row["action"] == "user.create"
    assert row["target"] == "user/audited" and row["request_id"] == "audit-me-please"
    assert row["from"].startswith("127.0.0.1:") and row["result"]
    assert row["after"]["name"] == "audited"
    assert "correct horse" not in json.dumps(row)
    # what is refused, and what only reads, leaves none
    assert central.call("POST", "/api/v1/users", {"name": "audited", "role": "viewer", "password": "correct horse"}).status == 409
    central.call("GET", "/api/v1/users")
    central.call("DELETE", "/api/v1/users/audited", token=tokens["viewer"])
    assert count() == before + 1
    assert central.call("DELETE", "/api/v1/users/audited").status == 204
    assert count() == before + 2
    assert central.call("GET", "/api/v1/audit", token=tokens["operator"]).status == 403


def test_tokens(central, tokens):
    me = central.get("/api/v1/auth/whoami", token=tokens["operator"])
    assert me["name"] == "operator-1" and me["role"] == "operator"
    a = central.call("POST", "/api/v1/tokens", {"description": "ci", "role": "viewer"}, token=tokens["operator"])
    assert a.status == 201, a
    less = a.json
    assert central.get("/api/v1/auth/whoami", token=less["token"])["role"] == "viewer"
    a = central.call("POST", "/api/v1/tokens", {"description": "up", "role": "admin"}, token=tokens["operator"])
    assert a.status == 403, a
    listed = central.get("/api/v1/tokens", token=tokens["operator"])["items"]
    assert {t["user"] for t in listed} == {"operator-1"}
    assert less["token"] not in json.dumps(listed)
    assert central.call("DELETE", f"/api/v1/tokens/{less['id']}", token=tokens["viewer"]).status == 404
    assert central.call("DELETE", f"/api/v1/tokens/{less['id']}", token=tokens["operator"]).status == 204
    assert central.call("GET", "/api/v1/auth/whoami", token=less["token"]).status == 401
    a = central.call("POST", "/api/v1/auth/login", {"name": "operator-1", "password": "wrong"}, token="")
    assert a.status == 401
    second = central.call("POST", "/api/v1/auth/login", {"name": "operator-1", "password": "correct horse"}, token="").json
    assert central.call("POST", "/api/v1/auth/logout", token=second["token"]).status == 204
    assert central.call("GET", "/api/v1/auth/whoami", token=second["token"]).status == 401


def test_lists(central):
    page = central.get("/api/v1/users?limit=2")
    assert len(page["items"]) == 2 and page["total"] >= 4 and page["next"]
    names = [u["name"] for u in page["items"]]
    while page.get("next"):
        page = central.get(f"/api/v1/users?limit=2&after={page['next']}")
        names += [u["name"] for u in page["items"]]
    assert len(names) == len(set(names)) == page["total"]
    assert central.get("/api/v1/satellites") == {"items": [], "total": 0}
    for bad in ("0", "501", "x", "-1"):
        a = central.call("GET", f"/api/v1/users?limit={bad}")
        assert a.status == 422 and a.error["fields"][0]["field"] == "limit"
    a = central.call("GET", "/api/v1/events?since=yesterday")
    assert a.status == 422 and "15m" in a.error["message"]
    assert central.call("GET", "/api/v1/events?since=2h").status == 200


def test_status_and_metrics(central):
    s = central.get("/api/v1/status")
    assert s["satellites"]["total"] == 0 and s["clusters"]["total"] == 0 and s["broken"] == []
    text = central.call("GET", "/metrics", token="").body.decode()
    assert central.call("GET", "/metrics", token="").headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "pgswarm_database_up 1" in text
    assert re.search(r'pgswarm_http_requests_total\{route="STATUS",code="2xx"\} \d', text)
    names = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            assert line.split()[2] not in names, line
            names.add(line.split()[2])
        elif not line.startswith("#"):
            assert re.fullmatch(r'[a-z_]+(\{[^}]*\})? [-+0-9.e]+(inf)?', line), line


def test_openapi(central):
    doc = central.get("/api/v1/openapi.json", token="")
    assert doc["openapi"].startswith("3.0")
    refs = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(doc)))
    assert refs <= set(doc["components"]["schemas"])
    ids = [op["operationId"] for ops in doc["paths"].values() for op in ops.values()]
    assert len(ids) == len(set(ids)) == len(ROUTES)


def test_git_wants_a_token_as_password(central, tokens):
    a = central.call("GET", "/git/profiles.git/info/refs?service=git-upload-pack", token="")
    assert a.status == 401 and a.headers["www-authenticate"].startswith("Basic")
    basic = base64.b64encode(f"anybody:{tokens['viewer']}".encode()).decode()
    a = central.call("GET", "/git/profiles.git/info/refs?service=git-upload-pack", token="",
                     headers={"Authorization": f"Basic {basic}"})
    assert a.status == 200 and a.headers["content-type"] == "application/x-git-upload-pack-advertisement"
    a = central.call("GET", "/git/profiles.git/info/refs?service=git-receive-pack")
    assert a.status == 403
    # elsewhere Basic is nothing
    assert central.call("GET", "/api/v1/users", token="", headers={"Authorization": f"Basic {basic}"}).status == 401


def test_changes_of_a_satellite(central, tokens, postgres):
    """ETag and If-Match, and an audit row with before and after for each change."""
    sat = postgres.psql(central.database, """INSERT INTO satellites (name, key_sha256, csr_pem)
        VALUES ('audit-sat', sha256('audit-sat'), '') RETURNING id""")
    path = f"/api/v1/satellites/{sat}"
    a = central.call("GET", path, token=tokens["viewer"])
    assert a.status == 200 and re.fullmatch(r'"\d+"', a.headers["etag"])
    labels = lambda value, **h: central.call("PUT", path + "/labels", {"labels": {"tier": value}}, headers=h,
                                             token=tokens["operator"])
    b = labels("edge", **{"If-Match": a.headers["etag"]})
    assert b.status == 200 and b.json["labels"] == {"tier": "edge"} and b.headers["etag"] != a.headers["etag"], b
    stale = labels("core", **{"If-Match": a.headers["etag"]})
    assert stale.status == 412 and stale.error["code"] == "precondition", stale
    assert labels("core", **{"If-Match": '"x"'}).status == 422
    bad = central.call("PUT", path + "/labels", {"labels": {"-bad-": "x" * 70}}, token=tokens["operator"])
    assert bad.status == 422 and bad.error["fields"], bad
    assert central.call("POST", path + "/reject", token=tokens["operator"]).status == 200
    a = central.call("POST", path + "/log-level", {"level": "debug"}, token=tokens["operator"])
    assert a.status in (409, 412, 503), a
    a = central.call("DELETE", path)
    assert a.status == 204, a
    rows = central.get("/api/v1/audit?object=satellite/audit-sat")["items"]
    assert [(r["action"], r["user"]) for r in rows] == [
        ("satellite.delete", "root"), ("satellite.reject", "operator-1"), ("satellite.label", "operator-1")]
    assert rows[2]["before"]["labels"] == {} and rows[2]["after"]["labels"] == {"tier": "edge"}
    assert rows[1]["before"]["state"] == "pending" and rows[1]["after"]["state"] == "rejected"


def test_curl_over_http1_and_http2(central):
    for flag, version in (("--http1.1", "1.1"), ("--http2", "2")):
        out = subprocess.run(["curl", "-s", flag, "--cacert", central.ca_file, "-w", "\n%{http_code} %{http_version}",
                              "-H", f"Authorization: Bearer {central.token}", central.url + "/api/v1/auth/whoami"],
                             capture_output=True, text=True, check=True).stdout
        body, _, tail = out.rpartition("\n")
        assert tail == f"200 {version}" and json.loads(body)["name"] == "root"


def test_no_secret_in_the_log(central, tokens):
    text = central.log()
    assert central.token not in text and "correct horse" not in text
    assert all(t not in text for t in tokens.values())
