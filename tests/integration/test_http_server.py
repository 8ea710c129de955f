"""http/server against other people's clients: stock curl and nghttp, and raw sockets for what no client sends."""
import json
import os
import re
import socket
import subprocess

import pytest

from http_util import Echo, read_all, read_until, wait_until


@pytest.fixture(scope="module", params=["plain", "tls"])
def echo(request):
    e = Echo(tls=request.param == "tls")
    yield e
    e.stop()


@pytest.fixture(scope="module")
def plain():
    e = Echo()
    yield e
    e.stop()


def curl(e, *args, status="200"):
    tls = ["--cacert", e.cert] if e.cert else []
    out = subprocess.run(["curl", "-s", "--max-time", "60", "-w", "\n%{http_code} %{http_version} %{num_connects}",
                          *tls, *args], capture_output=True, check=True).stdout
    body, _, tail = out.rpartition(b"\n")
    code, version, connects = tail.decode().split()
    assert code == status, out[-500:]
    return body, version, int(connects)


VERSIONS = [("--http1.1", "1.1"), ("--http2", "2")]


def version_of(e, flag, version):
    """Without TLS, HTTP/2 is for those that know: there is no upgrade from HTTP/1.1."""
    return ("--http2-prior-knowledge", version) if flag == "--http2" and not e.cert else (flag, version)


@pytest.mark.parametrize("flag,version", VERSIONS)
def test_requests(echo, flag, version):
    flag, version = version_of(echo, flag, version)
    body, got, _ = curl(echo, flag, echo.url + "/a%20b/%C3%A4?x=1&y=a+b&z", "-H", "X-Test: t", "-d", "hello")
    assert got == version
    assert body.decode().splitlines() == [
        "POST /a b/ä", "query x=1", "query y=a b", "query z=", f"host localhost:{echo.port}", "x-test t",
        f"tls {1 if echo.cert else 0}", "body 5 hello"]
    assert curl(echo, flag, echo.url + "/empty", status="204")[0] == b""
    head = subprocess.run(["curl", "-sIk", flag, echo.url + "/x"], capture_output=True, text=True, check=True).stdout
    names = [line.split(":")[0].lower() for line in head.splitlines()]
    assert "content-length" in names and "x-echo" in names and "injected" not in names


@pytest.mark.parametrize("flag,version", VERSIONS)
def test_bodies(echo, flag, version, tmp_path):
    flag, _ = version_of(echo, flag, version)
    one = tmp_path / "one"
    one.write_bytes(os.urandom(1024 * 1024))
    body, _, _ = curl(echo, flag, "--data-binary", f"@{one}", "-H", "Transfer-Encoding: chunked", echo.url + "/up")
    assert body.endswith(one.read_bytes())
    body, _, _ = curl(echo, flag, "-H", "Expect: 100-continue", "--data-binary", f"@{one}", echo.url + "/up")
    assert body.endswith(one.read_bytes())
    big = tmp_path / "big"
    big.write_bytes(b"x" * (1024 * 1024 + 1))
    for how in ([], ["-H", "Transfer-Encoding: chunked"]):
        body, _, _ = curl(echo, flag, "--data-binary", f"@{big}", *how, echo.url + "/up", status="413")
        assert json.loads(body)["error"]["code"] == "too_large"
    curl(echo, flag, "--data-binary", f"@{big}", echo.url + "/import/x")


@pytest.mark.parametrize("flag,version", VERSIONS)
def test_streamed_answer(echo, flag, version):
    flag, _ = version_of(echo, flag, version)
    body, _, _ = curl(echo, flag, echo.url + "/stream")
    assert len(body) == 5_000_000
    assert all(body[i] == body[i + 999] for i in range(0, len(body), 1000))


def test_connection_is_kept(echo):
    urls = [echo.url + f"/later/{i}" for i in range(5)]
    body, _, _ = curl(echo, "--http1.1", *urls)
    assert body.count(b"GET /later/") == 5
    out = subprocess.run(["curl", "-sk", "--http1.1", "-o", "/dev/null", "-w", "%{num_connects} ", *urls[:1], "-o", "/dev/null",
                          urls[1]], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["1", "0"]


def test_many_streams_at_once(echo):
    out = subprocess.run(["h2load", "-n", "2000", "-c", "4", "-m", "20", echo.url + "/x"], capture_output=True, text=True,
                         check=True).stdout
    assert "2000 succeeded, 0 failed, 0 errored" in out


def test_client_that_leaves(echo):
    asked = echo.stats()["requests"]

    def begun():
        nonlocal asked
        asked += 1  # this question is a request, too
        return echo.stats()["requests"] >= asked + 3

    procs = [subprocess.Popen(["curl", "-sk", "--limit-rate", "10k", "-o", "/dev/null", echo.url + "/stream"])
             for _ in range(3)]
    wait_until("the streams have begun", begun)
    for p in procs:
        p.kill()
        p.wait()
    wait_until("their connections are gone", lambda: echo.stats()["open"] == 1)


def test_pipelined_requests_are_answered_in_order(plain):
    one = b"GET /later/%d HTTP/1.1\r\nHost: x\r\n\r\n"
    data = b"".join(one % i for i in range(20)) + b"GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    got = plain.raw(data)
    order = [line for line in got.split(b"\n") if line.startswith(b"GET ")]
    assert order == [b"GET /later/%d" % i for i in range(20)] + [b"GET /end"]


def test_bytewise_request(plain):
    with plain.dial() as s:
        for b in b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok":
            s.send(bytes([b]))
        assert read_all(s).endswith(b"body 2 ok")


def test_http_1_0(plain):
    assert plain.raw(b"GET /x HTTP/1.0\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    got = plain.raw(b"GET /stream HTTP/1.0\r\nHost: x\r\n\r\n")
    assert b"Transfer-Encoding" not in got and len(got.split(b"\r\n\r\n", 1)[1]) == 5_000_000


def test_half_closed_client_gets_its_answer(plain):
    with plain.dial() as s:
        s.sendall(b"GET /later/x HTTP/1.1\r\nHost: x\r\n\r\n")
        s.shutdown(socket.SHUT_WR)
        assert b"GET /later/x" in read_all(s)


H = b"Host: x\r\n"
SMUGGLING = [
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"X: x\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 0\r\n Content-Length: 44\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 1e1\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\na",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + H + H + b"\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET /%00 HTTP/1.1\r\n" + H + b"\r\n",
    b"GET /a/../b HTTP/1.1\r\n" + H + b"\r\n",
    b"GET /a/%2e%2E/b HTTP/1.1\r\n" + H + b"\r\n",
    b"GET /%ff HTTP/1.1\r\n" + H + b"\r\n",
    b"GET /?a=%zz HTTP/1.1\r\n" + H + b"\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    b"\x00" * 100,
]


@pytest.mark.parametrize("case", range(len(SMUGGLING)))
def test_two_ways_to_read_it_is_none(plain, case):
    """What follows the bad request in the same bytes must never be answered as a request of its own."""
    bad = plain.stats()["bad"]
    got = plain.raw(SMUGGLING[case] + b"GET /smuggled HTTP/1.1\r\n" + H + b"\r\n")
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert len(re.findall(rb"HTTP/1.1 \d", got)) == 1
    head, body = got.split(b"\r\n\r\n", 1)
    assert b"Connection: close" in head
    error = json.loads(body)["error"]
    assert error["code"] == "malformed" and error["message"] and error["request_id"].encode() in head
    assert plain.stats()["bad"] == bad + 1


@pytest.mark.parametrize("data,status", [
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + H + b"\r\n", 414),
    (b"GET / HTTP/1.1\r\n" + H + b"A: " + b"b" * 17000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n" + H + b"A: b\r\n" * 101 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\n" + H + b"Expect: miracles\r\n\r\n", 417),
    (b"GET / HTTP/1.9\r\n" + H + b"\r\n", 505),
    (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 999999999999999999\r\n\r\n", 413),
    (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n200000\r\n" + b"x" * 0x200000, 413),
])
def test_oversized(plain, data, status):
    got = plain.raw(data)
    assert got.startswith(b"HTTP/1.1 %d " % status), got[:200]
    assert "error" in json.loads(got.split(b"\r\n\r\n", 1)[1])


def test_oversized_http2(echo):
    flag = "--http2" if echo.cert else "--http2-prior-knowledge"
    body, _, _ = curl(echo, flag, "-H", "A: " + "b" * 17000, echo.url + "/x", status="431")
    assert json.loads(body)["error"]["code"] == "too_large"


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_HTTP2 = [
    PREFACE + b"\xff" * 200,
    PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + bytes(range(256)) * 8,
    PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x01\x01\x05\x00\x00\x00\x02\x82",
]


@pytest.mark.parametrize("case", range(len(NO_HTTP2)))
def test_what_is_no_http2_is_counted_and_closed(plain, case):
    def bad():
        stats = plain.stats()
        return stats["bad_conns"] + stats["bad"]

    before = bad()
    with plain.dial() as s:
        s.sendall(NO_HTTP2[case])
        read_all(s)
    wait_until("it is counted", lambda: bad() > before)
    wait_until("it is closed", lambda: plain.stats()["open"] == 1)


def test_what_is_no_tls_is_counted_and_closed():
    e = Echo(tls=True)
    try:
        for i, data in enumerate([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(3000), b"\x16\x03\x01\xff\xff" + b"\0" * 100]):
            e.raw(data)
            wait_until("it is counted", lambda n=i: e.stats()["bad_conns"] > n)
    finally:
        e.stop()


def test_slow_clients_are_sent_away(plain):
    """A head that never ends, a body that crawls, and silence: each has its time; all three wait at once."""
    head, body, silent = plain.dial(), plain.dial(), plain.dial()
    with head, body, silent:
        head.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        body.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        assert read_until(body, b"\r\n\r\n").startswith(b"HTTP/1.1 408 ")
        assert read_until(head, b"\r\n\r\n").startswith(b"HTTP/1.1 408 ")
        assert silent.recv(10) == b""


def test_connections_per_address_are_limited(plain):
    socks = []
    try:
        for _ in range(250):
            socks.append(plain.dial())
        closed = 0
        for s in socks[200:]:
            closed += s.recv(1) == b""
        assert closed >= 49
    finally:
        for s in socks:
            s.close()
    wait_until("room again", lambda: plain.stats()["open"] == 1)
