"""The echo server of tests/programs/http_echo.c, and raw sockets to talk to it."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TEST_BIN = os.environ.get("PGSWARM_TEST_BIN", "build/release/tests/bin")


def wait_until(what, check, seconds=60):
    """Poll check() until it gives something true; fail naming `what` when time is up."""
    end = time.monotonic() + seconds
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        select_nothing(0.02)


def select_nothing(seconds):
    """Give the other side a moment between two looks at a condition."""
    signal.sigtimedwait([], seconds)


def make_cert(folder):
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2",
         "-keyout", key, "-out", cert],
        check=True, stderr=subprocess.DEVNULL)
    return cert, key


class Echo:
    def __init__(self, tls=False):
        self.folder = tempfile.mkdtemp(prefix="pgs-http-")
        self.cert = self.key = None
        args = [os.path.join(TEST_BIN, "http_echo")]
        if tls:
            self.cert, self.key = make_cert(self.folder)
            args += [self.cert, self.key]
        self.errors = open(os.path.join(self.folder, "stderr"), "w+", encoding="utf-8")
        self.proc = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.port = int(self.proc.stdout.readline().split()[1])
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}"

    def stop(self):
        """A drain ends with status 0, and a sanitizer would have something to say."""
        self.proc.send_signal(signal.SIGTERM)
        status = self.proc.wait(timeout=60)
        self.errors.seek(0)
        text = self.errors.read()
        self.errors.close()
        self.proc.stdout.close()
        shutil.rmtree(self.folder)
        assert status == 0, text

    def dial(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def raw(self, data):
        """Send bytes, read until the server closes."""
        with self.dial() as s:
            with contextlib.suppress(ConnectionError):  # it may have answered and gone before all of it was sent
                s.sendall(data)
            return read_all(s)

    def stats(self):
        out = subprocess.run(["curl", "-sk", self.url + "/stats"], capture_output=True, text=True, check=True).stdout
        return dict((k, int(v)) for k, v in (pair.split("=") for pair in out.split()))


def read_all(s):
    got = b""
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            return got
        if not piece:
            return got
        got += piece


def read_until(s, mark):
    got = b""
    while mark not in got:
        piece = s.recv(65536)
        assert piece, f"closed before {mark!r}: {got[-200:]!r}"
        got += piece
    return got
