#!/usr/bin/env python3
"""Tests how a program handles a 429 with Retry-After, and a token that has expired.

    python3 retry_and_expiry.py

It requires Python 3.8 or later, and no packages. It starts an emulator (`entra` in PATH, or the
program in the variable ENTRA), unless the environment has the settings that a running
`entra emulator --control PORT` printed.

Replace the class Program with your program, and pass it the AZURE_ settings. With MSAL or
azure-identity, start the emulator with --tls: they do not accept plain HTTP.
"""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# A proxy cannot reach the loopback addresses of this machine.
_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def request(method, url, headers, body=None):
    """Returns the status, the headers and the JSON of a response with any status."""
    try:
        response = _http.open(urllib.request.Request(url, body, headers, method=method), timeout=30)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        text = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, response.headers, json.loads(text) if is_json else None


class Program:
    """The program under test. It reads users from Microsoft Graph and caches its token."""

    def __init__(self, settings):
        self.settings, self.token = settings, None

    def users(self):
        for _ in range(2):
            self.token = self.token or self.fetch_token()
            headers = {"Authorization": f"Bearer {self.token}"}
            status, _, body = request("GET", self.settings["AZURE_AUTHORITY_HOST"] + "/v1.0/users", headers)
            if status == 200:
                return body["value"]
            # The token has expired or was revoked.
            self.token = None
        raise RuntimeError(f"Microsoft Graph responded with {status}")

    def fetch_token(self):
        url = "{AZURE_AUTHORITY_HOST}/{AZURE_TENANT_ID}/oauth2/v2.0/token".format_map(self.settings)
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials",
            "client_id": self.settings["AZURE_CLIENT_ID"],
            "client_secret": self.settings["AZURE_CLIENT_SECRET"],
            "scope": "https://graph.microsoft.com/.default",
        })
        for _ in range(3):
            status, headers, body = request("POST", url, {"Content-Type": "application/x-www-form-urlencoded"}, form.encode())
            if status != 429:
                break
            time.sleep(int(headers["Retry-After"]))
        if status != 200:
            raise RuntimeError(f"no token: {status} {body}")
        return body["access_token"]


class Control:
    """The emulator's control API."""

    def __init__(self, settings):
        self.url = settings["ENTRA_EMULATOR_CONTROL"]
        self.headers = {"Authorization": "Bearer " + settings["ENTRA_EMULATOR_CONTROL_KEY"]}

    def get(self, path):
        return self._send("GET", path)

    def post(self, path, /, **members):
        return self._send("POST", path, json.dumps(members).encode())

    def _send(self, method, path, body=None):
        headers = {**self.headers, "Content-Type": "application/json"}
        status, _, response = request(method, self.url + path, headers, body)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {response['message']}")
        return response


@contextlib.contextmanager
def emulator():
    """Yields the settings of a running emulator, or of one that stops after the test."""
    if "ENTRA_EMULATOR_CONTROL" in os.environ:
        yield os.environ
        return
    command = [os.environ.get("ENTRA", "entra"), "emulator", "--control", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            settings = {}
            for line in process.stdout:
                if line.startswith("export "):
                    name, value = shlex.split(line)[1].split("=", 1)
                    settings[name] = value
                # This is the last line.
                if "ENTRA_EMULATOR_CONTROL_KEY" in settings:
                    break
            else:
                sys.exit("the emulator did not start")
            yield settings
        finally:
            process.terminate()


def check(what, seen, expected):
    print(f"{'ok  ' if seen == expected else 'FAIL'} {what}: {seen}" + ("" if seen == expected else f", not {expected}"))
    return seen == expected


def main():
    with emulator() as settings:
        control, program = Control(settings), Program(settings)
        control.post("/v1/reset")
        passed = []

        # A 429: the program waits as long as Retry-After requires, and tries again.
        control.post("/v1/faults", path="/oauth2/v2.0/token", status=429, retry_after=1)
        start = time.monotonic()
        passed.append(check("users despite a 429", len(program.users()) > 0, True))
        passed.append(check("the program waited for a second", time.monotonic() - start >= 1, True))
        seen = control.get("/v1/requests")
        statuses = [one["status"] for one in seen["requests"] if one["purpose"] == "token"]
        passed.append(check("token requests", statuses, [429, 200]))

        # An expiry: the emulator's clock advances, and the API rejects the old token.
        old = program.token
        now = control.post("/v1/clock", advance_seconds=7200)["now_at"]
        print(f"     the emulator's time is now {now}")
        passed.append(check("users after the token's expiry", len(program.users()) > 0, True))
        passed.append(check("a new token", program.token != old, True))
        later = control.get(f"/v1/requests?after={seen['count']}")["requests"]
        statuses = [(one["purpose"] or one["path"], one["status"]) for one in later]
        passed.append(check("requests", statuses, [("/v1.0/users", 401), ("token", 200), ("/v1.0/users", 200)]))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
