#!/usr/bin/env python3
"""A stand-in for the Databricks CLI, which no package registry has, where tests need one.

It authenticates as the Go SDK does by ``auth_type = metadata-service``
(``auth_metadata_service.go``, and its token cache): the two headers, 404 for no service, a number
of seconds in ``expires_on``; a token is kept until it expires, and renewed in the background from
half of its life on.  Standard library only, since it runs wherever it is installed.
"""

import configparser
import json
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

VERSION = "1.9.0"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class FailedError(Exception):
    """What ends the program with a message."""


class TokenSource:
    """The token of ``[DEFAULT]`` in ``~/.databrickscfg``."""

    def __init__(self) -> None:
        parser = configparser.ConfigParser(default_section="none", interpolation=None)
        parser.read(Path.home() / ".databrickscfg")
        if not parser.has_section("DEFAULT") or "metadata_service_url" not in parser["DEFAULT"]:
            raise FailedError("cannot configure default credentials")
        profile = parser["DEFAULT"]
        self.host = profile["host"]
        if profile["auth_type"] != "metadata-service":
            raise FailedError(f"auth type is {profile['auth_type']}")
        self._url = profile["metadata_service_url"]
        if "127.0.0.1" not in self._url and "localhost" not in self._url:
            raise FailedError("invalid auth server URL")
        self._token, self._until, self._renew_at = "", 0.0, 0.0
        self._renewing = threading.Lock()

    def token(self) -> str:
        """Return a token as the cache of the SDK does."""
        if time.time() >= self._until:
            self._fetch()
        elif time.time() >= self._renew_at and self._renewing.acquire(blocking=False):
            threading.Thread(target=self._renew, daemon=True).start()
        return self._token

    def _renew(self) -> None:
        try:
            self._fetch()
        finally:
            self._renewing.release()

    def _fetch(self) -> None:
        headers = {"X-Databricks-Metadata-Version": "1", "X-Databricks-Host": self.host}
        try:
            with DIRECT.open(
                urllib.request.Request(self._url, headers=headers), timeout=10
            ) as reply:
                body = json.load(reply)
        except urllib.error.HTTPError as error:
            said = "no such service" if error.code == 404 else error.read().decode()
            raise FailedError(f"token error: {said}") from None
        now = time.time()
        self._token, self._until = body["access_token"], float(body["expires_on"])
        self._renew_at = now + (self._until - now) / 2


def get(tokens: TokenSource, path: str) -> dict:
    headers = {"Authorization": f"Bearer {tokens.token()}"}
    try:
        with DIRECT.open(urllib.request.Request(tokens.host + path, headers=headers)) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        raise FailedError(f"{error.code} {error.read().decode(errors='replace')}") from None


def install_skills(folder: Path) -> None:
    """Write the skills of a "release": a folder beside the home stands for GitHub."""
    release = Path.home() / "skills-release"
    if not release.exists():
        raise FailedError("failed to fetch manifest: dial tcp: lookup raw.githubusercontent.com")
    for skill in release.iterdir():
        shutil.copytree(skill, folder / skill.name)
    print(f"Wrote {len(list(folder.iterdir()))} skills to {folder}")


def main(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        print(f"Databricks CLI v{VERSION}")
    elif arguments[:2] == ["current-user", "me"]:
        print(json.dumps(get(TokenSource(), "/api/2.0/preview/scim/v2/Me")))
    elif arguments[:3] == ["aitools", "install", "--path"]:
        install_skills(Path(arguments[3]))
    elif arguments[:1] == ["sync"]:  # one that runs for long, and calls all the time
        tokens, stop, calls = TokenSource(), Path(arguments[1]), 0
        while not stop.exists():
            get(tokens, "/api/2.0/preview/scim/v2/Me")
            calls += 1
            time.sleep(0.02)
        print(f"calls={calls}")
    else:
        raise FailedError(f"unknown command {arguments}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except FailedError as failed:
        sys.exit(f"Error: {failed}")
