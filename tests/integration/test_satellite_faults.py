"""The satellite behind an API server that misbehaves: a proxy in front of a real one answers wrongly, cuts, stalls."""
import http.client, http.server, json, os, random, socketserver, ssl, threading, urllib.parse

import pytest

import faulty_api
from fake_central import pb, wait_until
from satellite_util import ack_of, cluster_config, delete_config
from test_satellite_operator import OBJECTS, Env, kubectl, passwords, release_pods  # noqa: F401 (a fixture)


class Faulty(http.server.BaseHTTPRequestHandler):
    """One request: passed on to the API server, or not."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, reason, **headers):
        body = json.dumps({"kind": "Status", "code": status, "reason": reason, "message": "injected: " + reason}).encode()
        self.send_response(status)
        for k, v in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(body)

    def inject(self):
        """True when this request got something else than an answer of the server."""
        proxy = self.server.proxy
        if proxy.rng.random() >= proxy.rate:
            return False
        proxy.injected += 1
        kind = proxy.rng.choice(["429", "500", "503", "401", "cut", "409" if self.command == "PATCH" else "500",
                                 "410" if self.command == "GET" else "504"])
        if kind == "cut":
            self.close_connection = True
            self.connection.close()
        elif kind == "429":
            self.answer(429, "TooManyRequests", Retry_After="1")
        else:
            self.answer(int(kind), {"500": "InternalError", "503": "ServiceUnavailable", "401": "Unauthorized",
                                    "409": "Conflict", "410": "Expired", "504": "Timeout"}[kind])
        return True

    def handle_any(self):
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.inject():
            return
        up = http.client.HTTPSConnection(proxy.host, proxy.port, context=proxy.context, timeout=300)
        headers = {k: v for k, v in self.headers.items() if k.lower() in ("accept", "content-type", "authorization")}
        up.request(self.command, self.path, body or None, headers)
        r = up.getresponse()
        watch = "watch=true" in self.path
        self.send_response(r.status)
        self.send_header("Content-Type", r.getheader("Content-Type", "application/json"))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        budget = proxy.rng.randrange(200, 6000) if watch and proxy.rng.random() < proxy.rate * 3 else None
        try:
            while True:
                data = r.read1(4096) if watch else r.read()
                if budget is not None and len(data) >= budget:
                    self.wfile.write(data[:budget] + proxy.rng.choice([b"", b"\xff{]\n", b'{"type":"ERROR","object":{"code":410}}\n']))
                    return
                if not data:
                    return
                budget = budget - len(data) if budget is not None else None
                self.wfile.write(data)
                self.wfile.flush()
        except OSError:
            pass
        finally:
            up.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


class FaultyApi:
    def __init__(self, kubeconfig_file, seed):
        view = json.load(open(kubeconfig_file))
        cluster = view["clusters"][0]["cluster"]
        url = urllib.parse.urlparse(cluster["server"])
        self.host, self.port, self.rate, self.rng, self.injected = url.hostname, url.port, 0.0, random.Random(seed), 0
        self.context = ssl.create_default_context(cadata=__import__("base64").b64decode(
            cluster["certificate-authority-data"]).decode() if "certificate-authority-data" in cluster else
            open(cluster["certificate-authority"]).read())

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads, request_queue_size = True, 64

            def handle_error(self, request, client_address):
                pass  # a cut connection, most likely our own doing
        self.server = Server(("127.0.0.1", 0), Faulty)
        self.server.proxy = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        view["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self.server.server_port}"}
        with open(kubeconfig_file, "w") as f:
            json.dump(view, f)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("seed", [1])
def test_it_converges_whatever_the_api_server_does(kubectl, tmp_path, seed):  # noqa: F811
    env = Env(kubectl, str(tmp_path))
    api = FaultyApi(os.path.join(str(tmp_path), "sat.kubeconfig"), seed)
    try:
        env.sat.start(PGSWARM_LOG_LEVEL="info")
        env.approve()
        api.rate = 0.2
        s = env.central.stream()
        for version in (1, 2, 3):
            s.send(cluster_config=cluster_config(env.db, version, replicas=version))
        ack_of(s, 3, "applied", 240)
        secret = passwords(env.get("secret", "prod-pg-secret"))
        env.kubectl.run("delete", "svc", "prod-pg-ro", "-n", env.db)
        env.kubectl.run("delete", "role", "prod-pg-failover", "-n", env.db)
        wait_until("the drift repaired", lambda: env.get("svc", "prod-pg-ro") and env.get("role", "prod-pg-failover"), 240)
        for kind, name in OBJECTS:
            assert env.get(kind, name), f"{kind} {name}"
        assert env.get("sts", "prod-pg")["spec"]["replicas"] == 3
        assert passwords(env.get("secret", "prod-pg-secret")) == secret
        s.send(delete_cluster=delete_config(env.db, 4, volumes=True))
        release_pods(env)
        ack_of(s, 4, "deleted", 240)
        api.rate = 0
        assert not env.get("sts", "prod-pg") and not env.get("secret", "prod-pg-secret")
        wait_until("events at central", lambda: env.sat.metric("events_kept") == 0, 120)
        seqs = [e.sequence for st in env.central.streams for e in st.all("event")]
        assert seqs == sorted(set(seqs)) and seqs == list(range(1, len(seqs) + 1))
        assert api.injected > 5 and env.sat.proc.poll() is None
    finally:
        api.rate = 0
        env.close()
        api.stop()


def test_a_server_that_is_too_old(kubectl, tmp_path):  # noqa: F811
    """Told, not tried; a newer server heals it."""
    env = Env(kubectl, str(tmp_path))
    api = faulty_api.FaultyApi(os.path.join(str(tmp_path), "sat.kubeconfig"))
    try:
        api.fault("GET", "^/version", faulty_api.raw(json.dumps({"major": "1", "minor": "19", "gitVersion": "v1.19.16"})))
        s = env.up()
        s.send(cluster_config=cluster_config(env.db, 1))
        why = ack_of(s, 1, "refused").error
        assert "v1.19.16" in why and "v1.20 and later" in why
        assert not env.kubectl.get("namespace", env.db) and env.sat.proc.poll() is None
        api.heal()
        ack_of(s, 1, "applied", 180)
    finally:
        api.heal()
        env.close()
        api.stop()
