"""MSAL for Python."""

import warnings
from functools import partial
from pathlib import Path

import msal

import issuer
import person
from refused import Refused

VERSION = "msal " + msal.__version__


def cases(host, settings):
    s = settings
    ours, strange, borrowed = (s["keys"][name] for name in ("ours", "strange", "borrowed"))
    graph, orders = s["graph"] + "/.default", s["orders"] + "/.default"
    user_graph, user_orders = s["graph"] + "/User.Read", s["orders"] + "/Orders.Use"

    def client(credential, app, kind=msal.ConfidentialClientApplication, **options):
        options = {"authority": f"{host}/{s['tenant']}"} | options
        try:
            return kind(app, client_credential=credential, instance_discovery=False, timeout=person.SECONDS, **options)
        except ValueError as error:
            # It reads the tenant's document first. Only the traceback tells why there is none.
            raise Refused.by(error) from error

    def token(answer):
        if "access_token" in answer:
            return answer["access_token"]
        raise Refused(answer["error_description"])

    def app_only(credential, app, *scopes, claims=None, **options):
        asked = list(scopes) or [graph]
        return token(client(credential, app, **options).acquire_token_for_client(asked, claims_challenge=claims))

    def secret(*scopes, app=s["secret_app"], secret=s["secret"], **options):
        return partial(app_only, secret, app, *scopes, **options)

    def by(credential, app=s["certificate_app"]):
        return partial(app_only, credential, app)

    def pem(key, **members):
        return {"private_key": key["private"]} | members

    def pfx(**members):
        return {"private_key_pfx_path": ours["pfx"], "passphrase": s["pfx_password"]} | members

    def sha1(key):
        return pem(key, thumbprint=key["sha1"])

    x5c = sha1(ours) | {"public_certificate": ours["chain"]}
    # From the certificate it computes the SHA-256, and then sends the certificate as well.
    sha256 = pem(ours, public_certificate=ours["certificate"])

    def by_code(credential, app, scope=user_orders):
        """The client, the way to redeem its code, and the first result."""
        found = client(credential, app)
        # It prefers a form to a query, and warns.
        with warnings.catch_warnings(action="ignore"):
            flow = found.initiate_auth_code_flow([scope], redirect_uri=s["redirect"])
        came_back = person.approve(flow["auth_uri"], s["user"])
        redeem = partial(found.acquire_token_by_auth_code_flow, flow, came_back)
        return found, redeem, redeem()

    def by_secret():
        return by_code(s["secret"], s["secret_app"])

    def code_twice():
        _, redeem, first = by_secret()
        token(first)
        return token(redeem())

    def refresh(scope):
        found, _, first = by_secret()
        token(first)
        (account,) = found.get_accounts()
        return token(found.acquire_token_silent_with_error([scope], account, force_refresh=True))

    def garbage():
        return token(client(s["secret"], s["secret_app"]).acquire_token_by_refresh_token("garbage", [user_graph]))

    def on_behalf_of(credential, assertion=None, scope=user_orders):
        assertion = assertion or person.token(host, s, scope)
        return token(client(credential, s["orders_app"]).acquire_token_on_behalf_of(assertion, [user_graph]))

    def device():
        public = client(None, s["public_app"], msal.PublicClientApplication)
        flow = public.initiate_device_flow([user_graph])
        person.device(flow["verification_uri"], flow["user_code"], s["user"])
        return token(public.acquire_token_by_device_flow(flow))

    def browser():
        public = client(None, s["public_app"], msal.PublicClientApplication)
        return token(public.acquire_token_interactive([user_graph], timeout=person.SECONDS))

    return {
        "secret": secret(),
        "secret, own API": secret(orders),
        "secret, double slash": secret(s["graph"] + "//.default"),
        "secret, GUID": secret(s["graph_app"] + "/.default"),
        "secret, odd characters": secret(secret=s["odd_secret"]),
        "tenant by domain": secret(authority=f"{host}/{s['domain']}"),
        "oidc_authority": secret(authority=None, oidc_authority=f"{host}/{s['tenant']}/v2.0"),
        "capabilities, claims": secret(
            orders, client_capabilities=["CP1"], claims='{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
        ),
        "certificate SHA-1": by(sha1(ours)),
        "certificate x5c": by(x5c),
        "certificate SHA-256": by(sha256),
        "certificate PFX": by(pfx()),
        "certificate PFX x5c": by(pfx(public_certificate=True)),
        "assertion": by({"client_assertion": lambda: s["assertion"]}),
        "assertion, malformed": by({"client_assertion": lambda: s["malformed_assertion"]}),
        "federated assertion": by({"client_assertion": lambda: s["federated_assertion"]}),
        "federated, job": by({"client_assertion": issuer.of_job}, s["federated_app"]),
        "federated, subject": by(
            {"client_assertion": partial(issuer.of_job, subject="repo:contoso/app:pull_request")}, s["federated_app"]
        ),
        "federated, audience": by(
            {"client_assertion": partial(issuer.of_job, audience="api://other")}, s["federated_app"]
        ),
        "federated, cluster": by(
            {"client_assertion": lambda: Path(s["cluster_file"]).read_text()}, s["federated_app"]
        ),
        "wrong secret": secret(secret=s["wrong_secret"]),
        "secret's id": secret(secret=s["secret_id"]),
        "expired secret": secret(secret=s["expired_secret"]),
        "unknown tenant": secret(authority=f"{host}/{s['unknown_tenant']}"),
        "organizations": secret(authority=f"{host}/organizations"),
        "app not in tenant": secret(app=s["other_app"]),
        "unknown app": secret(app=s["unknown_app"]),
        "unknown resource": secret(s["unknown_api"] + "/.default"),
        "scope without .default": secret(s["graph"] + "/User.Read.All"),
        "two resources": secret(graph, orders),
        "unknown thumbprint": by(sha1(strange)),
        "unknown thumbprint SHA-256": by(pem(strange, public_certificate=strange["certificate"])),
        "another key": by(sha1(borrowed)),
        "auth code, PKCE": lambda: token(by_secret()[2]),
        "auth code, PKCE, cert": lambda: token(by_code(sha1(ours), s["certificate_app"])[2]),
        "code twice": code_twice,
        "refresh": lambda: refresh(user_orders),
        "refresh, another API": lambda: refresh(user_graph),
        "refresh, garbage": garbage,
        "on-behalf-of": lambda: on_behalf_of(s["secret"]),
        "on-behalf-of, certificate": lambda: on_behalf_of(x5c),
        "on-behalf-of, assertion": lambda: on_behalf_of({"client_assertion": s["orders_assertion"]}),
        "on-behalf-of, not for me": lambda: on_behalf_of(s["secret"], scope=user_graph),
        "on-behalf-of, garbage": lambda: on_behalf_of(s["secret"], "garbage"),
        "device code": device,
        "browser on loopback": browser,
    }
