"""A sandbox of our own, with an image of the name that a recorded server had."""
import json, os, subprocess, time

import runner
from casefile import HERE

BIN = os.environ.get("PGSWARM_BIN", os.path.join(HERE, "..", "..", "build", "release", "bin"))


class Sandbox:
    def __init__(self, state):
        self.state, self.kubeconfig = state, os.path.join(state, "kubeconfig")

    def __enter__(self):
        images = os.path.join(self.state, "images.json")
        with open(images, "w") as f:
            json.dump({runner.IMAGE: {"root": "/"}}, f)
        self.log = open(os.path.join(self.state, "log"), "w")
        self.proc = subprocess.Popen([os.path.join(BIN, "pg-swarm-sandbox"), "--site", "node-of-ours", "--state", self.state,
                                      "--images", images], stderr=self.log)
        end = time.monotonic() + 30
        while not os.path.exists(self.kubeconfig) or not self.ready():
            if self.proc.poll() is not None or time.monotonic() > end:
                raise SystemExit("the sandbox does not come up: " + self.text()[-2000:])
            time.sleep(0.02)  # poll
        return self

    def ready(self):
        from server import Server
        try:
            s = Server(self.kubeconfig)
            return s.node and s.once("GET", "/readyz")[1] == "ok"
        except (OSError, KeyError, ValueError):
            return False

    def text(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def __exit__(self, *_):
        self.proc.terminate()
        code, text = self.proc.wait(30), self.text()
        if code != 0 or "AddressSanitizer" in text or "runtime error" in text or "LeakSanitizer" in text:
            raise SystemExit(f"the sandbox ended with {code}: {text[-6000:]}")
