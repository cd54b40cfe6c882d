"""A small npm registry on the loopback interface, for what a real one cannot be made to do."""

import base64
import gzip
import hashlib
import io
import json
import ssl
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Registry:
    """Serves packages; ``stalled`` names those whose download never ends.

    ``failing`` is ``cut`` for downloads that break off, ``E500`` for those that are refused.
    """

    manifests: dict[str, dict] = field(default_factory=dict)
    tarballs: dict[str, bytes] = field(default_factory=dict)
    stalled: set[str] = field(default_factory=set)
    failing: str = ""
    tls: ssl.SSLContext | None = None
    requests: list[str] = field(default_factory=list)
    stall_begun: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    def add(self, name: str, version: str, files: dict[str, str], **manifest) -> None:
        manifest = {"name": name, "version": version, **manifest}
        self.manifests[f"{name}@{version}"] = manifest
        content = {"package.json": json.dumps(manifest), **files}
        self.tarballs[f"{name}-{version}.tgz"] = _tarball(content)

    def lock(self, *roots: str) -> dict:
        """The lock of some packages (``name@version``) and all others beside them."""
        packages = {}
        for full_name, manifest in self.manifests.items():
            name = manifest["name"]
            if name in {root.partition("@")[0] for root in roots} and full_name not in roots:
                continue
            tarball = self.tarballs[f"{name}-{manifest['version']}.tgz"]
            entry = {key: value for key, value in manifest.items() if key != "name"}
            packages[f"node_modules/{name}"] = entry | {"integrity": _integrity(tarball)}
        return {"name": "test", "lockfileVersion": 3, "requires": True, "packages": packages}

    def __enter__(self) -> "Registry":
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.answer(self)

            def log_message(self, *_arguments) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.tls is not None:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if self.tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exception) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.lstrip("/")
        self.requests.append(path)
        if path in self.tarballs:
            self._send_tarball(handler, path)
            return
        versions = {
            manifest["version"]: self._version(manifest)
            for manifest in self.manifests.values()
            if manifest["name"] == path
        }
        body = json.dumps({"name": path, "versions": versions, "dist-tags": {}}).encode()
        handler.send_response(200 if versions else 404)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _version(self, manifest: dict) -> dict:
        name = f"{manifest['name']}-{manifest['version']}.tgz"
        dist = {
            "tarball": f"{self.url}/{name}",
            "integrity": _integrity(self.tarballs[name]),
        }
        return manifest | {"dist": dist}

    def _send_tarball(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        content = self.tarballs[path]
        handler.send_response(500 if self.failing == "E500" else 200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if self.failing == "cut":
            handler.wfile.write(content[: len(content) // 2])
        elif any(path.startswith(f"{name}-") for name in self.stalled):
            handler.wfile.write(content[:10])
            handler.wfile.flush()
            self.stall_begun.set()
            self.closing.wait()
        else:
            handler.wfile.write(content)


def _tarball(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size, info.mode = len(text.encode()), 0o755
            archive.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _integrity(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
