"""The emulator: what it is configured with, and its process."""

import json
import os
import shlex
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

TENANT = "8a2f3c54-1d6e-4b7a-9f10-2c3d4e5f6a7b"
STRANGE_TENANT = "00000000-1111-2222-3333-444444444444"
SECRET_APP = "1f5c2f9e-7a3b-4c8d-8e61-b0a4d2c9f713"
SECRET = "a~right.secret-"
CERTIFICATE_APP = "2e6d3a0f-8b4c-4d9e-9f72-c1b5e3d0a824"
GRAPH = "https://graph.microsoft.com"
GRAPH_ROLE = "User.Read.All"
ORDERS = "api://orders"
ORDERS_APP = "3d7e4b10-9c5d-4eaf-a083-d2c6f4e1b935"
ORDERS_ROLE = "Orders.Read"
ORDERS_SCOPE = "Orders.Use"
PUBLIC_APP = "4e8f5c21-ad6e-4fb0-b194-e3d705f2ca46"
USER = "alex@fabrikam.example"
REDIRECT_URI = "https://app.example/cb"
GRAPH_SCOPE = "User.Read"
STRANGE_API = "https://nowhere.example"

LONGEST_RUN = 120
"""Seconds after which the emulator is ended, whatever the clients do."""


def config(certificate: str) -> dict:
    """Two applications with the same permissions: one has a secret, the other `certificate` (PEM). The API is an application as well,
    and a command on somebody's own machine is one without a credential."""
    scopes = [{"api": GRAPH, "scope": GRAPH_SCOPE}, {"api": ORDERS, "scope": ORDERS_SCOPE}]
    granted = [{"api": GRAPH, "role": GRAPH_ROLE}, {"api": ORDERS, "role": ORDERS_ROLE}]
    return {
        "tenants": [{"id": TENANT, "domain": "fabrikam.example"}],
        "apps": [
            {
                "name": "secret",
                "client_id": SECRET_APP,
                "secrets": [{"value": SECRET}],
                "granted": granted,
                "redirect_uris": [REDIRECT_URI],
                "requested_scopes": scopes,
            },
            {
                "name": "orders",
                "client_id": ORDERS_APP,
                "secrets": [{"value": SECRET}],
                "granted_scopes": scopes[:1],
            },
            {"name": "command", "client_id": PUBLIC_APP, "public_client": True, "requested_scopes": scopes[:1]},
            {
                "name": "certificate",
                "client_id": CERTIFICATE_APP,
                "secrets": [],
                "keyCredentials": [certificate],
                "granted": granted,
            },
        ],
        # Graph's tokens are v1, so this one's are v2.
        "apis": [{"app_id": ORDERS_APP, "identifiers": [ORDERS], "token_version": 2, "roles": [ORDERS_ROLE], "scopes": [ORDERS_SCOPE]}],
    }


@contextmanager
def running(entra: str, settings: dict, folder: Path, log: Path):
    """Runs it with TLS, puts what it says to export into the environment, and gives its address."""
    (folder / "emulator.json").write_text(json.dumps(settings))
    command = [entra, "emulator", "--config", folder / "emulator.json", "--tls", "--ca-out", folder / "ca.crt"]
    with log.open("w") as requests:
        process = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=requests,
            text=True,
        )
    watchdog = threading.Timer(LONGEST_RUN, process.stdin.close)
    watchdog.daemon = True
    watchdog.start()
    try:
        exports = _exports(process.stdout)
        if LAST_EXPORT not in exports:
            raise SystemExit(f"the emulator did not start: {log.read_text().strip() or exports}")
        os.environ.update(exports)
        yield os.environ["AZURE_AUTHORITY_HOST"]
    finally:
        watchdog.cancel()
        process.stdin.close()
        process.wait()


def _exports(lines):
    found = {}
    for line in lines:
        if line.startswith("export "):
            name, value = shlex.split(line)[1].split("=", 1)
            found[name] = value
        if LAST_EXPORT in found:
            break
    return found


KEEPER = 'trap : HUP INT TERM; "$@" </dev/null & exec >&- 2>&-; read -r _; kill -KILL $!'
"""A shell that ends the command at the end of its input, which comes with the end of this process, however that ends."""

LAST_EXPORT = "NODE_EXTRA_CA_CERTS"
