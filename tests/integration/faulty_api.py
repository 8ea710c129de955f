"""A proxy in front of a real API server that answers wrongly where a test says so."""
import base64
import http.client
import http.server
import json
import re
import socketserver
import ssl
import threading
import time
import urllib.parse


class Fault:
    """Requests that match get `act(handler)` instead of the server's answer, `times` times (None: until it is lifted)."""

    def __init__(self, method, path, act, times=None):
        self.method, self.path, self.act, self.times, self.hits = method, re.compile(path), act, times, []

    def takes(self, h):
        if self.times == 0 or (self.method and h.command != self.method) or not self.path.search(h.path):
            return False
        self.times = self.times and self.times - 1
        self.hits.append(time.monotonic())
        return True


def status(code, reason, message=None, **headers):
    return lambda h: h.answer(code, reason, message or "injected: " + reason, headers)


def cut(h):
    h.close_connection = True
    h.connection.close()


def hold(gate, answers):
    """Nothing is heard of the request; it reaches the server once the gate opens, which nobody waits for any more."""
    def act(h):
        gate.wait(600)
        answers.append(h.ask()[0])
        h.close_connection = True
    return act


def raw(text, content_type="application/json"):
    def act(h):
        h.send_response(200)
        h.send_header("Content-Type", content_type)
        h.send_header("Content-Length", str(len(text)))
        h.end_headers()
        h.wfile.write(text.encode())
    return act


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, reason, message, headers):
        body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
                           "message": message}).encode()
        self.send_response(code)
        for k, v in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(body)

    def ask(self):
        """What the server answers, all of it."""
        api = self.server.api
        up = http.client.HTTPSConnection(api.host, api.port, context=api.context, timeout=300)
        try:
            up.request(self.command, self.path, self.body or None, self.passed_headers())
            r = up.getresponse()
            return r.status, r.read()
        finally:
            up.close()

    def passed_headers(self):
        return {k: v for k, v in self.headers.items() if k.lower() in ("accept", "content-type", "authorization")}

    def handle_any(self):
        api = self.server.api
        body = self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        api.requests.append((time.monotonic(), self.command, self.path))
        fault = next((f for f in list(api.faults) if f.takes(self)), None)
        if fault:
            fault.act(self)
            return
        up = http.client.HTTPSConnection(api.host, api.port, context=api.context, timeout=300)
        try:
            up.request(self.command, self.path, body or None, self.passed_headers())
            r = up.getresponse()
            self.send_response(r.status)
            self.send_header("Content-Type", r.getheader("Content-Type", "application/json"))
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if "watch=true" in self.path or "watch=1" in self.path:
                self.pass_watch(r)
            else:
                self.wfile.write(r.read())
        except OSError:
            self.close_connection = True
        finally:
            up.close()

    def pass_watch(self, r):
        """Line by line, so that a twist sees events."""
        while line := r.readline():
            twist = self.server.api.twist
            for out in twist(self.path, line) if twist else [line]:
                if out is None:
                    return
                self.wfile.write(out)
                self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


class FaultyApi:
    """Rewrites the kubeconfig so that its user goes through here. `twist(path, line)` gives what a watch passes on of one
    event: lines, or None to end it."""

    def __init__(self, kubeconfig_file):
        with open(kubeconfig_file) as f:
            view = json.load(f)
        cluster = view["clusters"][0]["cluster"]
        url = urllib.parse.urlparse(cluster["server"])
        self.host, self.port, self.faults, self.twist, self.requests = url.hostname, url.port, [], None, []
        ca = (base64.b64decode(cluster["certificate-authority-data"]).decode() if "certificate-authority-data" in cluster
              else open(cluster["certificate-authority"]).read())
        self.context = ssl.create_default_context(cadata=ca)

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads, request_queue_size = True, 64

            def handle_error(self, request, client_address):
                pass  # a cut connection, most likely our own doing
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.api = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        view["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self.server.server_port}"}
        with open(kubeconfig_file, "w") as f:
            json.dump(view, f)

    def fault(self, *args, **kw):
        self.faults.append(Fault(*args, **kw))
        return self.faults[-1]

    def heal(self):
        self.faults, self.twist = [], None

    def count(self, method, path, since):
        return len([1 for at, m, p in list(self.requests) if at >= since and m == method and re.search(path, p)])

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
