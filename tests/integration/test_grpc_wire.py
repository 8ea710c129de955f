"""Our gRPC server against clients that do what no library does: frames by hand, wrong protocols, wrong TLS."""
import socket
import ssl
import subprocess
import struct

import pytest

from grpc_util import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, Pki, Program, RST_STREAM,
                       RawH2, grpc_headers, hpack, message, wait_until)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server():
    p = Program("grpc_echo")
    yield p
    p.stop()


@pytest.fixture(scope="module")
def tls_server(pki):
    p = Program("grpc_echo", f"cert={pki.path('server.crt')}", f"key={pki.path('server.key')}")
    yield p
    p.stop()


@pytest.fixture
def raw(server):
    r = RawH2(server.port)
    yield r
    r.close()


def ended(raw, stream):
    """Wait until the server ended this stream; its last frame."""
    def last():
        raw.read(0.05)
        assert not raw.closed, f"closed; got {raw.frames}"
        return [f for f in raw.frames if f[2] == stream and f[0] in (HEADERS, DATA) and f[1] & END_STREAM]
    return wait_until(last, "the call ends")[0]


def test_data_frames_of_one_byte(raw):
    body = message(b"hello") + message(b"") + message(b"world")
    raw.request(1, grpc_headers("/test.Echo/Echo"))
    for i, byte in enumerate(body):
        raw.send(DATA, END_STREAM if i == len(body) - 1 else 0, 1, bytes([byte]))
    ended(raw, 1)
    assert b"".join(f[3] for f in raw.frames if f[0] == DATA) == body


def test_headers_at_every_split(server):
    """HEADERS and CONTINUATION, cut anywhere."""
    block = hpack(grpc_headers("/test.Echo/Echo"))
    raw = RawH2(server.port)
    for i in range(1, len(block), 7):
        stream = 2 * i + 1
        raw.send(HEADERS, 0, stream, block[:i])
        raw.send(CONTINUATION, END_HEADERS, stream, block[i:])
        raw.send(DATA, END_STREAM, stream, message(b"x"))
        ended(raw, stream)
        assert [f[3] for f in raw.frames if f[0] == DATA and f[2] == stream] == [message(b"x")]
    raw.close()


@pytest.mark.parametrize("body", [b"\0\xff\xff\xff\xff", b"\0\x7f\0\0\0x", message(b"x", flag=1), message(b"x", flag=7)])
def test_bad_message_ends_the_call_only(raw, body):
    raw.request(1, grpc_headers("/test.Echo/Echo"))
    raw.send(DATA, 0, 1, body)
    ended(raw, 1)
    assert raw.wait(RST_STREAM, 1)[3] == struct.pack(">I", 0)  # NO_ERROR, after the status
    kinds = [f[0] for f in raw.frames if f[2] == 1]
    assert kinds.index(HEADERS) < kinds.index(RST_STREAM)
    raw.request(3, grpc_headers("/test.Echo/Echo"))
    raw.send(DATA, END_STREAM, 3, message(b"ok"))
    ended(raw, 3)
    assert [f[3] for f in raw.frames if f[0] == DATA and f[2] == 3] == [message(b"ok")]


def test_end_inside_a_message(raw):
    raw.request(1, grpc_headers("/test.Echo/Sum"))
    raw.send(DATA, END_STREAM, 1, message(b"hello")[:7])
    ended(raw, 1)
    assert not [f for f in raw.frames if f[0] == DATA]


def test_pings_are_answered_between_all_frames(raw):
    raw.send(PING, 0, 0, b"11111111")
    raw.request(1, grpc_headers("/test.Echo/Echo"))
    raw.send(PING, 0, 0, b"22222222")
    raw.send(DATA, END_STREAM, 1, message(b"x"))
    ended(raw, 1)

    def answered():
        raw.read(0.05)
        return [f[3] for f in raw.frames if f[0] == PING and f[1] & ACK] == [b"11111111", b"22222222"]
    wait_until(answered, "two PINGs answered")


def test_headers_over_the_limit(raw):
    raw.request(1, grpc_headers("/test.Echo/Sleep", *[(f"x-{i}", "v" * 140) for i in range(92)]))
    ended(raw, 1)
    raw.request(3, grpc_headers("/test.Echo/Echo"))
    raw.send(DATA, END_STREAM, 3, message(b"ok"))
    ended(raw, 3)


def test_a_frame_over_the_limit_ends_the_connection(raw):
    raw.request(1, grpc_headers("/test.Echo/Echo", ("x-big", "v" * 17000)))
    assert raw.wait(GOAWAY)[3][4:8] == struct.pack(">I", 6)  # FRAME_SIZE_ERROR
    raw.wait_closed()


def test_endless_continuation(raw):
    raw.send(HEADERS, 0, 1, hpack(grpc_headers("/test.Echo/Echo")))
    try:
        for i in range(1000):
            raw.send(CONTINUATION, 0, 1, hpack([(f"x-{i}", "v")]))
        raw.wait_closed()
    except ConnectionError:
        pass  # closed, as it should be


def test_rapid_reset(server):
    raw = RawH2(server.port)
    try:
        for i in range(2000):
            raw.request(2 * i + 1, grpc_headers("/test.Echo/Sleep"))
            raw.send(RST_STREAM, 0, 2 * i + 1, struct.pack(">I", 8))
            raw.read()
            if raw.closed:
                break
    except (ConnectionError, socket.timeout):
        pass
    else:
        raw.wait_closed()
    raw.close()
    again = RawH2(server.port)  # the server is none the worse
    again.request(1, grpc_headers("/test.Echo/Echo"))
    again.send(DATA, END_STREAM, 1, message(b"x"))
    ended(again, 1)
    again.close()


def test_ping_flood_says_why(raw):
    raw.request(1, grpc_headers("/test.Echo/Sleep"))
    raw.sock.sendall(RawH2.frame(PING, 0, 0, b"12345678") * 10)  # at once: it hangs up after the fourth
    goaway = raw.wait(GOAWAY)
    assert goaway[3][4:8] == struct.pack(">I", 11)
    assert goaway[3][8:] == b"too_many_pings"
    raw.wait_closed()


def nghttp(port, *args):
    out = subprocess.run(["nghttp", "-v", "-n", "--no-dep", *args, f"http://127.0.0.1:{port}/test.Echo/Echo"],
                         capture_output=True, text=True, timeout=60, check=False)
    return out.stdout


GRPC = ["-H", ":method: POST", "-H", "te: trailers"]


@pytest.mark.parametrize("args,status", [
    (["-H", "content-type: application/grpc"], ":status: 405"),  # GET
    ([*GRPC, "-H", "content-type: application/json"], ":status: 415"),
    ([*GRPC, "-H", "content-type: application/grpcx"], ":status: 415"),
    (GRPC, ":status: 415"),
    ([*GRPC, "-H", "content-type: application/grpc+proto"], "grpc-status: 0"),
    ([*GRPC, "-H", "content-type: application/grpc", "-H", "grpc-timeout: 10x"], "grpc-status: 13"),
    ([*GRPC, "-H", "content-type: application/grpc", "-H", "grpc-timeout: 99999999999H"], "grpc-status: 0"),
    ([*GRPC, "-H", "content-type: application/grpc", "-H", "grpc-encoding: snappy"], "grpc-accept-encoding: identity,gzip"),
])
def test_requests_are_checked(server, args, status):
    assert status in nghttp(server.port, *args)


def test_http1_is_refused(server):
    s = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    got = b""
    while True:
        part = s.recv(4096)
        if not part:
            break
        got += part
    assert not got.startswith(b"HTTP/1.1 200")
    s.close()


def tls_client(server, pki, alpn, **settings):
    ctx = ssl.create_default_context(cafile=pki.path("ca.crt"))
    if alpn:
        ctx.set_alpn_protocols(alpn)
    for key, value in settings.items():
        setattr(ctx, key, value)
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    return ctx.wrap_socket(sock, server_hostname="localhost")


def test_tls_without_alpn_is_closed(tls_server, pki):
    with tls_client(tls_server, pki, None) as s:
        assert s.recv(100) == b""


def test_tls_with_other_alpn_is_refused(tls_server, pki):
    with pytest.raises(ssl.SSLError):
        tls_client(tls_server, pki, ["http/1.1"])


@pytest.mark.parametrize("version,good", [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_tls_versions(tls_server, pki, version, good):
    v = getattr(ssl.TLSVersion, version)
    cipher = {} if good else {"minimum_version": v}
    try:
        with tls_client(tls_server, pki, ["h2"], maximum_version=v, **cipher) as s:
            assert good and s.selected_alpn_protocol() == "h2"
    except (ssl.SSLError, ConnectionError):
        assert not good
