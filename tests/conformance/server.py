"""A server that is asked: by HTTP, by watches, by kubectl."""
import base64, functools, http.client, json, os, socket, ssl, subprocess, tempfile, threading, time, urllib.parse

import yaml


class Server:
    def __init__(self, kubeconfig):
        self.kubeconfig, self.kubectl = kubeconfig, os.environ.get("KUBECTL", "kubectl")
        self.own = tempfile.TemporaryDirectory(prefix="conformance-home-")  # goes with us
        self.home = self.own.name
        with open(kubeconfig) as f:
            c = yaml.safe_load(f)
        context = next(x["context"] for x in c["contexts"] if x["name"] == c["current-context"])
        cluster = next(x["cluster"] for x in c["clusters"] if x["name"] == context["cluster"])
        user = next(x["user"] for x in c["users"] if x["name"] == context["user"])
        url = urllib.parse.urlsplit(cluster["server"])
        self.host, self.port, self.token = url.hostname, url.port or 443, user.get("token")
        self.tls = ssl.create_default_context(cafile=self._file(cluster, "certificate-authority", kubeconfig))
        if user.get("client-certificate") or user.get("client-certificate-data"):
            self.tls.load_cert_chain(self._file(user, "client-certificate", kubeconfig),
                                     self._file(user, "client-key", kubeconfig))
        self.version = self.once("GET", "/version")[1]["gitVersion"]
        self.groups = {g["name"]: g["preferredVersion"]["version"] for g in self.once("GET", "/apis")[1]["groups"]}
        nodes = self.once("GET", "/api/v1/nodes")[1].get("items") or [None]
        self.node = nodes[0] and nodes[0]["metadata"]["name"]

    @functools.cached_property
    def kubectl_version(self):
        """Asked of this server, because some kubectl are many, and choose themselves by the server's version."""
        v = json.loads(self.run(["version", "-o", "json"], None).stdout)["clientVersion"]
        return f"{v['major']}.{v['minor'].rstrip('+')}"

    def _file(self, section, name, kubeconfig):
        if section.get(name):
            return os.path.join(os.path.dirname(os.path.abspath(kubeconfig)), section[name])
        path = os.path.join(self.home, name)
        with open(path, "wb") as f:
            f.write(base64.b64decode(section[name + "-data"]))
        return path

    def connect(self, timeout=15):
        return http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=timeout)

    def once(self, method, path, body=None, headers=None):
        return Client(self).call(method, path, body, headers or {})

    def run(self, args, stdin):
        env = dict(os.environ, HOME=self.home, KUBECACHEDIR=os.path.join(self.home, "cache"),
                   KUBECONFIG=self.kubeconfig)
        return subprocess.run([self.kubectl, *args], input=stdin, capture_output=True, text=True, timeout=90, env=env)


def parsed(data, content_type):
    text = data.decode("utf-8", "replace")
    if "json" in (content_type or ""):
        return json.loads(text)
    return text


class Client:
    """One connection, used by one thread."""

    def __init__(self, server):
        self.server, self.conn = server, None

    def call(self, method, path, body=None, headers=None, token=None):
        h = {"Accept": "application/json", "User-Agent": "conformance/1"}
        token = self.server.token if token is None else token
        if token:
            h["Authorization"] = "Bearer " + token
        h.update(headers or {})
        for again in (True, False):
            try:
                self.conn = self.conn or self.server.connect()
                self.conn.request(method, path, body=body, headers=h)
                r = self.conn.getresponse()
                data = r.read()
                return r.status, parsed(data, r.getheader("Content-Type")), r
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.conn = None
                if not again:
                    raise

    def close(self):
        if self.conn:
            self.conn.close()


class Watch:
    """A stream of events, read by a thread of its own."""

    def __init__(self, server, path, token=None, headers=None):
        self.events, self.ended, self.changed = [], False, threading.Condition()
        self.conn = server.connect()
        self.conn.connect()
        self.sock = self.conn.sock
        h = {"Authorization": "Bearer " + (token or server.token), "User-Agent": "conformance/1", **(headers or {})}
        self.conn.request("GET", path, headers=h)
        self.response = self.conn.getresponse()
        self.code = self.response.status
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            for line in self.response:
                with self.changed:
                    self.events.append(json.loads(line))
                    self.changed.notify_all()
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass  # closed by us, or cut off: ended either way
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def take(self, count, seconds, types=None):
        """The first `count` events (of these types), or (None) all of a stream that ends."""
        deadline = time.monotonic() + seconds

        def chosen():
            return [e for e in self.events if not types or e["type"] in types]
        with self.changed:
            while not self.ended and (count is None or len(chosen()) < count):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self.changed.wait(left)
            return chosen()[:count], self.ended

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes the reader; closing would wait for it
        except OSError:
            pass
        self.thread.join(5)
        self.conn.close()
