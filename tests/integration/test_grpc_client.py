"""Our gRPC client against a stock server (grpcio), plaintext and TLS."""
import concurrent.futures
import os
import socket
import subprocess
import threading
import time

import grpc
import pytest

from grpc_util import (BIN, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Pki, RawH2, RST_STREAM, SETTINGS, ACK, WAIT,
                       hpack, message)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


class Methods(grpc.GenericRpcHandler):
    """The test service, in grpcio's own words."""

    def __init__(self):
        self.cancelled = threading.Event()

    def service(self, details):
        table = {
            "Echo": grpc.stream_stream_rpc_method_handler(lambda it, ctx: (m for m in it)),
            "Unary": grpc.unary_unary_rpc_method_handler(lambda m, ctx: m),
            "Sum": grpc.stream_unary_rpc_method_handler(lambda it, ctx: b"%d" % sum(map(len, it))),
            "Sizes": grpc.unary_stream_rpc_method_handler(self.sizes),
            "Status": grpc.unary_unary_rpc_method_handler(self.status),
            "Sleep": grpc.unary_unary_rpc_method_handler(lambda m, ctx: time.sleep(5) or m),  # the method that sleeps
            "Meta": grpc.unary_stream_rpc_method_handler(self.meta),
            "Endless": grpc.unary_stream_rpc_method_handler(self.endless),
        }
        return table.get(details.method.rsplit("/", 1)[1])

    @staticmethod
    def sizes(request, _context):
        for n in request.split():
            yield b"x" * int(n)

    @staticmethod
    def status(request, context):
        code, text = request.decode().split(" ", 1)
        context.abort([c for c in grpc.StatusCode if c.value[0] == int(code)][0], text)

    @staticmethod
    def meta(_request, context):
        sent = dict(context.invocation_metadata())
        for key in ("x-initial", "x-initial-bin"):
            if key in sent:
                context.send_initial_metadata([(key, sent[key])])
        yield b"m"
        if "x-trailing" in sent:
            context.set_trailing_metadata([("x-trailing", sent["x-trailing"])])

    def endless(self, _request, context):
        context.add_callback(self.cancelled.set)
        while not self.cancelled.wait(0.01):
            yield b"more"


@pytest.fixture(params=["plain", "tls"])
def server(request, pki):
    methods = Methods()
    s = grpc.server(concurrent.futures.ThreadPoolExecutor(8), handlers=[methods],
                    options=[("grpc.max_receive_message_length", 16 << 20)])
    if request.param == "tls":
        creds = grpc.ssl_server_credentials([(pki.read("server.key"), pki.read("server.crt"))])
        port = s.add_secure_port("127.0.0.1:0", creds)
        s.tls = [f"ca={pki.path('ca.crt')}", "name=localhost"]
    else:
        port = s.add_insecure_port("127.0.0.1:0")
        s.tls = []
    s.start()
    s.target = f"127.0.0.1:{port}"
    s.methods = methods
    yield s
    s.stop(0).wait(WAIT)


def run(target, mode, method, *args):
    """What the client said, line by line."""
    out = subprocess.run([os.path.join(BIN, "grpc_call"), f"target={target}", f"mode={mode}", f"path=/test.Echo/{method}",
                          *args], capture_output=True, text=True, timeout=120, check=False)
    assert out.returncode == 0, out.stderr + out.stdout
    assert "ERROR" not in out.stderr, out.stderr
    return out.stdout.splitlines()


def call(server, mode, method, *args):
    return run(server.target, mode, method, *server.tls, *args)


def test_unary(server):
    assert call(server, "unary", "Unary", "body=hello", "count=3") == ["message 5", "end OK "] * 3
    assert call(server, "unary", "Unary") == ["message 0", "end OK "]
    assert call(server, "unary", "Unary", "size=3000000") == ["message 3000000", "end OK "]


def test_server_streaming(server):
    assert call(server, "stream", "Sizes", "body=31415 9 2653 58979") == [
        "headers", "message 31415", "message 9", "message 2653", "message 58979", "end OK "]


def test_client_streaming(server):
    assert call(server, "push", "Sum", "size=1000", "count=5000") == ["headers", "message 7", "end OK "]


def test_ping_pong(server):
    lines = call(server, "chat", "Echo", "size=20000", "count=50")
    assert lines == ["headers"] + ["message 20000"] * 50 + ["end OK "]


def test_status_and_message(server):
    assert call(server, "unary", "Status", "body=5 no such ☺ thing %") == ["end NOT_FOUND no such ☺ thing %"]
    assert call(server, "stream", "Nothing")[-1].startswith("end UNIMPLEMENTED")


def test_deadline(server):
    # Either end may be the first to notice, each in its own words.
    lines = call(server, "unary", "Sleep", "timeout=100")
    assert [line.lower() for line in lines] == ["end deadline_exceeded deadline exceeded"]


def test_cancel(server):
    lines = call(server, "cancel", "Endless")
    assert lines[:2] == ["headers", "message 4"]
    assert lines[-1] == "end CANCELLED cancelled"
    assert server.methods.cancelled.wait(WAIT)


def test_metadata(server):
    assert call(server, "stream", "Meta", "meta=x-initial:some text") == [
        "headers", "meta some text", "message 1", "meta some text", "end OK "]
    assert "meta ÿ-bytes" in call(server, "stream", "Meta", "meta=x-initial-bin:ÿ-bytes")
    assert call(server, "stream", "Meta", "meta=x-trailing:later")[-2:] == ["meta later", "end OK "]


def test_nobody_there():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]  # ours, and nobody listens
        lines = run(f"127.0.0.1:{port}", "unary", "Unary", "count=2")
    assert lines == [f"end UNAVAILABLE connect to 127.0.0.1:{port}: Connection refused"] * 2


def test_wrong_certificate(server, pki, tmp_path):
    if not server.tls:
        pytest.skip("of TLS only")
    lines = run(server.target, "unary", "Unary", f"ca={pki.path('ca.crt')}", "name=other.example")
    assert lines[0].startswith("end UNAVAILABLE") and "hostname mismatch" in lines[0]
    other = Pki(tmp_path)
    lines = run(server.target, "unary", "Unary", f"ca={other.path('ca.crt')}", "name=localhost")
    assert lines[0].startswith("end UNAVAILABLE") and "certificate" in lines[0]


class BadServer:
    """Accepts one connection, and answers the first request with the frames it was given."""

    def __init__(self, frames):
        self.frames = frames
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        conn, _ = self.listener.accept()
        conn.settimeout(WAIT)
        buf = b""
        while len(buf) < 24 or b"/test" not in buf and b"\x01\x04\0\0\0\x01" not in buf and b"\x01\x05\0\0\0\x01" not in buf:
            buf += conn.recv(65536)
        conn.sendall(RawH2.frame(SETTINGS, 0, 0, b"") + RawH2.frame(SETTINGS, ACK, 0, b"") + b"".join(self.frames))
        try:
            while conn.recv(65536):
                pass
        except OSError:
            pass
        conn.close()


def headers(*fields, end=False):
    return RawH2.frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), 1, hpack(fields))


def data(body, end=False):
    return RawH2.frame(DATA, END_STREAM if end else 0, 1, body)


def reset(code):
    return RawH2.frame(RST_STREAM, 0, 1, code.to_bytes(4, "big"))


OK = headers((":status", "200"), ("content-type", "application/grpc"))


@pytest.mark.parametrize("frames,end", [
    ([OK, reset(0)], "INTERNAL"),
    ([OK, data(message(b"x")[:4]), reset(2)], "INTERNAL"),
    ([OK, data(message(b"x")), reset(11)], "RESOURCE_EXHAUSTED"),
    ([reset(7)], "UNAVAILABLE"),
    ([reset(8)], "CANCELLED"),
    ([reset(12)], "PERMISSION_DENIED"),
    ([OK, data(message(b"x"), end=True)], "INTERNAL"),  # no status
    ([OK, data(message(b"x")[:5]), headers(("grpc-status", "0"), end=True)], "INTERNAL"),  # half a message
    ([OK, data(b"\0\x7f\xff\xff\xff")], "RESOURCE_EXHAUSTED"),
    ([OK, data(message(b"x", flag=1))], "INTERNAL"),
    ([OK, headers(("grpc-status", "0"), end=True)], "INTERNAL"),  # unary without an answer
    ([OK, data(message(b"x") * 2), headers(("grpc-status", "0"), end=True)], "INTERNAL"),
    ([OK, data(message(b"x")), headers(("grpc-status", "77"), end=True)], "UNKNOWN"),
    ([headers((":status", "503"), ("content-type", "text/html")), data(b"<html>", end=True)], "UNAVAILABLE"),
    ([headers((":status", "404"), end=True)], "UNIMPLEMENTED"),
    ([headers((":status", "401"), end=True)], "UNAUTHENTICATED"),
    ([headers((":status", "200"), ("content-type", "text/html"), end=True)], "UNKNOWN"),
    ([headers((":status", "100"),), OK, data(message(b"x")), headers(("grpc-status", "0"), end=True)], "OK"),
    ([RawH2.frame(GOAWAY, 0, 0, b"\0\0\0\0" + b"\0\0\0\0")], "UNAVAILABLE"),
    ([b"\0\0\0not HTTP/2 at all, much longer than a frame header"], "UNAVAILABLE"),
])
def test_bad_servers(frames, end):
    server = BadServer(frames)
    lines = run(server.target, "unary", "Unary", "body=hello")
    assert lines[-1].split()[1] == end
    server.listener.close()
