"""The database goes and comes back: central says so at once, keeps serving what it can, and needs no restart."""
import asyncio
import json
import ssl
import time

import websockets

from central_util import Central, Postgres
from rest_util import wait_until


def away_and_back(pg, central, rest):
    pg.stop()
    begin = time.monotonic()
    status, body = rest.call("GET", "/healthz")
    assert status == 503 and body["database"] is False and body["status"] == "degraded", body
    assert time.monotonic() - begin < 12
    text = central.metrics()
    assert "pgswarm_database_up 0" in text and "pgswarm_changes_up 0" in text
    status, body = rest.call("GET", "/api/v1/users")
    assert status == 503 and body["error"]["code"] == "unavailable", body
    pg.start()
    wait_until("central is well again", lambda: rest.call("GET", "/healthz")[0] == 200, 90)


def test_database_goes_and_comes_back():
    pg = Postgres()
    central = Central(pg.database()).start()
    rest = central.admin()
    try:
        async def talk():
            tls = ssl.create_default_context(cafile=central.ca_file)
            async with websockets.connect(f"wss://localhost:{central.http_port}/api/v1/ws?topics=satellites", ssl=tls,
                                          open_timeout=60, ping_interval=None,
                                          extra_headers={"Authorization": f"Bearer {rest.token}"}) as ws:
                assert json.loads(await asyncio.wait_for(ws.recv(), 30))["type"] == "snapshot"
                await asyncio.to_thread(away_and_back, pg, central, rest)  # who does not answer pings is sent away
                # what may have been missed is read anew
                kinds = [json.loads(await asyncio.wait_for(ws.recv(), 60))["type"] for _ in range(2)]
                assert kinds == ["resync", "snapshot"]
        asyncio.run(talk())
        assert rest.get("/api/v1/users")["total"] == 1
        assert "pgswarm_changes_up 1" in central.metrics()
    finally:
        central.remove()
        pg.remove()
