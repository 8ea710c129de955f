"""The hub with a stock WebSocket client: snapshot, changes, resume by cursor, a client that does not read."""
import asyncio
import json
import ssl
import uuid

import pytest
import websockets

from central_util import Central as FleetCentral, Satellite, pb
from rest_util import wait_until


PATIENT = {"open_timeout": 60, "ping_interval": None}  # these tests look away for long


def connect(central, query="", token=None):
    tls = ssl.create_default_context(cafile=central.ca_file)
    return websockets.connect(f"wss://localhost:{central.port}/api/v1/ws{query}", ssl=tls, max_size=None, **PATIENT,
                              extra_headers={"Authorization": f"Bearer {token or central.token}"})


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 300))


async def receive(ws, check, seconds=60):
    """Messages up to the first that passes the check, which is returned."""
    async def loop():
        while True:
            m = json.loads(await ws.recv())
            assert m["cursor"] > 0
            if check(m):
                return m
    return await asyncio.wait_for(loop(), seconds)


def add_satellite(postgres, central, name):
    sat = str(uuid.uuid4())
    postgres.psql(central.database, f"""INSERT INTO satellites (id, name, key_sha256, csr_pem)
                  VALUES ('{sat}', '{name}', decode(md5('{sat}') || md5('x{sat}'), 'hex'), '')""")
    return sat


def remove_satellite(postgres, central, sat):
    postgres.psql(central.database, f"DELETE FROM satellites WHERE id = '{sat}'")


def is_about(topic, kind, sat=None):
    return lambda m: m["topic"] == topic and m["type"] == kind and (sat is None or sat in [i["id"] for i in m["items"]])


def test_refusals(central):
    async def status(query, token=None):
        with pytest.raises(websockets.InvalidStatusCode) as e:
            await connect(central, query, token)
        return e.value.status_code
    assert run(status("", token="0" * 64)) == 401
    assert run(status("?topics=clusters,nonsense")) == 422
    assert run(status("?cursor=yesterday")) == 422
    assert central.call("GET", "/api/v1/ws").status == 400


def test_snapshot_then_changes(central, postgres):
    async def talk():
        first = add_satellite(postgres, central, "ws-first")
        async with connect(central) as ws:
            snap = await receive(ws, is_about("satellites", "snapshot"))
            assert first in [i["id"] for i in snap["items"]]
            await receive(ws, is_about("events", "snapshot"))
            second = add_satellite(postgres, central, "ws-second")
            m = await receive(ws, is_about("satellites", "upsert", second))
            item = next(i for i in m["items"] if i["id"] == second)
            assert item["name"] == "ws-second" and item["state"] == "pending" and item["connected"] is False
            assert item == central.get(f"/api/v1/satellites/{second}")
            assert central.call("POST", f"/api/v1/satellites/{second}/reject").status == 200
            m = await receive(ws, is_about("satellites", "upsert", second))
            assert next(i for i in m["items"] if i["id"] == second)["state"] == "rejected"
            remove_satellite(postgres, central, second)
            await receive(ws, is_about("satellites", "delete", second))
        remove_satellite(postgres, central, first)
    run(talk())


def test_only_what_was_asked_for(central, postgres):
    async def talk():
        async with connect(central, "?topics=events") as ws:
            m = json.loads(await ws.recv())
            assert m["topic"] == "events" and m["type"] == "snapshot"
            sat = add_satellite(postgres, central, "ws-unseen")
            postgres.psql(central.database, "INSERT INTO events (at, severity, kind, message) "
                          "VALUES (now(), 'info', 'test.one', 'first'), (now(), 'info', 'test.two', 'second')")
            postgres.psql(central.database, "SELECT pg_notify('pgswarm', 'events I ' || min(id) || '-' || max(id)) "
                          "FROM events WHERE kind LIKE 'test.%'")

            def told(m):
                assert m["topic"] == "events", m  # and not that of the satellite
                return any(e["kind"].startswith("test.") for e in m["items"])
            m = await receive(ws, told)  # what an earlier test did may be told only now, too
            assert m["type"] == "event" and [e["message"] for e in m["items"]] == ["first", "second"]
            remove_satellite(postgres, central, sat)
    run(talk())


def test_resume_by_cursor(central, postgres):
    """Who comes back with a cursor gets what was missed and no snapshot, as long as somebody else kept the hub awake."""
    async def talk():
        async with connect(central, "?topics=satellites") as stays:
            await receive(stays, is_about("satellites", "snapshot"))
            async with connect(central, "?topics=satellites") as leaves:
                seen = await receive(leaves, is_about("satellites", "snapshot"))
            missed = add_satellite(postgres, central, "ws-missed")
            await receive(stays, is_about("satellites", "upsert", missed))
            async with connect(central, f"?topics=satellites&cursor={seen['cursor']}") as back:
                def told(m):  # what an earlier test did may be told only now, too
                    return m["type"] in ("snapshot", "resync") or missed in [i["id"] for i in m["items"]]
                m = await receive(back, told)
                assert m["type"] == "upsert" and [i["id"] for i in m["items"]] == [missed]
            async with connect(central, "?topics=satellites&cursor=12345") as stranger:
                m = json.loads(await stranger.recv())
                assert m["type"] == "snapshot"
            remove_satellite(postgres, central, missed)
    run(talk())


def test_changes_come_together(central, postgres):
    """A hundred changes within a moment are a few messages, not a hundred."""
    async def talk():
        async with connect(central, "?topics=satellites") as ws:
            await receive(ws, is_about("satellites", "snapshot"))
            postgres.psql(central.database, """INSERT INTO satellites (name, key_sha256, csr_pem)
                SELECT 'many-' || i, sha256(('many-' || i)::bytea), '' FROM generate_series(1, 100) i""")
            seen, messages = set(), 0
            while len(seen) < 100:
                m = await receive(ws, is_about("satellites", "upsert"))
                seen |= {i["name"] for i in m["items"]}
                messages += 1
            assert messages <= 5
            postgres.psql(central.database, "DELETE FROM satellites WHERE name LIKE 'many-%'")
            gone = 0
            while gone < 100:
                gone += len((await receive(ws, is_about("satellites", "delete")))["items"])
    run(talk())


def metric(central, name):
    text = central.call("GET", "/metrics", token="").body.decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def test_client_that_does_not_read_is_made_to_start_anew(central, postgres):
    """It stops taking messages, the hub stops sending; when it reads again it is told so, and gets a snapshot."""
    postgres.psql(central.database, """INSERT INTO satellites (name, key_sha256, csr_pem, labels)
        SELECT 'slow-' || i, sha256(('slow-' || i)::bytea), '', jsonb_build_object('note', repeat('x', 8000))
          FROM generate_series(1, 200) i""")

    async def talk():
        async with connect(central, "?topics=satellites") as ws:
            await receive(ws, is_about("satellites", "snapshot"))
            before = metric(central, "pgswarm_ws_resyncs_total")
            ws.transport.pause_reading()
            for _ in range(40):
                sent, read = metric(central, "pgswarm_ws_messages_total"), metric(central, "pgswarm_ws_refreshes_total")
                postgres.psql(central.database,
                              "UPDATE satellites SET row_version = row_version + 1 WHERE name LIKE 'slow-%'")
                wait_until("the change was read", lambda r=read: metric(central, "pgswarm_ws_refreshes_total") > r)
                await asyncio.wait({asyncio.get_running_loop().run_in_executor(None, central.get, "/healthz")})
                if metric(central, "pgswarm_ws_messages_total") == sent:
                    break
            else:
                pytest.fail("the hub never stopped sending to one that does not read")
            ws.transport.resume_reading()
            await receive(ws, lambda m: m["type"] == "resync")
            snap = await receive(ws, is_about("satellites", "snapshot"))
            assert len(snap["items"]) >= 200
            assert metric(central, "pgswarm_ws_resyncs_total") > before
    run(talk())
    postgres.psql(central.database, "DELETE FROM satellites WHERE name LIKE 'slow-%'")


def test_clients_are_counted(central):
    wait_until("all are gone", lambda: metric(central, "pgswarm_ws_clients") == 0)


def test_log_lines_of_a_satellite(postgres):
    """logs/NAME: what it said before, then what it says."""
    fleet = FleetCentral(postgres.create_database()).start()
    try:
        site = Satellite(fleet, "edge-logs").enrol()
        stream = site.connect()
        stream.send(log=pb.satellite.LogEntry(level="warn", logger="operator", message="before"))
        rest = fleet.admin()
        wait_until("the line is kept", lambda: rest.get("/api/v1/satellites/edge-logs/logs")["items"])

        async def talk():
            tls = ssl.create_default_context(cafile=fleet.ca_file)
            async with websockets.connect(f"wss://localhost:{fleet.http_port}/api/v1/ws?topics=logs/edge-logs", ssl=tls,
                                          **PATIENT, extra_headers={"Authorization": f"Bearer {rest.token}"}) as ws:
                m = await receive(ws, is_about("logs/edge-logs", "snapshot"))
                assert [i["message"] for i in m["items"]] == ["before"]
                stream.send(log=pb.satellite.LogEntry(level="error", logger="operator", message="after"))
                m = await receive(ws, is_about("logs/edge-logs", "log"))
                assert [(i["level"], i["message"]) for i in m["items"]] == [("error", "after")]
            with pytest.raises(websockets.ConnectionClosed) as closed:
                async with websockets.connect(f"wss://localhost:{fleet.http_port}/api/v1/ws?topics=logs/nobody", ssl=tls,
                                              **PATIENT, extra_headers={"Authorization": f"Bearer {rest.token}"}) as ws:
                    await ws.recv()
            assert "nobody" in closed.value.reason
        run(talk())
        stream.close()
        site.close()
    finally:
        fleet.remove()
