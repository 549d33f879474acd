"""Asks clients for Python for tokens of managed identities, from the source that the environment names.

Usage: identities.py SETTINGS SOURCE CLIENT...

Prints the lines of drive.py, with cases such as "imds, client ID".
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

import azure.identity
import azure.identity.aio
import msal
import requests
from azure.core.exceptions import ClientAuthenticationError

import loopback
from drive import outcome, tell
from refused import Refused

logging.getLogger("azure").setLevel(logging.CRITICAL)
logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def main(path: str, source: str, names: list):
    settings = json.loads(Path(path).read_text())
    loopback.stay()
    for client, version, ask in [
        ("msal", "msal " + msal.__version__, by_msal),
        ("az-id", "azure-identity " + azure.identity.__version__, by_azure),
        ("az-aio", "azure-identity " + azure.identity.__version__ + " (aio)", by_azure_aio),
    ]:
        if client not in names:
            continue
        tell(client=client, version=version)
        if client == "msal" and source == "cloud-shell":
            # Its class for managed identities does not know this source.
            continue
        for case, identity, resource in cases(source, settings):
            tell(client=client, case=case, **outcome(lambda: ask(identity, resource)))


def cases(source: str, s: dict):
    """Each case with the kind and the value of an identity, if it names one, and the resource."""
    user, vault = s["identities"]["user"], s["vault"]
    return [
        (source, None, vault),
        (f"{source}, client ID", ("client_id", user["client_id"]), vault),
        (f"{source}, object ID", ("object_id", user["object_id"]), vault),
        (f"{source}, resource ID", ("resource_id", user["resource_id"]), vault),
        (f"{source}, unknown ID", ("client_id", s["unknown_app"]), vault),
        (f"{source}, unknown API", None, s["unknown_api"]),
    ]


def by_msal(identity, resource):
    if identity:
        kind, value = identity
        identity = msal.UserAssignedManagedIdentity(**{kind: value})
    else:
        identity = msal.SystemAssignedManagedIdentity()
    client = msal.ManagedIdentityClient(identity, http_client=requests.Session())
    try:
        found = client.acquire_token_for_client(resource=resource)
    # It cannot read a date, the end of a token in the version 2017-09-01.
    except (msal.ManagedIdentityError, ValueError) as error:
        raise Refused.by(error) from error
    if "access_token" in found:
        return found["access_token"]
    raise Refused(f"{found['error']}: {found.get('error_description', '')}")


def options(identity) -> dict:
    more = {"retry_total": 0}
    if not identity:
        return more
    kind, value = identity
    return more | ({"client_id": value} if kind == "client_id" else {"identity_config": {kind: value}})


def by_azure(identity, resource):
    try:
        with azure.identity.ManagedIdentityCredential(**options(identity)) as credential:
            return credential.get_token(resource + "/.default").token
    except (ClientAuthenticationError, ValueError) as error:
        raise Refused.by(error) from error


def by_azure_aio(identity, resource):
    async def ask():
        async with azure.identity.aio.ManagedIdentityCredential(**options(identity)) as credential:
            return (await credential.get_token(resource + "/.default")).token

    try:
        return asyncio.run(ask())
    except (ClientAuthenticationError, ValueError) as error:
        raise Refused.by(error) from error


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
