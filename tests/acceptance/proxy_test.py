#!/usr/bin/env python3
"""Azure by way of an HTTP proxy: a tunnel that sees names alone, and nothing of the own machine."""

import base64
import os
import socket
import ssl
import subprocess
import threading

from harness import check, contains, equal, free_port, main, read_text, wait_for

TENANT = "72f988bf-0000-4000-8000-00000000beef"
LOGIN = "watcher:FAKE-SECRET-of:the@proxy"
FAST = {"sweep": "1h", "details": "1h"}


class Proxy:
    """CONNECT and nothing else. `seen`: request lines; `reply`: instead of a tunnel, this."""

    def __init__(self, login=None, certificate=None, reply=None):
        self.login = login
        self.reply = reply
        self.seen = []
        self.carried = b""
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(4096)
                if not part:
                    return
                head += part
            lines = head.decode().split("\r\n")
            self.seen.append(lines[0])
            fields = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if line}
            if self.login and fields.get("proxy-authorization") != \
                    "Basic " + base64.b64encode(self.login.encode()).decode():
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                                   b"Proxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 5\r\n\r\nlogin")
                return
            if self.reply:
                connection.sendall(self.reply)
                return
            method, target, _ = lines[0].split(" ")
            if method != "CONNECT":
                connection.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = target.rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as origin:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self._copy, args=(origin, connection), daemon=True)
                back.start()
                self._copy(connection, origin)
                back.join()
        except OSError:
            pass
        finally:
            connection.close()

    def _copy(self, source, target):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                self.carried = (self.carried + data)[-200_000:]
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self._listener.close()


def configure(test, simulator, url=None, more="", azure="", **options):
    proxy = f"  proxy: {{url: \"{url}\"{more}}}\n" if url else ""
    return test.configure(simulator, azure=azure + proxy, **{**FAST, **options})


def nothing_shown(*texts):
    for text in texts:
        for secret in ("FAKE-SECRET", base64.b64encode(LOGIN.encode()).decode()):
            check(secret not in text, f"{secret!r} came out: {text[-1000:]}")


def everything_by_tunnel(test):
    simulator = test.simulator()
    proxy = Proxy()
    done = test.once(configure(test, simulator, f"http://127.0.0.1:{proxy.port}"), simulator)
    equal(done.returncode, 1, f"exit code of once ({done.stderr[-600:]})")
    equal(set(proxy.seen), {f"CONNECT 127.0.0.1:{simulator.arm_port} HTTP/1.1"}, "what the proxy was asked")
    check(simulator.requests()["routes"]["imds.token"] >= 1, "no token of the machine")
    # TLS is with the origin: the proxy carries nothing that it could read.
    for word in (b"Bearer ", b"/subscriptions", b"securityResources"):
        check(word not in proxy.carried, f"{word} can be read by the proxy")
    check(len(proxy.carried) > 10_000, "the proxy carried nothing")


def a_login(test):
    simulator = test.simulator()
    simulator.admin("PUT", "identity", {"tenant_id": TENANT, "client_id": "app", "client_secret": "FAKE-SECRET-app"})
    proxy = Proxy(login=LOGIN)
    url = f"http://127.0.0.1:{proxy.port}"
    credential = (f"  credential: {{type: client_secret, tenant_id: {TENANT}, client_id: app, "
                  "secret: {environment: APP}}\n")
    path = os.path.join(test.directory("login"), "login")
    with open(path, "w", encoding="utf-8") as file:
        file.write(LOGIN + "\n")
    test.variables = {"APP": "FAKE-SECRET-app"}
    config = configure(test, simulator, url, f", login: {{file: \"{path}\"}}", credential)
    done = test.once(config, simulator, "--log.level", "debug")
    equal(done.returncode, 1, f"exit code of once ({done.stderr[-600:]})")
    nothing_shown(done.stdout, done.stderr)
    # Entra, too, is reached by the proxy.
    equal(set(proxy.seen), {f"CONNECT 127.0.0.1:{simulator.arm_port} HTTP/1.1"}, "what the proxy was asked")
    with open(path, "w", encoding="utf-8") as file:
        file.write("watcher:FAKE-SECRET-wrong")
    done = test.once(config, simulator, "--log.level", "debug")
    equal(done.returncode, 2, "exit code with the wrong login")
    contains(done.stderr, f"proxy http://127.0.0.1:{proxy.port}: status 407: it wants another login", "error")
    nothing_shown(done.stdout, done.stderr)
    os.remove(path)
    done = test.once(config, simulator)
    contains(done.stderr, "login of the proxy: " + path, "error without a login")

    # As the environment of many machines has it: all in one variable.
    login = LOGIN.replace("@", "%40")
    test.variables = {"APP": "FAKE-SECRET-app", "HTTPS_PROXY": f"http://{login}@127.0.0.1:{proxy.port}"}
    before = len(proxy.seen)
    config = configure(test, simulator, azure=credential, extra="log: {level: debug}\n")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    check(len(proxy.seen) > before, "HTTPS_PROXY is not heeded")
    nothing_shown(daemon.log(), daemon.get("/metrics").text(), daemon.get("/api/v1/status").text())
    equal(daemon.stop(), 0, "exit code")
    proxy.close()


def exceptions(test):
    simulator = test.simulator()
    nowhere = f"http://127.0.0.1:{free_port()}"
    test.variables = {"HTTPS_PROXY": nowhere}
    config = configure(test, simulator)
    done = test.once(config, simulator)
    equal(done.returncode, 2, "exit code with a proxy that is not there")
    contains(done.stderr, f"proxy: {nowhere}: connecting: ", "error")
    for variables in ({"NO_PROXY": "example.com,127.0.0.1"}, {"no_proxy": "127.0.0.0/8"}, {"NO_PROXY": "*"},
                      {"https_proxy": "", "HTTPS_PROXY": ""}):
        test.variables = {"HTTPS_PROXY": nowhere, **variables}
        done = test.once(config, simulator)
        equal(done.returncode, 1, f"exit code with {variables} ({done.stderr[-600:]})")
    test.variables = {"HTTPS_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
    done = test.once(configure(test, simulator, nowhere, ", no_proxy: [other.example]"), simulator)
    equal(done.returncode, 2, "exit code where the configuration excepts something else")
    done = test.once(configure(test, simulator, nowhere, f", no_proxy: ['127.0.0.1:{simulator.arm_port}']"), simulator)
    equal(done.returncode, 1, f"exit code where the configuration excepts Azure ({done.stderr[-600:]})")
    test.variables = {"HTTPS_PROXY": nowhere}
    done = test.once(configure(test, simulator, "none"), simulator)
    equal(done.returncode, 1, f"exit code without a proxy ({done.stderr[-600:]})")
    test.variables = {"HTTPS_PROXY": "ftp://FAKE-SECRET@x"}
    done = test.once(config, simulator)
    contains(done.stderr, "HTTPS_PROXY: the proxy is not an http or https URL", "error")
    nothing_shown(done.stderr)


def what_proxies_do(test):
    """Refusals, nonsense and impostors: no token leaves, and the reason is told."""
    simulator = test.simulator()
    for reply, text in ((b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", ": status 403"),
                        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", ": status 502"),
                        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ": sent more than its answer"),
                        (b"SSH-2.0-OpenSSH\r\n\r\n", "reading the header"),
                        (b"HTTP/1.1 200 OK\r\n\r\n", "TLS handshake")):
        proxy = Proxy(reply=reply)
        config = configure(test, simulator, f"http://127.0.0.1:{proxy.port}")
        daemon = test.serve(config, simulator)
        wait_for(f"the reason after {reply[:20]}", lambda: text in daemon.log(), alive=[daemon])
        equal(daemon.results(), [], "verdicts")
        daemon.kill()
        check(b"Bearer" not in proxy.carried, "a token left")
        proxy.close()


def a_proxy_with_tls(test):
    """Its certificate is verified as the origin's is, and so is the origin's, inside."""
    simulator = test.simulator()
    directory = test.directory("certificate")
    key, public = os.path.join(directory, "key"), os.path.join(directory, "crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", public,
                    "-days", "2", "-subj", "/CN=proxy", "-addext", "subjectAltName=IP:127.0.0.1"],
                   capture_output=True, check=True)
    both = os.path.join(directory, "both.pem")
    with open(both, "w", encoding="utf-8") as file:
        file.write(read_text(key) + read_text(public))
    proxy = Proxy(certificate=both)
    config = configure(test, simulator, f"https://127.0.0.1:{proxy.port}")
    done = test.once(config, simulator)
    equal(done.returncode, 2, "exit code with a proxy that nobody knows")
    contains(done.stderr, f"proxy https://127.0.0.1:{proxy.port}: TLS handshake: self-signed certificate", "error")
    equal(proxy.seen, [], "what the proxy was asked")
    trusted = os.path.join(directory, "ca.pem")
    with open(trusted, "w", encoding="utf-8") as file:
        file.write(read_text(public) + read_text(simulator.ca_file))
    own = simulator.ca_file
    simulator.ca_file = trusted
    done = test.once(configure(test, simulator, f"https://127.0.0.1:{proxy.port}"), simulator)
    equal(done.returncode, 1, f"exit code of once ({done.stderr[-600:]})")
    check(proxy.seen, "the proxy was not asked")
    # Trust in the proxy is none in what is behind it.
    simulator.ca_file = public
    done = test.once(configure(test, simulator, f"https://127.0.0.1:{proxy.port}"), simulator)
    equal(done.returncode, 2, "exit code with an origin that nobody knows")
    contains(done.stderr, f"https://127.0.0.1:{simulator.arm_port}: TLS handshake: ", "error")
    simulator.ca_file = own
    proxy.close()


if __name__ == "__main__":
    main([everything_by_tunnel, a_login, exceptions, what_proxies_do, a_proxy_with_tls])
