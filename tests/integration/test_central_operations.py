"""Operations at central: asked for, sent by comparison, reported on; with grpcio as the satellite and a real PostgreSQL."""
import asyncio
import datetime
import json
import random
import ssl
import uuid

import pytest
import websockets

from central_util import Central, Postgres, Rest, wait_until
from operations_util import NOW, S, Site


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


@pytest.fixture
def site(central, request):
    s = Site(central, "s" + uuid.uuid4().hex[:8]).up()
    yield s
    s.close()


# ---- the whole way ----

def test_switchover_from_ask_to_done(central, site):
    status, op = site.ask("switchover", to="prod-pg-1", max_lag_bytes=0)
    assert status == 202
    assert (op["kind"], op["state"], op["target"], op["primary"]) == ("switchover", "pending", "prod-pg-1", "prod-pg-0")
    assert op["cluster"] == "prod-pg" and op["satellite"] == site.name and op["requested_by"] == "ann"
    assert op["params"] == {"to": "prod-pg-1", "max_lag_bytes": 0} and op["steps"] == []
    m = site.stream.wait("switchover")
    assert (m.operation_id, m.cluster_name, m.namespace, m.target_pod) == (op["id"], "prod-pg", "databases", "prod-pg-1")
    assert m.max_lag_bytes == 1 and not m.interactive and m.requested_by == "ann"
    site.progress(op["id"], 1, "running", started_us=NOW, steps_total=9, pod="prod-pg-1")
    site.progress(op["id"], 1, "done", started_us=NOW, took_ms=100, steps_total=9, pod="prod-pg-1", detail="role=replica ready")
    site.progress(op["id"], 2, "running", started_us=NOW + 100_000)
    o = site.until(op["id"], lambda o: o["step"] == 2)
    assert o["state"] == "running" and o["steps_total"] == 9 and not o["point_of_no_return"]
    first = o["steps"][0]
    assert (first["n"], first["name"], first["status"], first["pod"], first["took_ms"], first["detail"]) == \
        (1, "step 1", "done", "prod-pg-1", 100, "role=replica ready")
    site.progress(op["id"], 7, "done", point_of_no_return=True)
    site.until(op["id"], lambda o: o["point_of_no_return"])
    site.result(op["id"], "done", detail="prod-pg-1 leads", finished_us=NOW + 5_000_000, target_pod="prod-pg-1")
    assert site.stream.wait("operation_ack").operation_id == op["id"]
    o = site.op(op["id"])
    assert o["state"] == "done" and o["detail"] == "prod-pg-1 leads" and o["error"] == ""
    assert o["finished_at"].startswith("2027-01-15T08:00:05")
    audit = central.admin().get(f"/api/v1/audit?object=cluster/databases/{site.cluster}")["items"]
    assert [a["action"] for a in audit] == ["cluster.switchover"] and audit[0]["after"]["id"] == op["id"]


@pytest.mark.parametrize("outcome, state", [
    ("done", "done"), ("rolled_back", "rolled_back"), ("failed_past_no_return", "failed"), ("unknown", "unknown")])
def test_the_four_ends(site, outcome, state):
    op = site.start()
    site.progress(op, 1, "running")
    site.result(op, outcome, error="" if outcome == "done" else "why")
    site.stream.wait("operation_ack")
    o = site.op(op)
    assert o["state"] == state and o["finished_at"] and o["error"] == ("" if outcome == "done" else "why")
    # Told again, and contradicted: the end that was told first stands, and is acknowledged again.
    n = len(site.stream.kinds("operation_ack"))
    site.result(op, "rolled_back" if outcome in ("done", "failed_past_no_return") else "unknown")
    wait_until("acknowledged again", lambda: len(site.stream.kinds("operation_ack")) == n + 1)
    assert site.op(op)["state"] == state
    # The cluster is free again.
    assert site.ask("pause")[0] == 202


def test_every_kind_reaches_the_site(site):
    kinds = {"failover": dict(to="prod-pg-2", accept_data_loss=True), "fence": dict(pod="prod-pg-0", drain_timeout_seconds=7),
             "unfence": dict(pod="prod-pg-0"), "reinit": dict(pod="prod-pg-1"), "restart": dict(rolling=True),
             "pause": {}, "resume": {}}
    for kind, body in kinds.items():
        op = site.start(kind, **body)
        m = next(m for m in site.stream.kinds("member_operation") if m.operation_id == op)
        assert m.kind == getattr(S, "OPERATION_KIND_" + kind.upper())
        assert m.pod == body.get("to", body.get("pod", "")) and m.accept_data_loss == ("accept_data_loss" in body)
        assert m.rolling == ("rolling" in body) and m.drain_timeout_seconds == body.get("drain_timeout_seconds", 0)
        site.end(op)


# ---- reports: twice, late, in any order ----

def test_any_order_of_the_same_reports_ends_the_same(site):
    told = []
    for step in range(1, 5):
        for i, status in enumerate(["running", "done"]):
            told.append(dict(step=step, status=status, at=NOW + step * 10_000 + i * 5_000, started_us=NOW + step * 10_000,
                             took_ms=5 * i, steps_total=9, point_of_no_return=step == 4, target_pod="prod-pg-1"))
    seen = []
    for seed in (None, 1, 2):
        op = site.start()
        reports = list(told)
        if seed:
            reports += told[:4]
            random.Random(seed).shuffle(reports)
        for r in reports:
            site.progress(op, **r)
        o = site.until(op, lambda o: len(o["steps"]) == 4 and all(s["status"] == "done" for s in o["steps"]))
        o = site.end(op)
        seen.append({k: o[k] for k in ("steps", "step", "steps_total", "point_of_no_return", "state", "target", "started_at")})
    assert seen[0] == seen[1] == seen[2]


def test_late_progress_does_not_wake_what_has_ended(site):
    op = site.start()
    site.progress(op, 1, "done")
    site.result(op, "done")
    site.stream.wait("operation_ack")
    site.progress(op, 2, "running")
    o = site.until(op, lambda o: len(o["steps"]) == 2)
    assert o["state"] == "done" and o["finished_at"]


def test_reports_that_are_nobodys(central, site):
    other = Site(central, "o" + uuid.uuid4().hex[:8]).up()
    op = site.start()
    other.progress(op, 3, "running")
    other.result(op, "done")          # of a satellite that has nothing to do with it
    other.result(str(uuid.uuid4()), "done")  # of no operation at all: acknowledged, so that it is forgotten there
    wait_until("both are acknowledged", lambda: len(other.stream.kinds("operation_ack")) == 2)
    site.progress(op, 0, "running")   # no step
    site.progress(op, 9999, "running")
    site.progress(op, 1, "nonsense")
    site.progress(op, 1, "running")
    o = site.until(op, "running")
    assert [s["n"] for s in o["steps"]] == [1] and not o["finished_at"]
    other.close()


# ---- delivery ----

def test_sent_again_until_it_is_answered(site):
    op = site.start()
    wait_until("sent again", lambda: len([m for m in site.stream.kinds("switchover") if m.operation_id == op]) >= 2)
    site.progress(op, 1, "running")
    site.until(op, "running")
    site.beat()  # one more may have been on its way
    n = len(site.stream.kinds("switchover"))
    site.beat()
    assert len(site.stream.kinds("switchover")) == n
    # The link breaks: the next stream is told of it again, whatever was answered before.
    site.stream.close()
    st = site.connect()
    assert st.wait("switchover").operation_id == op
    site.end(op)
    st.close()
    st = site.connect()
    site.beat()
    second = site.start("pause")      # what comes after shows that nothing else came before
    assert not st.kinds("switchover") and {m.operation_id for m in st.kinds("member_operation")} == {second}


def test_a_site_that_is_away(central, site):
    site.away()
    status, body = site.ask("switchover", to="prod-pg-1")
    assert status == 503 and "detach" in body["error"]["message"]
    status, op = site.ask("switchover", to="prod-pg-1", detach=True)
    assert status == 202 and op["state"] == "pending" and "is not connected" in op["reason"]
    # Nobody has seen it: it ends here, at once.
    status, gone = central.admin().call("POST", f"/api/v1/operations/{op['id']}/abort", {})
    assert status == 202 and gone["state"] == "rolled_back" and gone["error"] == "aborted by ann before it began"
    status, op = site.ask("switchover", to="prod-pg-1", detach=True)
    assert status == 202
    st = site.connect()
    assert st.wait("switchover").operation_id == op["id"]
    assert gone["id"] not in [m.operation_id for m in st.kinds("switchover")]
    # Once it was seen, only the site can end it.
    status, o = central.admin().call("POST", f"/api/v1/operations/{op['id']}/abort", {})
    assert status == 202 and not o["finished_at"] and o["aborted_by"] == "ann"
    w = st.wait("operation_step")
    assert w.operation_id == op["id"] and w.verb == S.OperationStep.VERB_ABORT
    assert site.end(op["id"], "rolled_back")["state"] == "rolled_back"


def test_central_dies_in_the_middle(postgres):
    central = Central(postgres.database()).start()
    site = Site(central, "edge-a").up()
    op = site.start()
    site.progress(op, 4, "running")
    site.until(op, "running")
    central.kill()
    assert site.stream.ended()
    central.start()
    st = site.connect()
    assert st.wait("switchover").operation_id == op
    o = site.op(op)
    assert o["step"] == 4 and not o["finished_at"]  # what it knew it knows
    for n in range(1, 8):
        site.progress(op, n, "done")
    assert site.end(op)["step"] == 7
    site.close()
    central.remove()


def soon(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


def plan(central, op, when):
    """Its time is another one now, which is returned; the centrals hear of it."""
    return central.sql(f"UPDATE operations SET scheduled_at = now() {when} WHERE id = %s RETURNING scheduled_at,"
                       " pg_notify('pgswarm', 'operations U ' || id || ' ' || satellite_id)", op)[0][0]


def test_two_centrals(postgres):
    a = Central(postgres.database()).start()
    b = Central(a.conninfo, folder=a.dir).start()
    site = Site(a, "edge-a").up()
    # Asked for at one, sent by the other that holds the stream.
    status, op = site.ask("switchover", rest=Rest(b, a.admin().token), to="prod-pg-1")
    assert status == 202
    assert site.stream.wait("switchover").operation_id == op["id"]
    site.progress(op["id"], 1, "running")
    wait_until("seen at both", lambda: site.op(op["id"], Rest(b, a.admin().token))["state"] == "running")
    # The stream moves, the operation goes on there.
    old = site.stream
    st = site.connect(b)
    assert old.ended()
    assert st.wait("switchover").operation_id == op["id"]
    site.progress(op["id"], 2, "waiting")
    wait_until("waits", lambda: site.op(op["id"])["state"] == "waiting")
    assert a.admin().call("POST", f"/api/v1/operations/{op['id']}/continue", {})[0] == 202
    assert st.wait("operation_step").verb == S.OperationStep.VERB_CONTINUE
    site.end(op["id"])
    # Planned: one central begins it, and a killed one does not matter.
    status, op = site.ask("switchover", to="prod-pg-1", at=soon(3600))
    assert status == 202 and op["state"] == "scheduled"
    a.kill()
    at = plan(a, op["id"], "+ interval '3 seconds'")
    m = wait_until("begun", lambda: [m for m in st.kinds("switchover") if m.operation_id == op["id"]])
    assert len(m) == 1 and datetime.datetime.now(datetime.timezone.utc) >= at
    a.start()
    assert site.end(op["id"])["state"] == "done"
    site.close()
    b.remove()
    a.remove()


# ---- planned ----

def test_planned_survives_a_restart_and_lets_others_pass(postgres):
    central = Central(postgres.database()).start()
    site = Site(central, "edge-a").up()
    status, planned = site.ask("switchover", to="prod-pg-1", at=soon(3600))
    assert status == 202 and planned["state"] == "scheduled" and planned["scheduled_at"]
    status, body = site.ask("switchover", to="prod-pg-2", at=soon(7200))
    assert status == 409 and planned["id"] in body["error"]["message"]
    now = site.start("fence", pod="prod-pg-2")  # a plan keeps nobody from acting
    central.kill()
    plan(central, planned["id"], "+ interval '3 seconds'")
    central.start()
    st = site.connect()
    assert st.wait("member_operation").operation_id == now
    # Its time comes while the other one is not done: it waits, and says so.
    wait_until("its time is over", lambda: site.op(planned["id"])["reason"])
    o = site.op(planned["id"])
    assert o["state"] == "scheduled" and "another operation" in o["reason"]
    assert not st.kinds("switchover")
    site.end(now)
    begun = planned["id"]
    assert st.wait("switchover").operation_id == begun
    site.end(begun)
    # Aborted before its time it never begins; too late it does not begin either.
    _, planned = site.ask("switchover", at=soon(3600))
    status, o = central.admin().call("POST", f"/api/v1/operations/{planned['id'][:8]}/abort", {})
    assert status == 202 and o["state"] == "rolled_back"
    _, planned = site.ask("switchover", at=soon(3600))
    plan(central, planned["id"], "- interval '2 hours'")
    o = site.until(planned["id"], "rolled_back")
    assert "within an hour" in o["error"]
    site.beat()
    assert {m.operation_id for m in st.kinds("switchover")} == {begun}
    site.close()
    central.remove()


# ---- words of people ----

def test_interactive(central, site):
    op = site.start(interactive=True)
    assert site.stream.wait("switchover").interactive
    rest = central.admin()
    status, body = rest.call("POST", f"/api/v1/operations/{op}/continue", {})
    assert status == 409 and "does not wait" in body["error"]["message"]
    site.progress(op, 6, "waiting")
    o = site.until(op, "waiting")
    assert o["reason"] == "waits for continue or abort"
    assert rest.call("POST", f"/api/v1/operations/{op}/continue", {"step": 5})[0] == 409
    assert rest.call("POST", f"/api/v1/operations/{op}/continue", {"step": 6})[0] == 202
    word = site.stream.wait("operation_step")
    assert word.verb == S.OperationStep.VERB_CONTINUE and word.step == 6
    # Said once, it is repeated until it is seen to have worked, and then no more.
    wait_until("said again", lambda: len(site.stream.kinds("operation_step")) >= 2)
    site.progress(op, 6, "running")
    site.until(op, "running")
    site.beat()  # one more may have been on its way
    n = len(site.stream.kinds("operation_step"))
    site.progress(op, 7, "done", point_of_no_return=True)
    site.until(op, lambda o: o["point_of_no_return"])
    status, body = rest.call("POST", f"/api/v1/operations/{op}/abort", {})
    assert status == 409 and "point of no return" in body["error"]["message"]
    site.end(op)
    status, body = rest.call("POST", f"/api/v1/operations/{op}/abort", {})
    assert status == 409 and "has ended" in body["error"]["message"]
    site.beat()
    assert len(site.stream.kinds("operation_step")) == n
    assert [a["action"] for a in rest.get(f"/api/v1/audit?object=operation/{op}")["items"]] == ["operation.continue"]


# ---- refusals ----

def test_one_at_a_time(central, site):
    op = site.start(to="prod-pg-1")
    site.progress(op, 3, "running")
    site.until(op, "running")
    status, body = site.ask("fence", pod="prod-pg-0")
    assert status == 409 and body["error"]["code"] == "conflict"
    assert op in body["error"]["message"] and "switchover" in body["error"]["message"] and "step 3" in body["error"]["message"]
    assert central.sql("SELECT count(*) FROM operations WHERE cluster_id = %s", site.cid) == [(1,)]
    site.end(op)


def test_two_ask_at_the_same_moment(central, site):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: site.ask("switchover", to="prod-pg-1"), range(8)))
    assert sorted(s for s, _ in answers) == [202] + [409] * 7
    winner = next(b["id"] for s, b in answers if s == 202)
    assert all(winner in b["error"]["message"] for s, b in answers if s == 409)


@pytest.mark.parametrize("kind, body, field, want", [
    ("switchover", dict(to="prod-pg-0"), "to", "prod-pg-1, prod-pg-2"),
    ("switchover", dict(to="prod-pg-3"), "to", "a member of prod-pg"),
    ("switchover", dict(to="other-1"), "to", "a member"),
    ("switchover", dict(to="prod-pg-01"), "to", "a member"),
    ("switchover", dict(max_lag_bytes=-2), "max_lag_bytes", ""),
    ("switchover", dict(at="2020-01-01T00:00:00Z"), "at", "a time to come"),
    ("switchover", dict(at="tomorrow"), "at", ""),
    ("switchover", dict(at="2199-01-01T00:00:00Z"), "at", "days"),
    ("switchover", dict(pod="prod-pg-1"), "pod", ""),
    ("failover", dict(to="prod-pg-0"), "to", "not the primary"),
    ("failover", dict(interactive=True), "interactive", ""),
    ("fence", {}, "pod", ""),
    ("fence", dict(pod="prod-pg-9"), "pod", "a member"),
    ("reinit", dict(pod="prod-pg-0"), "pod", "not the primary"),
    ("restart", dict(pod="prod-pg-1", rolling=True), "rolling", "all members"),
    ("pause", dict(pod="prod-pg-1"), "pod", "")])
def test_what_is_wrong_is_named(site, kind, body, field, want):
    status, answer = site.ask(kind, **body)
    assert status == 422, answer
    f = answer["error"]["fields"][0]
    assert f["field"] == field and want in f["want"], f


def test_other_refusals(central, site):
    rest = central.admin()
    assert rest.call("POST", "/api/v1/clusters/nosuch/switchover", {})[0] == 404
    for path in ("nosuch", "12", str(uuid.uuid4())):
        assert rest.call("GET", f"/api/v1/operations/{path}")[0] == 404
        assert rest.call("POST", f"/api/v1/operations/{path}/abort", {})[0] == 404
    for query in ("state=busy", "kind=dance", "limit=x"):
        assert rest.call("GET", f"/api/v1/operations?{query}")[0] == 422, query
    lonely = Site(central, "l" + uuid.uuid4().hex[:8], replicas=1)
    status, body = lonely.ask("switchover", detach=True)
    assert status == 422 and "only one" in body["error"]["message"]
    lonely.close()
    central.sql("UPDATE clusters SET deleted_at = now() WHERE id = %s", site.cid)
    status, body = site.ask("switchover", to="prod-pg-1")
    assert status == 409 and "being deleted" in body["error"]["message"]


def test_roles(central, site):
    name = "v" + uuid.uuid4().hex[:8]
    rest = central.admin()
    assert rest.call("POST", "/api/v1/users", {"name": name, "role": "viewer", "password": "correct horse"})[0] == 201
    viewer = Rest(central, rest.call("POST", "/api/v1/auth/login", {"name": name, "password": "correct horse"})[1]["token"])
    assert site.ask("switchover", rest=viewer, to="prod-pg-1")[0] == 403
    op = site.start()
    assert site.op(op, viewer)["id"] == op and viewer.get("/api/v1/operations")["total"] >= 1
    assert viewer.call("POST", f"/api/v1/operations/{op}/abort", {})[0] == 403
    assert viewer.call("POST", f"/api/v1/operations/{op}/continue", {})[0] == 403


# ---- lists ----

def test_lists(central, site):
    rest = central.admin()
    ids = []
    for kind in ("pause", "resume", "pause"):
        ids.append(site.start(kind))
        if len(ids) < 3:
            site.end(ids[-1], "done" if len(ids) == 1 else "rolled_back")
    mine = f"cluster=prod-pg@{site.name}"
    listed = lambda q: [o["id"] for o in rest.get(f"/api/v1/operations?{q}")["items"]]
    assert listed(mine) == ids[::-1] == listed(f"satellite={site.name}") == listed(f"cluster={site.cid}")
    assert listed(f"cluster=databases%2Fprod-pg@{site.name}") == ids[::-1]
    assert listed(mine + "&kind=pause") == [ids[2], ids[0]]
    assert listed(mine + "&state=done") == [ids[0]]
    assert listed(mine + "&state=unfinished,rolled_back") == [ids[2], ids[1]]
    page = rest.get(f"/api/v1/operations?{mine}&limit=2")
    assert [o["id"] for o in page["items"]] == [ids[2], ids[1]] and page["total"] == 3
    assert listed(f"{mine}&limit=2&after={page['next']}") == [ids[0]]
    assert site.op(ids[0][:8])["id"] == ids[0]  # enough of it
    # The cluster goes: what it did stays, what it did not end is unknown.
    central.sql("DELETE FROM clusters WHERE id = %s", site.cid)
    assert listed(mine) == ids[::-1]
    o = site.op(ids[2])
    assert o["state"] == "unknown" and o["finished_at"] and o["error"] == "the cluster was removed"


def test_topic_operations(central, site):
    done = site.start("pause")
    site.end(done)
    open_ = site.start("switchover")

    async def follow():
        tls = ssl.create_default_context(cafile=central.ca_file)
        async with websockets.connect(f"wss://localhost:{central.http_port}/api/v1/ws?topics=operations", ssl=tls, max_size=None,
                                      open_timeout=60, ping_interval=None,
                                      extra_headers={"Authorization": f"Bearer {central.admin().token}"}) as ws:
            async def until(check):
                while True:
                    m = json.loads(await ws.recv())
                    hit = next((i for i in m["items"] if check(i)), None)
                    if hit:
                        return m, hit
            m, item = await until(lambda i: i["id"] == open_)
            assert m["type"] == "snapshot" and done in [i["id"] for i in m["items"]]
            assert item == site.op(open_)
            site.progress(open_, 2, "running", detail="what was seen")
            m, item = await until(lambda i: i["id"] == open_ and i["step"] == 2)
            assert m["type"] == "upsert" and item["steps"][0]["detail"] == "what was seen"
            site.result(open_, "done")
            await until(lambda i: i["id"] == open_ and i["state"] == "done")
    asyncio.run(asyncio.wait_for(follow(), 120))


# ---- silence ----

def test_silence_is_unknown_never_failed(central, site):
    """The last one: a central calls nothing unknown in its first 40 s."""
    rest = central.admin()
    op = site.start()
    site.progress(op, 4, "running")
    site.until(op, "running")
    assert rest.call("POST", f"/api/v1/operations/{op}/abort", {"forget": True})[0] == 409  # it is not unknown
    site.away()
    silent = "UPDATE operations SET heard_at = now() - interval '2 minutes' WHERE id = %s"
    central.sql(silent, op)
    o = wait_until("unknown", lambda: (o := site.op(op))["state"] == "unknown" and o, 120)
    assert not o["finished_at"] and "nothing was heard" in o["reason"] and "not connected" in o["reason"]
    told = rest.get(f"/api/v1/events?satellite={site.name}&kind=operation.silent")["items"]
    assert len(told) == 1 and told[0]["severity"] == "warning" and op in told[0]["message"]
    assert site.ask("pause", detach=True)[0] == 409  # it may still go on
    # Heard of again, even if there is nothing new.
    st = site.connect()
    assert st.wait("switchover").operation_id == op
    site.progress(op, 4, "running", at=site.clock)
    site.until(op, "running")
    # Silent for good: a person may end the record, and it says what it is.
    central.sql(silent, op)
    wait_until("unknown", lambda: site.op(op)["state"] == "unknown")
    status, o = rest.call("POST", f"/api/v1/operations/{op}/abort", {"forget": True})
    assert status == 202 and o["state"] == "unknown" and o["finished_at"] and "forgotten by ann" in o["error"]
    second = site.start("pause")
    # The site knew after all.
    site.result(op, "done")
    st.wait("operation_ack", lambda m: m.operation_id == op)
    assert site.op(op)["state"] == "done"
    site.end(second)
