"""The Kubernetes API as it is reached, over TLS."""

import json
import shutil
import socket
import ssl
import subprocess
import threading

import pytest
from dagster_kedro.clients.kubernetes.api import KubernetesApi
from dagster_kedro.clients.kubernetes.errors import ApiUnreachableError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(name):
    """Return a line of a watch as it is sent."""
    pod = {"kind": "Pod", "metadata": {"name": name, "resourceVersion": "1"}}
    line = json.dumps({"type": "ADDED", "object": pod}).encode() + b"\n"
    return f"{len(line):x}\r\n".encode() + line + b"\r\n"


@pytest.fixture
def watched(tmp_path):
    """A cluster that answers one request, over TLS: its API, and its end of the connection."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl: install the package of that name")
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*made, *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    listening = socket.create_server(("127.0.0.1", 0))
    accepted = []

    def accept():
        connection = context.wrap_socket(listening.accept()[0], server_side=True)
        connection.recv(65536)
        connection.sendall(HEAD + chunk("first"))
        accepted.append(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    server = f"https://127.0.0.1:{listening.getsockname()[1]}"
    cluster = {"server": server, "certificate-authority": str(tmp_path / "cert.pem")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": {"token": "any"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    api = KubernetesApi(kubeconfig=str(tmp_path / "kubeconfig"))
    changes = api.watch_pods("", "1", 60)
    thread.join()
    yield api, changes, accepted[0]
    api.close()
    accepted[0].close()
    listening.close()


def test_a_watch_ends_in_order(watched):
    """What came before a watch is ended is still read as it was sent, and then it is over."""
    api, changes, server = watched
    assert "first" == next(changes)[1].metadata.name

    server.sendall(chunk("second"))
    api.end_watch()

    assert "second" == next(changes)[1].metadata.name
    with pytest.raises(ApiUnreachableError):
        next(changes)
