"""What the gRPC tests share: our test server as a process, certificates, and HTTP/2 frames by hand."""
import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import time

BIN = os.environ.get("PGSWARM_TEST_BIN", os.path.join(os.path.dirname(__file__), "../../build/release/tests/bin"))
WAIT = 60


def wait_until(check, what, seconds=WAIT):
    """Poll until check() is true; its last value is returned."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.01)  # poll


class Program:
    """A test program that says "port N" when it is ready, and must end cleanly."""

    def __init__(self, name, *args):
        self.proc = subprocess.Popen([os.path.join(BIN, name), *args], stdout=subprocess.PIPE, text=True)
        line = self.proc.stdout.readline()
        assert line.startswith("port "), f"{name} said {line!r}"
        self.port = int(line.split()[1])

    def stop(self):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        try:
            code = self.proc.wait(WAIT)
        finally:
            self.proc.kill()
            self.proc.stdout.close()
        assert code == 0, f"ended with {code}"


class Pki:
    """A throwaway CA with a server certificate for localhost and a client certificate."""

    def __init__(self, folder):
        self.folder = str(folder)
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                  "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.crt")
        self.issue("server", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth")
        self.issue("client", "extendedKeyUsage=clientAuth")

    def _run(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, extensions, *more):
        with open(self.path(name + ".ext"), "w", encoding="ascii") as f:
            f.write(extensions)
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                  "-keyout", name + ".key", "-out", name + ".csr")
        self._run("x509", "-req", "-in", name + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                  "-days", "2", "-extfile", name + ".ext", "-out", name + ".crt", *more)

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()


# ---- HTTP/2 by hand: only what a test needs to send, and to understand of the answer

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def hpack(fields):
    """Literal fields without indexing and without Huffman."""
    def integer(n, bits):
        top = (1 << bits) - 1
        if n < top:
            return bytes([n])
        out, n = [top], n - top
        while n >= 128:
            out.append(n % 128 + 128)
            n //= 128
        return bytes(out + [n])
    out = b""
    for name, value in fields:
        out += b"\0" + integer(len(name), 7) + name.encode() + integer(len(value), 7) + value.encode()
    return out


def grpc_headers(path, *more):
    return [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), ("te", "trailers"),
            ("content-type", "application/grpc"), *more]


def message(body, flag=0):
    return struct.pack(">BI", flag, len(body)) + body


class RawH2:
    """A connection that sends exactly the bytes it is told to."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        self.buf = b""
        self.frames = []
        self.closed = False
        self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(SETTINGS, 0, 0, b"")

    def send(self, kind, flags, stream, payload):
        self.sock.sendall(self.frame(kind, flags, stream, payload))

    @staticmethod
    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def request(self, stream, fields, end=False):
        self.send(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, hpack(fields))

    def read(self, seconds=0.0):
        """Collect what has arrived; settings and pings are answered."""
        if self.closed or not select.select([self.sock], [], [], seconds)[0]:
            return
        try:
            got = self.sock.recv(65536)
        except ConnectionResetError:
            got = b""
        self.closed = not got
        self.buf += got
        while len(self.buf) >= 9 and len(self.buf) >= 9 + int.from_bytes(self.buf[:3], "big"):
            n = int.from_bytes(self.buf[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", self.buf[3:9])
            payload, self.buf = self.buf[9:9 + n], self.buf[9 + n:]
            self.frames.append((kind, flags, stream & 0x7fffffff, payload))
            if kind == SETTINGS and not flags & ACK:
                with contextlib.suppress(ConnectionError):  # it may be closed behind what it said
                    self.send(SETTINGS, ACK, 0, b"")

    def wait(self, kind, stream=None):
        """The first frame of that kind, maybe of that stream."""
        def find():
            self.read(0.05)
            for f in self.frames:
                if f[0] == kind and stream in (None, f[2]):
                    return f
            assert not self.closed, f"closed; got {self.frames}"
            return None
        return wait_until(find, f"frame {kind} of stream {stream}")

    def wait_closed(self):
        def gone():
            self.read(0.05)
            return self.closed
        wait_until(gone, "the server closes")

    def close(self):
        self.sock.close()
