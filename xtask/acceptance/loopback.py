"""Keeps this process on loopback, and notes the client assertions that leave it."""

import ipaddress
import os
import sys
from urllib.parse import parse_qs

import requests.adapters


class Elsewhere(Exception):
    """Somebody asked for another host. It is no OSError, so that no client takes it for trouble that may pass."""


asked = []
"""Every host that was refused: a client may have swallowed the exception."""

assertions = []
"""The client assertions sent, in their order."""


def stay():
    """From now on whoever looks up or connects to anything but loopback gets `Elsewhere`."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    # An audit hook sees what no client can go around, and cannot be taken out again.
    sys.addaudithook(_judge)
    try:
        requests.get("https://login.microsoftonline.com", timeout=1)
    except Elsewhere:
        asked.clear()
    else:
        sys.exit("the guard of loopback lets others pass")
    requests.adapters.HTTPAdapter.send = _noting(requests.adapters.HTTPAdapter.send)


def _judge(event, arguments):
    if event == "socket.getaddrinfo" or event.startswith("socket.gethostby"):
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if not _is_loopback(host):
        asked.append(host)
        raise Elsewhere(f"it asked for {host}, and only loopback is there")


def _is_loopback(host):
    if host in (None, "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _noting(send):
    def noted(adapter, request, *arguments, **options):
        body = request.body or ""
        body = body.decode() if isinstance(body, bytes) else body
        assertions.extend(parse_qs(body).get("client_assertion", []))
        return send(adapter, request, *arguments, **options)

    return noted
