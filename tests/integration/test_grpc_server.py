"""Our gRPC server against stock clients: grpcio (grpc-core), plaintext and TLS."""
import concurrent.futures
import os
import threading

import grpc
import pytest

from grpc_util import Pki, Program, WAIT, wait_until


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


class Echo:
    """The server and a channel to it."""

    def __init__(self, pki, *args, options=()):
        tls = [f"cert={pki.path('server.crt')}", f"key={pki.path('server.key')}"] if pki else []
        self.program = Program("grpc_echo", *tls, *args)
        self.port = self.program.port
        self.pki = pki
        self.channel = self.connect(options)

    def connect(self, options=()):
        target = f"localhost:{self.port}"
        # Only here: a channel of its own connection, not one shared with another test.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 16 << 20), *options]
        if not self.pki:
            return grpc.insecure_channel(target, options)
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(self.pki.read("ca.crt")), options)

    def unary(self, method, body=b"", timeout=WAIT, channel=None, **kw):
        return (channel or self.channel).unary_unary("/test.Echo/" + method)(body, timeout=timeout, **kw)

    def stats(self, channel=None):
        return {k: int(v) for k, v in (w.split("=") for w in self.unary("Stats", channel=channel).decode().split())}

    def stop(self):
        self.channel.close()
        self.program.stop()


@pytest.fixture(params=["plain", "tls"])
def echo(request, pki):
    e = Echo(pki if request.param == "tls" else None)
    yield e
    e.stop()


def failure(call):
    with pytest.raises(grpc.RpcError) as info:
        call()
    return info.value.code(), info.value.details()


def test_empty_and_large_unary(echo):
    assert echo.unary("Echo") == b""
    assert len(echo.unary("Sizes", b"x" * 271828 + b"/314159")) == 314159
    big = os.urandom(4 * 1024 * 1024)
    assert echo.unary("Echo", big) == big


def test_empty_stream(echo):
    assert list(echo.channel.stream_stream("/test.Echo/Echo")(iter([]), timeout=WAIT)) == []


def test_client_and_server_streaming(echo):
    sizes = [27182, 8, 1828, 45904]
    total = echo.channel.stream_unary("/test.Echo/Sum")(iter(b"x" * n for n in sizes), timeout=WAIT)
    assert total == b"74922"
    answers = echo.channel.unary_stream("/test.Echo/Sizes")(b"/31415 9 2653 58979", timeout=WAIT)
    assert [len(a) for a in answers] == [31415, 9, 2653, 58979]


def test_ping_pong(echo):
    go = threading.Semaphore(1)

    def requests():
        for n in (31415, 9, 2653, 58979):
            go.acquire()
            yield b"/%d" % n
        go.acquire()
    got = []
    for answer in echo.channel.stream_stream("/test.Echo/Sizes")(requests(), timeout=WAIT):
        got.append(len(answer))
        go.release()
    assert got == [31415, 9, 2653, 58979]


def test_cancel(echo):
    before = echo.channel.unary_unary("/test.Echo/Sleep").future(b"")
    wait_until(lambda: echo.stats()["streams"] == 2, "the call arrives")
    before.cancel()
    assert before.code() == grpc.StatusCode.CANCELLED
    wait_until(lambda: echo.stats()["cancelled"] == 1, "the handler learns of it")
    release = threading.Event()

    def requests():
        yield b"one"
        release.wait(WAIT)
    call = echo.channel.stream_stream("/test.Echo/Echo")(requests())
    assert next(call) == b"one"
    call.cancel()
    release.set()
    wait_until(lambda: echo.stats()["cancelled"] == 2, "the handler learns of that too")
    assert echo.stats()["streams"] == 1


def test_deadline(echo):
    code, _ = failure(lambda: echo.unary("Sleep", timeout=0.05))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: echo.stats()["streams"] == 1, "the server lets go")


def test_metadata(echo):
    meta = (("x-grpc-test-echo-initial", "test_initial_metadata_value"),
            ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab\0\xff"))
    body, call = echo.channel.unary_unary("/test.Echo/Meta").with_call(b"m", timeout=WAIT, metadata=meta)
    assert body == b"m"
    assert dict(call.initial_metadata())[meta[0][0]] == meta[0][1]
    assert dict(call.trailing_metadata())[meta[1][0]] == meta[1][1]


@pytest.mark.parametrize("text", ["test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
                                  "100% of %41 and \x7f", ""])
def test_status_and_message(echo, text):
    code, details = failure(lambda: echo.unary("Status", b"2 " + text.encode()))
    assert (code, details) == (grpc.StatusCode.UNKNOWN, text)


def test_every_status(echo):
    for code in grpc.StatusCode:
        if code == grpc.StatusCode.OK:
            continue
        assert failure(lambda c=code: echo.unary("Status", b"%d x" % c.value[0]))[0] == code


def test_unimplemented(echo):
    assert failure(lambda: echo.unary("Nothing"))[0] == grpc.StatusCode.UNIMPLEMENTED
    other = echo.channel.unary_unary("/no.Such/Service")
    assert failure(lambda: other(b"x", timeout=WAIT))[0] == grpc.StatusCode.UNIMPLEMENTED
    # A stream that still sends when the answer is final: the trap of RST_STREAM after early trailers.
    stream = echo.channel.stream_stream("/no.Such/Service")
    assert failure(lambda: list(stream(iter([b"x" * 1000] * 100), timeout=WAIT)))[0] == grpc.StatusCode.UNIMPLEMENTED


def test_message_too_large(echo):
    code, details = failure(lambda: echo.unary("Echo", b"x" * (4 * 1024 * 1024 + 1)))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "4194304" in details
    assert echo.unary("Echo", b"still there") == b"still there"


def test_gzip_requests(echo):
    body = b"squeeze me " * 10000
    assert echo.unary("Echo", body, compression=grpc.Compression.Gzip) == body
    stream = echo.channel.stream_unary("/test.Echo/Sum", )
    assert stream(iter([body, b"x"]), timeout=WAIT, compression=grpc.Compression.Gzip) == b"%d" % (len(body) + 1)
    bomb = b"\0" * (5 * 1024 * 1024)
    assert failure(lambda: echo.unary("Echo", bomb, compression=grpc.Compression.Gzip))[0] == \
        grpc.StatusCode.RESOURCE_EXHAUSTED


def test_deflate_is_refused(echo):
    code, _ = failure(lambda: echo.unary("Echo", b"x" * 1000, compression=grpc.Compression.Deflate))
    assert code == grpc.StatusCode.UNIMPLEMENTED


def test_a_slow_server_holds_the_client_back(echo):
    total = echo.channel.stream_unary("/test.Echo/Slow")(iter([b"x" * 20000] * 100), timeout=WAIT)
    assert total == b"2000000"


def test_many_calls_on_one_channel(echo):
    body = os.urandom(20000)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        calls = [pool.submit(echo.unary, "Echo", body, 2 * WAIT) for _ in range(1000)]
        assert all(c.result() == body for c in calls)
    assert echo.stats()["conns"] == 1


def test_accept_before_any_message(echo):
    call = echo.channel.stream_stream("/test.Echo/Accept")(iter([]), timeout=WAIT)
    assert call.initial_metadata() is not None  # waits for the headers
    call.cancel()


def health(echo, service):
    request = b"\x0a" + bytes([len(service)]) + service if service else b""
    return echo.channel.unary_unary("/grpc.health.v1.Health/Check")(request, timeout=WAIT)


def test_health(echo):
    assert health(echo, b"") == b"\x08\x01"  # SERVING
    assert failure(lambda: health(echo, b"nobody"))[0] == grpc.StatusCode.NOT_FOUND
    watch = echo.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"\x0a\x03abc", timeout=WAIT)
    assert next(watch) == b"\x08\x03"  # SERVICE_UNKNOWN, and the stream stays
    echo.unary("Serving", b"1 abc")
    assert next(watch) == b"\x08\x01"
    echo.unary("Serving", b"0 abc")
    assert next(watch) == b"\x08\x02"
    assert health(echo, b"abc") == b"\x08\x02"
    watch.cancel()


def test_drain_ends_streams_and_loses_nothing(echo):
    stop = threading.Event()

    def requests():
        n = 0
        while not stop.wait(0.01):
            n += 1
            yield b"%d" % n
    calls = [echo.channel.stream_stream("/test.Echo/Echo")(requests()) for _ in range(20)]
    for c in calls:
        assert next(c) == b"1"
    codes = []
    echo.program.proc.terminate()
    for c in calls:
        last = 1
        with pytest.raises(grpc.RpcError) as info:
            for answer in c:
                assert int(answer) == last + 1
                last = int(answer)
        codes.append(info.value.code())
    stop.set()
    assert codes == [grpc.StatusCode.UNAVAILABLE] * 20
    assert echo.program.proc.wait(WAIT) == 0


def ping_options(ms):
    return [("grpc.keepalive_time_ms", ms), ("grpc.keepalive_timeout_ms", 5000),
            ("grpc.http2.max_pings_without_data", 0), ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_time_between_pings_ms", ms)]


def test_too_many_pings():
    echo = Echo(None, "min-ping=10000", options=ping_options(200))
    try:
        # The debug text itself is checked in test_grpc_wire.py; grpcio says it only in its log.
        assert failure(lambda: echo.unary("Sleep", timeout=30))[0] == grpc.StatusCode.UNAVAILABLE
    finally:
        echo.stop()


def test_pings_in_measure():
    echo = Echo(None, "min-ping=100", options=ping_options(200))
    try:
        assert failure(lambda: echo.unary("Sleep", timeout=2.5))[0] == grpc.StatusCode.DEADLINE_EXCEEDED
    finally:
        echo.stop()


def test_our_keepalive_is_answered():
    echo = Echo(None, "keepalive=1000")
    try:
        assert failure(lambda: echo.unary("Sleep", timeout=3.5))[0] == grpc.StatusCode.DEADLINE_EXCEEDED
        assert echo.stats()["conns"] == 1
    finally:
        echo.stop()


def test_client_certificates(pki):
    echo = Echo(pki, f"ca={pki.path('ca.crt')}")
    try:
        assert failure(lambda: echo.unary("Peer"))[0] == grpc.StatusCode.UNAVAILABLE
        creds = grpc.ssl_channel_credentials(pki.read("ca.crt"), pki.read("client.key"), pki.read("client.crt"))
        with grpc.secure_channel(f"localhost:{echo.port}", creds) as channel:
            pem = echo.unary("Peer", channel=channel)
            assert pem.strip() in pki.read("client.crt")
    finally:
        echo.stop()
