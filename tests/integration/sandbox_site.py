"""A sandbox of a test's own, and stock kubectl against it."""
import contextlib, json, os, ssl, subprocess, tempfile, threading, time, urllib.error, urllib.request

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("PGSWARM_BIN", os.path.join(ROOT, "build/release/bin"))
IMAGES = {"host:1": {"root": "/"}, "host:2": {"root": "/"}}


class Result:
    def __init__(self, p):
        self.code, self.out, self.err = p.returncode, p.stdout, p.stderr


class Sandbox:
    def __init__(self, state, *options):
        self.state, self.options, self.proc = str(state), options, None
        os.makedirs(self.state, exist_ok=True)
        self.kubeconfig = os.path.join(self.state, "kubeconfig")
        self.home = tempfile.mkdtemp(prefix="kubectl-home-")

    def start(self):
        images = os.path.join(self.state, "images.json")
        with open(images, "w") as f:
            json.dump(IMAGES, f)
        if os.path.exists(self.kubeconfig):
            os.unlink(self.kubeconfig)
        with open(os.path.join(self.state, "log"), "a") as log:
            self.proc = subprocess.Popen([os.path.join(BIN, "pg-swarm-sandbox"), "--site", "test", "--state",
                                          self.state, "--images", images, *self.options], stderr=log)
        wait_for(lambda: os.path.exists(self.kubeconfig) and self.ready(), 90, "the API", self.alive)
        with open(self.kubeconfig) as f:
            c = yaml.safe_load(f)
        self.url = c["clusters"][0]["cluster"]["server"]
        self.token = c["users"][0]["user"]["token"]
        return self

    def alive(self):
        if self.proc.poll() is not None:
            raise AssertionError("the sandbox ended: " + self.log()[-2000:])

    def log(self):
        with open(os.path.join(self.state, "log")) as f:
            return f.read()

    def ready(self):
        return self.kubectl("get", "--raw", "/readyz", check=False).out == "ok"

    def stop(self, kill=False):
        (self.proc.kill if kill else self.proc.terminate)()
        code = self.proc.wait(120)
        if not kill:
            assert code == 0, self.log()[-3000:]
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error"):
            assert word not in self.log(), self.log()[-6000:]

    def command(self, *args):
        return [os.environ.get("KUBECTL", "kubectl"), "--kubeconfig", self.kubeconfig, *args]

    def env(self):
        return dict(os.environ, HOME=self.home, KUBECACHEDIR=os.path.join(self.home, "cache"))

    def kubectl(self, *args, stdin=None, check=True, timeout=300):
        p = subprocess.run(self.command(*args), input=stdin, capture_output=True, text=True, timeout=timeout,
                           env=self.env())
        if check:
            assert p.returncode == 0, f"kubectl {' '.join(args)}: {p.stderr}{p.stdout}"
        return Result(p)

    @contextlib.contextmanager
    def following(self, *args, seconds=300):
        """kubectl that goes on by itself. Its output ends after a while, so that who waits for a line in vain fails."""
        p = subprocess.Popen(self.command(*args), stdout=subprocess.PIPE, text=True, env=self.env())
        end = threading.Timer(seconds, p.kill)
        end.start()
        try:
            yield p
        finally:
            end.cancel()
            p.kill()
            p.wait()
            p.stdout.close()

    def minor(self):
        """Of kubectl 1.MINOR: Debian 12 brings 1.20, which lacks some commands and flags."""
        v = json.loads(self.kubectl("version", "--client", "-o", "json").out)["clientVersion"]
        return int(v["minor"].rstrip("+"))

    def token_of(self, ns, account):
        """What `kubectl create token` asks for, with any kubectl."""
        status, body = self.call("POST", f"/api/v1/namespaces/{ns}/serviceaccounts/{account}/token",
                                 {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
        assert status == 201, body
        return body["status"]["token"]

    def json(self, *args):
        return json.loads(self.kubectl(*args, "-o", "json").out)

    def call(self, method, path, body=None, content_type="application/json", token=None, headers=None):
        """One request without kubectl: (status, body as JSON or text)."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        h = {"Authorization": "Bearer " + (token or self.token)}
        if data is not None:
            h["Content-Type"] = content_type
        h.update(headers or {})
        r = urllib.request.Request(self.url + path, data=data, method=method, headers=h)
        ctx = ssl.create_default_context(cafile=os.path.join(self.state, "ca.crt"))
        try:
            with urllib.request.urlopen(r, context=ctx, timeout=120) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            status, text = e.code, e.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text


def wait_for(condition, seconds, what, each=lambda: None):
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        each()
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)  # poll
