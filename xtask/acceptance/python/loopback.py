"""Keeps this process on loopback, and notes the client assertions that leave it."""

import ipaddress
import os
import socket
import sys
from urllib.parse import parse_qs

import aiohttp
import requests.adapters


class Elsewhere(Exception):
    """A client tried to reach another host. It is no OSError, so that no client takes it for an outage."""


refused = []
"""Every host that was refused: a client may have swallowed the exception."""

assertions = []
"""The client assertions that were sent, in their order."""


def stay():
    """Makes every lookup of and connection to anything but loopback raise `Elsewhere`."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    # An audit hook sees what no client can avoid, and cannot be removed.
    sys.addaudithook(_judge)
    try:
        requests.get("https://login.microsoftonline.com", timeout=1)
    except Elsewhere:
        refused.clear()
    else:
        sys.exit("the guard of loopback lets others pass")
    requests.adapters.HTTPAdapter.send = _noting(requests.adapters.HTTPAdapter.send)
    aiohttp.ClientSession._request = _noting_async(aiohttp.ClientSession._request)


def _judge(event, arguments):
    if event == "socket.getaddrinfo" or event.startswith("socket.gethostby"):
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if not _is_loopback(host):
        refused.append(host)
        raise Elsewhere(f"it asked for {host}, and only loopback is there")


def _is_loopback(host):
    # A server of Python looks its own machine up.
    if host in (None, "localhost", socket.gethostname()):
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


def _noting_async(send):
    async def noted(session, method, url, **options):
        data = options.get("data")
        if isinstance(data, dict) and "client_assertion" in data:
            assertions.append(data["client_assertion"])
        return await send(session, method, url, **options)

    return noted
