"""A central for satellite tests: grpcio plays it, over TLS with a CA made by openssl."""
import atexit, collections, glob, os, queue, shutil, subprocess, sys, tempfile, threading, time, uuid
from concurrent import futures

import grpc

from ports import free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def folder(prefix):
    """A folder that goes with this process."""
    path = tempfile.mkdtemp(prefix=prefix)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def load_protos():
    """The generated Python classes of proto/pgswarm/v1, made once per process."""
    out = folder("pgswarm-proto-")
    files = glob.glob(os.path.join(ROOT, "proto/pgswarm/v1/*.proto"))
    subprocess.run(["protoc", "-I", os.path.join(ROOT, "proto"), "--python_out", out, *files], check=True)
    sys.path.insert(0, out)
    from pgswarm.v1 import config_pb2, health_pb2, registration_pb2, satellite_pb2, sidecar_pb2
    P = collections.namedtuple("Protos", "config health registration satellite sidecar")
    return P(config_pb2, health_pb2, registration_pb2, satellite_pb2, sidecar_pb2)


pb = load_protos()


def wait_until(what, fn, timeout=60):
    """The first true value of fn(); fails with `what` when the deadline passes."""
    end = time.monotonic() + timeout
    ready = threading.Event()
    while True:
        value = fn()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        ready.wait(0.05)


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, text=True, input=stdin).stdout


class CA:
    """An EC CA, a server certificate for localhost, and signatures under satellites' requests."""

    def __init__(self, folder):
        self.folder = folder
        self.crt, self.key = os.path.join(folder, "ca.crt"), os.path.join(folder, "ca.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                "-subj", "/CN=test central", "-keyout", self.key, "-out", self.crt)
        key, csr = os.path.join(folder, "srv.key"), os.path.join(folder, "srv.csr")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=localhost", "-keyout", key, "-out", csr)
        self.server_cert = self.sign(csr, "subjectAltName=DNS:localhost,IP:127.0.0.1", None)
        self.server_key = open(key).read()
        self.pem = open(self.crt).read()

    def sign(self, csr_file, ext, subject):
        ext_file = os.path.join(self.folder, "ext")
        with open(ext_file, "w") as f:
            f.write(ext + "\n")
        args = ["x509", "-req", "-in", csr_file, "-CA", self.crt, "-CAkey", self.key, "-days", "30", "-extfile", ext_file]
        if subject:
            args += ["-subj", subject]
        return openssl(*args)

    def sign_client(self, csr_pem, cn):
        path = os.path.join(self.folder, "client.csr")
        with open(path, "w") as f:
            f.write(csr_pem)
        key = os.path.join(self.folder, "client.pub")
        with open(key, "w") as f:
            f.write(openssl("req", "-in", path, "-pubkey", "-noout"))
        # Another subject than that of the request: -force_pubkey over a request of our own.
        own = os.path.join(self.folder, "own.csr")
        openssl("req", "-new", "-key", self.key, "-subj", f"/CN={cn}", "-out", own)
        ext_file = os.path.join(self.folder, "ext")
        with open(ext_file, "w") as f:
            f.write("extendedKeyUsage=clientAuth\n")
        return openssl("x509", "-req", "-in", own, "-force_pubkey", key, "-CA", self.crt, "-CAkey", self.key,
                       "-days", "30", "-extfile", ext_file)


class Stream:
    """One Connect: what came, and a queue of what to send."""

    def __init__(self, peer):
        self.peer, self.received, self.out = peer, [], queue.Queue()
        self.ended = threading.Event()

    def send(self, **payload):
        self.out.put(pb.satellite.CentralMessage(**payload))

    def all(self, kind):
        return [getattr(m, kind) for m in list(self.received) if m.WhichOneof("payload") == kind]

    def messages(self, kind):
        return [m for m in list(self.received) if m.WhichOneof("payload") == kind]


class FakeCentral:
    def __init__(self, folder):
        self.ca = CA(folder)
        self.by_csr, self.approved, self.rejected, self.revoked = {}, set(), set(), set()
        self.streams, self.registrations, self.acks = [], [], True
        self.registered_ids, self.checked, self.enrolment_tokens = [], [], []
        self.port = free_port()  # the same again after a stop
        self.start()

    def start(self):
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
        unary = grpc.unary_unary_rpc_method_handler
        R, S = pb.registration, pb.satellite
        self.server.add_generic_rpc_handlers((
            grpc.method_handlers_generic_handler("pgswarm.v1.RegistrationService", {
                "Register": unary(self.register, R.RegisterRequest.FromString, R.RegisterResponse.SerializeToString),
                "CheckApproval": unary(self.check, R.CheckApprovalRequest.FromString,
                                       R.CheckApprovalResponse.SerializeToString)}),
            grpc.method_handlers_generic_handler("pgswarm.v1.SatelliteStreamService", {
                "Connect": grpc.stream_stream_rpc_method_handler(
                    self.connect, S.SatelliteMessage.FromString, S.CentralMessage.SerializeToString)}),
        ))
        cred = grpc.ssl_server_credentials([(self.ca.server_key.encode(), self.ca.server_cert.encode())],
                                           self.ca.pem.encode(), False)
        assert self.server.add_secure_port(f"127.0.0.1:{self.port}", cred) == self.port
        self.server.start()

    def stop(self):
        for s in self.streams:
            s.out.put(None)
        self.server.stop(0).wait()

    def restart(self):
        self.stop()
        self.start()

    # -- registration
    def register(self, req, ctx):
        self.registrations.append(req)
        sid = self.by_csr.setdefault(req.csr_pem, str(uuid.uuid4()))
        self.registered_ids.append(sid)
        self.enrolment_tokens.append(req.enrolment_token)
        return pb.registration.RegisterResponse(satellite_id=sid, temp_token="ab" * 32, retry_after_ms=1000)

    def check(self, req, ctx):
        self.checked.append(req.satellite_id)
        if req.temp_token != "ab" * 32 or req.satellite_id not in self.by_csr.values():
            ctx.abort(grpc.StatusCode.UNAUTHENTICATED, "unknown satellite")
        R = pb.registration
        if req.satellite_id in self.rejected:
            return R.CheckApprovalResponse(state=R.APPROVAL_STATE_REJECTED)
        if req.satellite_id not in self.approved:
            return R.CheckApprovalResponse(state=R.APPROVAL_STATE_PENDING, retry_after_ms=1000)
        csr = next(c for c, s in self.by_csr.items() if s == req.satellite_id)
        return R.CheckApprovalResponse(state=R.APPROVAL_STATE_APPROVED, ca_pem=self.ca.pem,
                                       certificate_pem=self.ca.sign_client(csr, req.satellite_id), name="edge-a",
                                       auth_token=req.satellite_id + "." + "cd" * 16)

    # -- the stream
    def connect(self, requests, ctx):
        # grpcio cannot ask for a client certificate without demanding one of Register too: the token stands in.
        token = dict(ctx.invocation_metadata()).get("authorization", "")
        auth = token.removeprefix("Bearer ").removesuffix("." + "cd" * 16)
        if auth in self.revoked or auth not in self.approved:
            ctx.abort(grpc.StatusCode.PERMISSION_DENIED, "this satellite was revoked")
        s = Stream(ctx.peer())
        self.streams.append(s)
        ctx.send_initial_metadata(())

        def read():
            try:
                for m in requests:
                    s.received.append(m)
                    kind = m.WhichOneof("payload")
                    if kind == "heartbeat":
                        s.send(heartbeat_ack=pb.satellite.HeartbeatAck(at_us=m.heartbeat.at_us))
                    elif kind == "event" and self.acks:
                        s.send(event_ack=pb.satellite.EventAck(sequence=m.event.sequence))
            except Exception:  # the stream broke: that is what some tests want
                pass
            s.ended.set()
            s.out.put(None)

        threading.Thread(target=read, daemon=True).start()
        while True:
            m = s.out.get()
            if m is None:
                return
            yield m

    def stream(self, timeout=60, after=0):
        """The newest live stream with a Hello, beyond the first `after` ones."""
        def find():
            live = [s for s in self.streams[after:] if not s.ended.is_set() and s.all("hello")]
            return live[-1] if live else None
        return wait_until("a stream with Hello", find, timeout)
