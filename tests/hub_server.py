"""A small server on the loopback interface that speaks the part of the Hugging Face hub's protocol that clients use
to download a model: repository information, file trees, and files with their ETag, commit and size.

    with HubServer() as hub:
        commit = hub.add_repository("owner/name", {"config.json": b"{}"})
        subprocess.run([...], env=hub.client_environment(cache))

Small files are served as git blobs, `.safetensors`, `.onnx` and `.bin` as LFS files behind a redirect, as the hub
does; `Range` is understood, so that clients can resume. `faults` breaks the download of single files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

LFS_SUFFIXES = (".safetensors", ".onnx", ".bin")
# cut: the connection breaks half-way, every time; cut once: only the first time; short: half the file, sent as if whole
Fault = Literal["cut", "cut once", "short"]


@dataclass
class Repository:
    """Snapshots by commit, and the branches and tags that name them."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def resolve(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.names.get(revision)


class HubServer:
    """Repositories in memory, served while the context is open; `requests` lists what was asked for."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.faults: dict[str, Fault] = {}
        self.requests: list[str] = []
        self._server: ThreadingHTTPServer | None = None

    def add_repository(self, name: str, files: dict[str, bytes] | Path, revision: str = "main") -> str:
        """Put a snapshot under a branch or tag and return its commit; a folder stands for its files."""
        if isinstance(files, Path):
            files = {p.relative_to(files).as_posix(): p.read_bytes() for p in files.rglob("*") if p.is_file()}
        commit = hashlib.sha1(
            repr(sorted((n, hashlib.sha1(c).digest()) for n, c in files.items())).encode()
        ).hexdigest()
        repository = self.repositories.setdefault(name, Repository())
        repository.commits[commit] = files
        repository.names[revision] = commit
        return commit

    @property
    def endpoint(self) -> str:
        assert self._server is not None, "open the server first: with HubServer() as hub"  # it stays known once closed
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def storage(self) -> str:
        """Where large files lie: another host, as far as a client can see, as with the hub."""
        return self.endpoint.replace("127.0.0.1", "localhost")

    def client_environment(self, home: Path) -> dict[str, str]:
        """The environment of a client process that sees this hub alone and keeps its cache under `home`."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("HF_", "HUGGINGFACE_", "TRANSFORMERS_")) and not key.lower().endswith("_proxy")
        }
        return kept | {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_ETAG_TIMEOUT": "30",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def __enter__(self) -> HubServer:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean; `HubServer.requests` has the log."""

    def _answer(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")
        self.hub.requests.append(f"{self.command} /{path}")
        if match := re.fullmatch(r"lfs/([^/]+/[^/]+)/([0-9a-f]{40})/(.+)", path):
            self._send_file(match[3], self.hub.repositories[match[1]].commits[match[2]][match[3]])
        elif match := re.fullmatch(r"api/models/([^/]+/[^/]+?)(?:/(revision|tree)/([^/]+))?(/.*)?", path):
            self._answer_api(match[1], match[2] or "revision", match[3] or "main")
        elif match := re.fullmatch(r"([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._answer_resolve(match[1], match[2], match[3])
        else:
            self._refuse("EntryNotFound")

    def _find(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            self._refuse("RepoNotFound", status=401)  # as the hub does to who is not logged in
            return None
        commit = repository.resolve(revision)
        if commit is None:
            self._refuse("RevisionNotFound")
            return None
        return commit, repository.commits[commit]

    def _answer_api(self, name: str, kind: str, revision: str) -> None:
        if (found := self._find(name, revision)) is None:
            return
        commit, files = found
        if kind == "tree":
            self._send_json([_tree_entry(path, content) for path, content in sorted(files.items())])
            return
        siblings = [{"rfilename": path} for path in sorted(files)]
        common = {"private": False, "tags": [], "downloads": 0, "likes": 0}
        self._send_json(
            {"_id": commit[:24], "id": name, "modelId": name, "sha": commit, "siblings": siblings, **common}
        )

    def _answer_resolve(self, name: str, revision: str, path: str) -> None:
        if (found := self._find(name, revision)) is None:
            return
        commit, files = found
        if path not in files:
            self._refuse("EntryNotFound", {"X-Repo-Commit": commit})
            return
        content = files[path]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_blob_id(content)}"'}
        if not path.endswith(LFS_SUFFIXES):
            self._send_file(path, content, headers)
            return
        oid = hashlib.sha256(content).hexdigest()
        linked = {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
        self._send(302, headers | linked | {"Location": f"{self.hub.storage}/lfs/{name}/{commit}/{path}"})

    def _send_file(self, path: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        headers, status, fault = dict(headers or {}), 200, None
        if self.command == "GET":
            fault = self.hub.faults.get(path)
            if fault == "cut once":
                del self.hub.faults[path]
        if fault == "short":
            content = content[: len(content) // 2]
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(match[1]), min(int(match[2] or len(content) - 1), len(content) - 1)
            if start >= len(content):
                self._send(416, {"Content-Range": f"bytes */{len(content)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content, status = content[start : end + 1], 206
        sent = content[: len(content) // 2] if fault in ("cut", "cut once") else content
        self._send(status, headers | {"Content-Type": "application/octet-stream"}, sent, len(content))

    def _send_json(self, tree: object) -> None:
        self._send(200, {"Content-Type": "application/json"}, json.dumps(tree).encode())

    def _refuse(self, code: str, headers: dict[str, str] | None = None, status: int = 404) -> None:
        self._send(status, {"X-Error-Code": code, "X-Error-Message": code} | (headers or {}))

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"", length: int | None = None) -> None:
        length = len(body) if length is None else length
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
            self.close_connection = self.close_connection or len(body) < length


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _tree_entry(path: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": _blob_id(content)}
    if path.endswith(LFS_SUFFIXES):
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
    return entry
