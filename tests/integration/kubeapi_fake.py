"""A very small Kubernetes API for tests of one program: objects by path, resourceVersion conflicts, merge patches,
watches. It counts what was written and can be made to fail."""
import http.server
import json
import re
import threading
import urllib.parse

LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
PODS = "/api/v1/namespaces/{}/pods"


def merge(target, patch):
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of 5, a sixth connection at once waits a second for its next SYN


class FakeKube:
    def __init__(self, namespace="databases"):
        self.ns, self.cond = namespace, threading.Condition()
        self.objects, self.rv, self.events = {}, 100, []  # events: (rv, type, collection, object)
        self.writes, self.away, self.closing = [], False, False
        self.before = None  # before(method, path): waits if it likes; what it returns, (code, object), is the answer
        self.denied = set()  # (verb, resource): answered as an API server does that enforces rights
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def handle_one(self):
                fake.serve(self)
            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kubeconfig(self, path):
        port = self.server.server_address[1]
        with open(path, "w") as f:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "t",
                       "clusters": [{"name": "t", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                       "users": [{"name": "t", "user": {"token": "x"}}],
                       "contexts": [{"name": "t", "context": {
                           "cluster": "t", "user": "t", "namespace": self.ns}}]}, f)
        return path

    # ---- for tests ----
    def lease(self, name):
        with self.cond:
            return self.objects.get((LEASES.format(self.ns), name))

    def pod(self, name):
        with self.cond:
            return self.objects[(PODS.format(self.ns), name)]

    def add_pod(self, name):
        with self.cond:
            self.put(PODS.format(self.ns), {"metadata": {"name": name, "namespace": self.ns,
                                                         "uid": name, "labels": {}}}, "ADDED")

    def edit_lease(self, name, patch):
        with self.cond:
            obj = json.loads(json.dumps(self.objects[(LEASES.format(self.ns), name)]))
            merge(obj, patch)
            self.put(LEASES.format(self.ns), obj, "MODIFIED")

    def set_role(self, name, role):
        with self.cond:
            obj = json.loads(json.dumps(self.objects[(PODS.format(self.ns), name)]))
            merge(obj, {"metadata": {"labels": {"pg-swarm.io/role": role}}})
            self.put(PODS.format(self.ns), obj, "MODIFIED")

    def delete_lease(self, name):
        with self.cond:
            obj = self.objects.pop((LEASES.format(self.ns), name))
            self.rv += 1
            self.events.append((self.rv, "DELETED", LEASES.format(self.ns), obj))
            self.cond.notify_all()

    def role(self, name):
        return self.pod(name)["metadata"].get("labels", {}).get("pg-swarm.io/role")

    def close(self):
        with self.cond:
            self.closing = True
            self.cond.notify_all()
        self.server.shutdown()
        self.server.server_close()

    # ---- the API ----
    def put(self, coll, obj, kind):
        self.rv += 1
        obj["metadata"]["resourceVersion"] = str(self.rv)
        self.objects[(coll, obj["metadata"]["name"])] = obj
        self.events.append((self.rv, kind, coll, json.loads(json.dumps(obj))))
        self.cond.notify_all()
        return obj

    def serve(self, h):
        url = urllib.parse.urlsplit(h.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        n = int(h.headers.get("Content-Length") or 0)
        body = json.loads(h.rfile.read(n)) if n else None
        if self.away:
            h.close_connection = True
            return
        early = self.before(h.command, url.path) if self.before else None
        if early:
            self.answer(h, *early)
            return
        m = re.match(r"(/api(?:s/[^/]+)?/v1/namespaces/[^/]+/(?:leases|pods))(?:/([^/]+))?$",
                     url.path)
        if not m:
            self.answer(h, *self.status(404, "NotFound", url.path))
        elif (self.verb(h.command, m[2], query), m[1].rsplit("/", 1)[1]) in self.denied:
            verb, resource = self.verb(h.command, m[2], query), m[1].rsplit("/", 1)[1]
            self.answer(h, 403, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
                                 "message": f'{resource} "{m[2] or ""}" is forbidden: User "sidecar" cannot {verb} resource '
                                            f'"{resource}" in the namespace "{self.ns}"'})
        elif h.command == "GET" and not m[2] and query.get("watch") in ("1", "true"):
            self.watch(h, m[1], query)
        else:
            with self.cond:
                self.answer(h, *self.call(h.command, m[1], m[2], body, query))

    @staticmethod
    def verb(method, name, query):
        if method == "GET" and not name:
            return "watch" if query.get("watch") in ("1", "true") else "list"
        return {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]

    def call(self, method, coll, name, body, query):
        if method == "GET" and name:
            obj = self.objects.get((coll, name))
            return (200, obj) if obj else self.status(404, "NotFound", name)
        if method == "GET":
            items = [o for (c, k), o in self.objects.items() if c == coll and self.selected(o, query)]
            return 200, {"kind": "List", "apiVersion": "v1", "items": items,
                         "metadata": {"resourceVersion": str(self.rv)}}
        self.writes.append((method, coll.rsplit("/", 1)[1], name or body["metadata"]["name"]))
        if method == "POST":
            if (coll, body["metadata"]["name"]) in self.objects:
                return self.status(409, "AlreadyExists", body["metadata"]["name"])
            return 201, self.put(coll, body, "ADDED")
        old = self.objects.get((coll, name))
        if not old:
            return self.status(404, "NotFound", name)
        if method == "PUT":
            if body["metadata"].get("resourceVersion") != old["metadata"]["resourceVersion"]:
                return self.status(409, "Conflict", name)
            return 200, self.put(coll, body, "MODIFIED")
        new = json.loads(json.dumps(old))
        merge(new, body)
        if new["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"]:
            return self.status(409, "Conflict", name)
        return 200, self.put(coll, new, "MODIFIED")

    @staticmethod
    def selected(obj, query):
        want = query.get("fieldSelector", "")
        return not want or want == "metadata.name=" + obj["metadata"]["name"]

    @staticmethod
    def status(code, reason, name):
        return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                      "reason": reason, "message": f'"{name}": {reason}'}

    @staticmethod
    def answer(h, code, obj):
        data = json.dumps(obj).encode()
        h.send_response(code)
        h.send_header("Content-Type", "application/json")
        h.send_header("Content-Length", str(len(data)))
        h.end_headers()
        h.wfile.write(data)

    def watch(self, h, coll, query):
        h.send_response(200)
        h.send_header("Content-Type", "application/json")
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        since = int(query.get("resourceVersion") or 0)
        while True:
            with self.cond:
                self.cond.wait_for(lambda: self.closing or self.away or self.events and
                                   self.events[-1][0] > since, 1)
                if self.closing or self.away:
                    h.close_connection = True
                    return
                news = [e for e in self.events if e[0] > since]
            for rv, kind, c, obj in news:
                since = rv
                if c != coll or not self.selected(obj, query):
                    continue
                line = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
                try:
                    h.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                except OSError:
                    return
