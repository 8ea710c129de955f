"""Profiles: every save is a commit, a version and an audit row; all that is wrong is said at once."""
import concurrent.futures

from fleet_rows import make_profile, profile


def audit(central, name):
    return [x for x in central.get("/api/v1/audit?limit=500")["items"] if x["target"] == f"profile/{name}"]


def wants(answer):
    return {f["field"]: f["want"] for f in answer.error["fields"]}


def test_first_version_has_defaults_and_a_commit(central, postgres):
    p = make_profile(central, "std", parameters={"work_mem": "8MB", "max_connections": 200}, message="Begin")
    assert p["version"] == 1 and p["replicas"] == 3 and p["author"] == "root" and p["clusters"] == 0
    assert p["parameters"] == {"work_mem": "8MB", "max_connections": "200"}
    assert p["failover"]["lease_seconds"] == 15 and "message" not in p
    versions = central.get("/api/v1/profiles/std/versions")
    assert versions["total"] == 1 and versions["items"][0]["message"] == "Begin"
    assert versions["items"][0]["commit"] == p["commit"]
    kinds = postgres.psql(central.database, "SELECT kind, count(*) FROM git_objects GROUP BY 1 ORDER BY 1")
    assert kinds.splitlines()[0] == "1|1"
    assert [x["action"] for x in audit(central, "std")] == ["profile.create"]


def test_names_are_taken_once(central):
    make_profile(central, "once")
    a = central.call("POST", "/api/v1/profiles", profile("once"))
    assert a.status == 409 and a.error["code"] == "already_exists", a
    assert len(audit(central, "once")) == 1


def test_everything_wrong_is_told_together(central):
    bad = profile("Bad_Name", replicas=0, storage={"size": "10 apples"}, postgres={"version": "12"},
                  resources={"memory_request": "2Gi", "memory_limit": "1Gi", "cpu": "1"},
                  parameters={"work_mmem": "1MB", "wal_level": "minimal", "listen_addresses": "*", "shared_buffers": "2GB",
                              "app.setting": "x", "max_connections": "many", "log_line_prefix": "a\nb"},
                  hba_rules=["host all all 10.0.0.0/33 md5", "host all all all scram-sha-256", "hots all all"],
                  failover={"lease_seconds": 5, "health_interval_seconds": 10})
    a = central.call("POST", "/api/v1/profiles", bad)
    assert a.status == 422 and a.error["code"] == "invalid", a
    w = wants(a)
    assert "work_mem" in w["parameters.work_mmem"]
    assert w["replicas"] == "1 to 15"
    assert "listen" not in w["parameters.listen_addresses"] and "operator" in w["parameters.listen_addresses"]
    for field in ("name", "storage.size", "postgres.version", "resources.memory_request", "resources.cpu",
                  "parameters.wal_level", "parameters.max_connections", "parameters.log_line_prefix",
                  "parameters.shared_buffers", "hba_rules.0", "hba_rules.2", "failover.health_interval_seconds"):
        assert field in w, (field, w)
    assert "parameters.app.setting" not in w and "hba_rules.1" not in w
    v = central.call("POST", "/api/v1/profiles/validate", bad)
    assert v.status == 200 and v.json["valid"] is False
    assert {e["field"] for e in v.json["errors"]} == set(w)
    assert central.call("GET", "/api/v1/profiles/Bad_Name").status == 404


def test_an_image_must_be_known(central):
    a = central.call("POST", "/api/v1/profiles", profile("noimage", postgres={"version": "17.99"}, replicas=99))
    assert a.status == 422 and set(wants(a)) == {"postgres.version", "replicas"}, a
    a = central.call("POST", "/api/v1/profiles", profile("noimage", postgres={"version": "17", "variant": "nope"}))
    assert set(wants(a)) == {"postgres.variant"}
    assert central.call("PUT", "/api/v1/postgres-versions/17.99/default", {"image": "postgres:17.99"}).status == 200
    assert central.call("POST", "/api/v1/profiles", profile("image", postgres={"version": "17.99"})).status == 201
    a = central.call("DELETE", "/api/v1/postgres-versions/17.99/default")
    assert a.status == 412 and "1 profiles" in a.error["message"], a
    assert central.call("POST", "/api/v1/profiles",
                        profile("own-image", postgres={"version": "17.98", "image": "host:5000/pg:1"})).status == 201


def test_edit_is_a_new_version_with_if_match(central):
    p = make_profile(central, "edit")
    doc = profile("edit", parameters={"work_mem": "16MB"}, message="More memory")
    a = central.call("PUT", "/api/v1/profiles/edit", doc, headers={"If-Match": '"1"'})
    assert a.status == 200 and a.headers["etag"] == '"2"' and a.json["version"] == 2, a
    stale = central.call("PUT", "/api/v1/profiles/edit", profile("edit"), headers={"If-Match": '"1"'})
    assert stale.status == 412 and "version 1" in stale.error["message"] and "is 2" in stale.error["message"], stale
    same = central.call("PUT", "/api/v1/profiles/edit", doc, headers={"If-Match": '"2"'})
    assert same.status == 200 and same.json["version"] == 2
    assert central.get("/api/v1/profiles/edit?version=1")["commit"] == p["commit"]
    assert central.call("GET", "/api/v1/profiles/edit?version=9").status == 404
    assert central.call("PUT", "/api/v1/profiles/edit", profile("other")).status == 422
    assert central.call("PUT", "/api/v1/profiles/absent", profile("absent")).status == 404
    rows = audit(central, "edit")
    assert [x["action"] for x in rows] == ["profile.update", "profile.update", "profile.create"]
    assert rows[1]["before"]["parameters"] == {} and rows[1]["after"]["parameters"] == {"work_mem": "16MB"}


def test_diff_tells_lines_fields_and_cost(central):
    make_profile(central, "diff", parameters={"work_mem": "4MB"}, hba_rules=["host all all 10.0.0.0/8 md5"])
    for change in ({"parameters": {"work_mem": "8MB"}}, {"parameters": {"work_mem": "8MB", "max_connections": "300"},
                                                        "replicas": 5}):
        a = central.call("PUT", "/api/v1/profiles/diff", profile("diff", hba_rules=["host all all 10.0.0.0/8 md5"], **change))
        assert a.status == 200, a
    d = central.get("/api/v1/profiles/diff/diff?from=1&to=2")
    assert d["mode"] == "reload"
    assert d["changes"] == [{"field": "parameters.work_mem", "before": "4MB", "after": "8MB", "mode": "reload"}]
    assert "--- a/postgresql.conf\n" in d["text"] and "-work_mem = '4MB'\n+work_mem = '8MB'\n" in d["text"]
    d = central.get("/api/v1/profiles/diff/diff")
    assert (d["from"], d["to"], d["mode"]) == (2, 3, "sequential")
    assert {c["field"]: c["mode"] for c in d["changes"]} == {"replicas": "scale", "parameters.max_connections": "sequential"}
    first = central.get("/api/v1/profiles/diff/diff?to=1")
    assert first["from"] == 0 and "+host all all 10.0.0.0/8 md5" in first["text"]


def test_two_edits_at_once_make_two_versions_or_one_refusal(central):
    make_profile(central, "race")

    def edit(n):
        return central.call("PUT", "/api/v1/profiles/race", profile("race", parameters={"work_mem": f"{n}MB"}),
                            headers={"If-Match": "1"}).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = sorted(pool.map(edit, range(5, 13)))
    assert got == [200] + [412] * 7
    assert central.get("/api/v1/profiles/race/versions")["total"] == 2

    def free_edit(n):
        return central.call("PUT", "/api/v1/profiles/race", profile("race", parameters={"work_mem": f"{n}MB"})).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(free_edit, range(20, 28))) == {200}
    items = central.get("/api/v1/profiles/race/versions")["items"]
    assert [v["version"] for v in items] == list(range(10, 0, -1))
    assert len({v["commit"] for v in items}) == 10


def test_lists_page(central):
    for i in range(5):
        make_profile(central, f"page-{i}")
    seen, after = [], ""
    while True:
        got = central.get(f"/api/v1/profiles?limit=2&name=page-{after}")
        assert got["total"] == 5
        seen += [p["name"] for p in got["items"]]
        if "next" not in got:
            break
        after = "&after=" + got["next"]
    assert seen == [f"page-{i}" for i in range(5)]


def test_delete(central):
    make_profile(central, "gone")
    assert central.call("DELETE", "/api/v1/profiles/gone").status == 204
    assert central.call("GET", "/api/v1/profiles/gone").status == 404
    assert central.call("DELETE", "/api/v1/profiles/gone").status == 404
    assert make_profile(central, "gone")["version"] == 1


def test_bodies_that_are_not_profiles(central):
    for body, status in (("{", 400), ("[]", 422), ('{"name":"x","name":"y"}', 400), ("", 422)):
        a = central.call("POST", "/api/v1/profiles", body, headers={"Content-Type": "application/json"})
        assert a.status == status, (body, a)
