"""WebSocket with a stock client (python3-websockets), and with raw frames for what it would not send."""
import asyncio
import base64
import os
import select
import struct

import pytest
import websockets

from http_util import Echo, read_all, read_until, wait_until


@pytest.fixture(scope="module")
def echo():
    e = Echo()
    yield e
    e.stop()


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 120))


def connect(echo, path="/ws", **more):
    return websockets.connect(f"ws://localhost:{echo.port}{path}", open_timeout=60, ping_interval=None, **more)


@pytest.mark.parametrize("path", ["/ws", "/ws-later"])
def test_echo(echo, path):
    async def talk():
        async with connect(echo, path, compression=None) as ws:
            for message in ["", "hällo", b"\x00\xff" * 100, "x" * 65536]:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["in ", "three ", "pieces"])
            assert await ws.recv() == "in three pieces"
            pong = await ws.ping()
            await pong
    run(talk())


def test_many_at_once(echo):
    async def one(i):
        async with connect(echo) as ws:
            for k in range(20):
                await ws.send(f"{i} {k}")
                assert await ws.recv() == f"{i} {k}"

    async def all_of_them():
        await asyncio.gather(*(one(i) for i in range(50)))
    run(all_of_them())
    wait_until("all are closed", lambda: echo.stats()["ws"] == 0)


def test_server_closes(echo):
    async def talk():
        async with connect(echo) as ws:
            await ws.send("close")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await ws.recv()
            assert closed.value.code == 4000 and closed.value.reason == "as you wish"
    run(talk())


def test_too_large_a_message(echo):
    async def talk():
        async with connect(echo) as ws:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await ws.send("x" * 65537)
                await ws.recv()
            assert closed.value.code == 1009
    run(talk())


def upgrade(echo, extra=b"", key=None, path=b"/ws", version=b"13"):
    s = echo.dial()
    key = base64.b64encode(os.urandom(16)) if key is None else key
    s.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              b"Sec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n%s\r\n" % (path, version, key, extra))
    return s, read_until(s, b"\r\n\r\n")


def frame(opcode, payload, fin=True, mask=True, rsv=0):
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    n = len(payload)
    bit = 0x80 if mask else 0
    head += bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack(">H", n)
    return head + (b"\0\0\0\0" if mask else b"") + payload


def close_code(s, data):
    s.sendall(data)
    got = read_all(s)
    i = got.rfind(b"\x88")
    assert i >= 0, got
    return struct.unpack(">H", got[i + 2:i + 4])[0]


@pytest.mark.parametrize("data,code", [
    (frame(1, b"unmasked", mask=False), 1002),
    (frame(1, b"reserved bits", rsv=4), 1002),
    (frame(3, b"unknown opcode"), 1002),
    (frame(0, b"continues nothing"), 1002),
    (frame(9, b"p" * 126), 1002),
    (frame(9, b"split ping", fin=False), 1002),
    (frame(1, b"\xc3\x28"), 1007),
    (frame(8, b"\x03\xec"), 1002),
    (frame(8, struct.pack(">H", 1000) + b"bye"), 1000),
    (frame(1, b"a", fin=False) + frame(0, b"b", fin=False) * 80, 1008),
    (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x", 1009),
])
def test_bad_frames(echo, data, code):
    s, head = upgrade(echo)
    with s:
        assert head.startswith(b"HTTP/1.1 101 ")
        assert close_code(s, data) == code


@pytest.mark.parametrize("kw,status", [
    ({"key": b"short"}, 400),
    ({"key": b"not base64 at all!!!!!!!"}, 400),
    ({"version": b"8"}, 426),
    ({"extra": b"Origin: https://elsewhere.example\r\n"}, 403),
    ({"extra": b"Origin: null\r\n"}, 403),
])
def test_refused_upgrades(echo, kw, status):
    s, head = upgrade(echo, **kw)
    with s:
        assert head.startswith(b"HTTP/1.1 %d " % status)
        if status == 426:
            assert b"Sec-WebSocket-Version: 13" in head


def test_own_origin_may_enter(echo):
    s, head = upgrade(echo, extra=b"Origin: http://localhost\r\n")
    with s:
        assert head.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("path", [b"/ws", b"/ws-later"])
def test_frames_right_behind_the_upgrade(echo, path):
    s, _ = upgrade(echo, path=path)
    with s:
        s.sendall(frame(1, b"one"))
        assert read_until(s, b"one")
    s = echo.dial()
    key = base64.b64encode(os.urandom(16))
    with s:
        s.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (path, key) + frame(1, b"early"))
        assert read_until(s, b"early").startswith(b"HTTP/1.1 101 ")


def test_client_that_does_not_read(echo):
    """64 MB at once for one that takes nothing: the server keeps 4 MiB of it, and says 1013 behind them."""
    s, _ = upgrade(echo)
    with s:
        s.sendall(frame(1, b"flood"))
        select.select([s], [], [], 60)
        echo.stats()  # an answer to another one: it has sent all that it wanted to send
        got = read_all(s)
    assert got[-60:].rfind(b"\x88") >= 0 and struct.pack(">H", 1013) + b"too slow" in got[-60:]
    assert 4_000_000 < len(got) < 30_000_000
    wait_until("it is gone", lambda: echo.stats()["ws"] == 0)
