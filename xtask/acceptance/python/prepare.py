"""Writes what a run needs: keys, the emulator's configuration and the settings of the drivers.

Usage: prepare.py FOLDER
"""

import json
import sys
import time
import uuid
from pathlib import Path

import jwt

import keys

TENANT = "8a2f3c54-1d6e-4b7a-9f10-2c3d4e5f6a7b"
DOMAIN = "fabrikam.example"
OTHER_TENANT = "9b3a4d65-2e7f-4c8b-8a21-3d4e5f6a7b8c"
SECRET_APP = "1f5c2f9e-7a3b-4c8d-8e61-b0a4d2c9f713"
CERTIFICATE_APP = "2e6d3a0f-8b4c-4d9e-9f72-c1b5e3d0a824"
ORDERS_APP = "3d7e4b10-9c5d-4eaf-a083-d2c6f4e1b935"
PUBLIC_APP = "4e8f5c21-ad6e-4fb0-b194-e3d705f2ca46"
OTHER_APP = "5f906d32-be7f-4ac1-82a5-f4e816a3db57"
FEDERATED_APP = "c607d4a9-25e6-4138-a91c-6b5f8d1a42ce"
GRAPH = "https://graph.microsoft.com"
ORDERS = "api://orders"
USER = "alex@" + DOMAIN
VAULT = "https://vault.azure.net"
IDENTITIES = {
    "system": {
        "client_id": "71b28f54-d091-4ce3-a4c7-160a38c5fd79",
        "object_id": "82c39065-e1a2-4df4-b5d8-271b49d60e8a",
        "resource_id": "/subscriptions/93d4a176-f2b3-4e05-86e9-382c5ae71f9b/resourcegroups/rg/"
        "providers/Microsoft.Compute/virtualMachines/vm",
    },
    "user": {
        "client_id": "a4e5b287-03c4-4f16-97fa-493d6bf820ac",
        "object_id": "b5f6c398-14d5-4027-a80b-5a4e7c0931bd",
        "resource_id": "/subscriptions/93d4a176-f2b3-4e05-86e9-382c5ae71f9b/resourcegroups/rg/"
        "providers/Microsoft.ManagedIdentity/userAssignedIdentities/collector",
    },
}
REDIRECT = "https://app.example/cb"
SERVE = f"""
resources = ["{VAULT}"]
[identity.machine]
managed_identity = true
[identity.by_client_id]
managed_identity = true
identity_client_id = "{IDENTITIES["user"]["client_id"]}"
[identity.by_object_id]
managed_identity = true
identity_object_id = "{IDENTITIES["user"]["object_id"]}"
[identity.by_resource_id]
managed_identity = true
identity_resource_id = "{IDENTITIES["user"]["resource_id"]}"
"""
"""The configuration of `entra serve`, in front of the emulator's instance metadata."""

SUBJECTS = (
    "repo:contoso/app:ref:refs/heads/main",
    "sc://contoso/app/connection",
    "system:serviceaccount:default:app",
)
"""The subjects of the second issuer."""

LIFETIME = 600
"""Seconds that the assertions of callbacks are valid."""


def main(folder: Path):
    made = keys.make(folder)
    ours, strange = made["ours"], made["strange"]
    settings = {
        "tenant": TENANT,
        "domain": DOMAIN,
        "unknown_tenant": "00000000-1111-2222-3333-444444444444",
        "secret_app": SECRET_APP,
        "certificate_app": CERTIFICATE_APP,
        "orders_app": ORDERS_APP,
        "public_app": PUBLIC_APP,
        "other_app": OTHER_APP,
        "federated_app": FEDERATED_APP,
        "unknown_app": "60a17e43-cf80-4bd2-93b6-05f927b4ec68",
        "secret": "a~right.secret-",
        # Every printable character of ASCII.
        "odd_secret": "".join(map(chr, range(ord(" "), ord("~") + 1))),
        "expired_secret": "an~expired.secret-",
        "wrong_secret": "a~wrong.secret-",
        "secret_id": "7b2c3d4e-5f60-4718-892a-3b4c5d6e7f80",
        "graph": GRAPH,
        "graph_app": "00000003-0000-0000-c000-000000000000",
        "orders": ORDERS,
        "unknown_api": "https://nowhere.example",
        "vault": VAULT,
        "identities": IDENTITIES,
        "user": USER,
        "redirect": REDIRECT,
        "keys": {name: vars(key) for name, key in made.items()},
        "pfx_password": keys.PASSWORD,
        "assertion": assertion(ours, CERTIFICATE_APP),
        "orders_assertion": assertion(ours, ORDERS_APP),
        "borrowed_assertion": assertion(made["borrowed"], CERTIFICATE_APP),
        "malformed_assertion": "not.a.jwt",
        "federated_assertion": federated_assertion(strange),
        "assertion_file": str(folder / "assertion"),
        # The emulator writes it.
        "cluster_file": str(folder / "cluster-token"),
        "person": [sys.executable, "-B", str(Path(__file__).with_name("person.py"))],
    }
    (folder / "assertion").write_text(settings["assertion"])
    (folder / "settings.json").write_text(json.dumps(settings, default=str))
    (folder / "emulator.json").write_text(json.dumps(emulator(ours.certificate, settings)))
    (folder / "serve.toml").write_text(SERVE)


def emulator(certificate: str, settings: dict) -> dict:
    """Two tenants; apps with secrets, with `certificate`, with federated credentials, without a credential, and in
    the other tenant only.

    The API of orders is an app as well, for the on-behalf-of flow. Tokens for Graph are v1, for orders v2.
    """
    scopes = [{"api": GRAPH, "scope": "User.Read"}, {"api": ORDERS, "scope": "Orders.Use"}]
    roles = [{"api": GRAPH, "role": "User.Read.All"}, {"api": ORDERS, "role": "Orders.Read"}]
    confidential = {
        "granted": roles,
        "requested_scopes": scopes,
        # What no user consents to on the way, such as the second API of a refresh token.
        "granted_scopes": scopes,
        "redirect_uris": [REDIRECT],
    }
    secrets = [
        {"value": settings["secret"], "id": settings["secret_id"]},
        {"value": settings["odd_secret"]},
        {"value": settings["expired_secret"], "end": "2020-01-01T00:00:00Z"},
    ]
    return {
        "tenants": [{"id": TENANT, "domain": DOMAIN}, {"id": OTHER_TENANT, "domain": "other.example"}],
        "device_interval": 1,
        "second_issuer": True,
        "machine": {
            "identities": [
                IDENTITIES["system"] | {"system_assigned": True},
                IDENTITIES["user"] | {"name": "collector"},
            ],
            "cloud_shell_user": USER,
        },
        "apps": [
            {"name": "secret", "client_id": SECRET_APP, "secrets": secrets} | confidential,
            {"name": "certificate", "client_id": CERTIFICATE_APP, "secrets": [], "keyCredentials": [certificate]}
            | confidential,
            {
                "name": "orders",
                "client_id": ORDERS_APP,
                "secrets": secrets[:1],
                "keyCredentials": [certificate],
                "granted_scopes": scopes[:1],
            },
            {
                "name": "command",
                "client_id": PUBLIC_APP,
                "public_client": True,
                "requested_scopes": scopes,
                "redirect_uris": ["http://localhost", "http://127.0.0.1"],
            },
            {
                "name": "federated",
                "client_id": FEDERATED_APP,
                "secrets": [],
                # Without an issuer: that of the emulator itself.
                "federated_credentials": [{"subject": subject} for subject in SUBJECTS],
            }
            | confidential,
            {"name": "other", "client_id": OTHER_APP, "secrets": secrets[:1], "tenants": [OTHER_TENANT]},
        ],
        "apis": [
            {
                "app_id": ORDERS_APP,
                "identifiers": [ORDERS],
                "token_version": 2,
                "roles": ["Orders.Read"],
                "scopes": ["Orders.Use"],
                "optional_claims": ["xms_cc"],
            }
        ],
    }


def assertion(key: keys.Key, app: str) -> str:
    """What a callback signs with the registered key."""
    claims = {"aud": f"https://login.microsoftonline.com/{TENANT}/v2.0", "iss": app, "sub": app}
    return sign(key, claims, {"x5t": keys.thumbprint(key.sha1)})


def federated_assertion(key: keys.Key) -> str:
    """A token of another issuer, as Kubernetes gives one to a workload."""
    return sign(
        key,
        {
            "aud": "api://AzureADTokenExchange",
            "iss": "https://oidc.example/cluster/",
            "sub": "system:serviceaccount:shop:orders",
        },
        {"kid": "a-key-of-the-cluster"},
    )


def sign(key, claims, header):
    now = int(time.time())
    times = {"iat": now, "nbf": now, "exp": now + LIFETIME, "jti": str(uuid.uuid4())}
    return jwt.encode(claims | times, key.private, "RS256", header)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
