"""A TCP proxy that a test can make deaf: it goes on accepting, and nothing passes any more."""
import socket
import threading


class TcpProxy:
    def __init__(self, port):
        self.to, self.deaf, self.accepted = port, False, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open, self.lock = [], threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = None if self.deaf else socket.create_connection(("127.0.0.1", self.to))
            except OSError:  # nobody is there: so nobody is here either
                near.close()
                continue
            with self.lock:
                self.open += [s for s in (near, far) if s]
                self.accepted += 1
            for a, b in ((near, far), (far, near)) if far else ():
                threading.Thread(target=self.pass_on, args=(a, b), daemon=True).start()

    def pass_on(self, source, target):
        """What comes once the proxy is deaf is lost with its connection; no end is told either."""
        try:
            while data := source.recv(65536):
                if self.deaf:
                    return
                target.sendall(data)
            if not self.deaf:
                target.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def stop(self):
        self.listener.close()
        with self.lock:
            for s in self.open:
                s.close()
