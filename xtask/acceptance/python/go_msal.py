"""The requests of MSAL Go 1.9.0, which needs Go to run: the same documents, endpoints, fields and assertions."""

import base64
import hashlib
import secrets
import time
import uuid
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs, quote, urlencode

import jwt
import requests

import keys
import person
from refused import Refused

VERSION = "MSAL Go 1.9.0 (by hand)"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def cases(host, settings):
    s = settings
    ours, strange, borrowed = (s["keys"][name] for name in ("ours", "strange", "borrowed"))
    graph, orders = s["graph"] + "/.default", s["orders"] + "/.default"
    user_graph, user_orders = s["graph"] + "/User.Read", s["orders"] + "/Orders.Use"

    def endpoint(name, tenant=s["tenant"]):
        return get(f"{host}/{tenant}/v2.0/.well-known/openid-configuration")[name]

    def token(fields, tenant=s["tenant"]):
        return post(endpoint("token_endpoint", tenant), fields)["access_token"]

    def app_only(proof, *scopes, app=s["secret_app"], **options):
        fields = {"grant_type": "client_credentials", "client_id": app, "scope": with_defaults(*scopes or [graph])}
        return token(fields | proof(), **options)

    def secret(*scopes, secret=s["secret"], **options):
        return partial(app_only, lambda: {"client_secret": secret}, *scopes, **options)

    def asserted(text):
        return {"client_assertion": text, "client_assertion_type": BEARER, "client_info": "1"}

    def signed(key, x5c=False, app=s["certificate_app"]):
        return asserted(assertion(key, app, endpoint("token_endpoint"), x5c))

    def certificate(key, x5c=False):
        return partial(app_only, lambda: signed(key, x5c), app=s["certificate_app"])

    def by_assertion(text):
        return partial(app_only, lambda: asserted(text), app=s["certificate_app"])

    def claims():
        merged = '{"access_token":{"nbf":{"essential":true,"value":"1"},"xms_cc":{"values":["CP1"]}}}'
        return {"client_secret": s["secret"], "claims": merged}

    def by_code(app, redirect, proof, scope, send):
        """A call that redeems, with PKCE, the code that `send` gets from the authorization endpoint."""
        verifier = secrets.token_urlsafe(32)
        asked = {
            "client_id": app,
            "response_type": "code",
            "redirect_uri": redirect,
            "scope": scope,
            "state": str(uuid.uuid4()),
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        fields = {
            "grant_type": "authorization_code",
            "code_verifier": verifier,
            "redirect_uri": redirect,
            "client_id": app,
            "client_info": "1",
            "scope": with_defaults(scope),
        }
        return partial(
            post, endpoint("token_endpoint"), fields | proof | send(endpoint("authorization_endpoint"), asked)
        )

    def sent(url, asked):
        return {"code": person.approve(f"{url}?{urlencode(asked)}", s["user"])["code"]}

    def by_secret(scope=user_orders):
        return by_code(s["secret_app"], s["redirect"], {"client_secret": s["secret"]}, scope, sent)

    def code_twice():
        redeem = by_secret()
        redeem()
        return redeem()["access_token"]

    def refresh(scope, refresh_token=None):
        fields = {
            "grant_type": "refresh_token",
            "client_id": s["secret_app"],
            "client_secret": s["secret"],
            "client_info": "1",
            "refresh_token": refresh_token or by_secret()()["refresh_token"],
            "scope": with_defaults(scope),
        }
        return token(fields)

    def browser():
        server = HTTPServer(("127.0.0.1", 0), _Form)
        server.timeout = person.SECONDS

        def send(url, asked):
            asked |= {"scope": with_defaults(user_graph), "prompt": "select_account", "response_mode": "form_post"}
            visit = partial(person.browse, f"{url}?{urlencode(asked)}", s["user"])
            Thread(target=visit, daemon=True).start()
            server.handle_request()
            return {"code": server.form["code"][0]}

        with server:
            redirect = f"http://localhost:{server.server_port}"
            return by_code(s["public_app"], redirect, {}, user_graph, send)()["access_token"]

    def on_behalf_of(proof, scope=user_orders, caller=None):
        fields = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "client_id": s["orders_app"],
            "assertion": caller or person.token(host, s, scope),
            "client_info": "1",
            "requested_token_use": "on_behalf_of",
            "scope": with_defaults(user_graph),
        }
        return token(fields | proof)

    def device():
        url = endpoint("token_endpoint")
        asked = {"client_id": s["public_app"], "scope": with_defaults(user_graph)}
        shown = post(url.replace("token", "devicecode"), asked)
        person.device(shown["verification_uri"], shown["user_code"], s["user"])
        fields = {"grant_type": "device_code", "device_code": shown["device_code"], "client_info": "1"}
        time.sleep(shown["interval"])
        return post(url, asked | fields)["access_token"]

    def password():
        realm = get(f"{host}/common/UserRealm/{quote(s['user'], safe='')}?api-version=1.0")
        for name in ("account_type", "domain_name", "cloud_instance_name", "cloud_audience_urn"):
            if not realm.get(name):
                raise ValueError(f"the user's realm has no {name}")
        if realm["account_type"] != "Managed":
            raise ValueError(f"the user's realm is {realm['account_type']}")
        fields = {
            "grant_type": "password",
            "username": s["user"],
            "password": "a password",
            "client_id": s["public_app"],
            "client_info": "1",
            "scope": with_defaults(user_graph),
        }
        return token(fields)

    by_secret_proof = {"client_secret": s["secret"]}
    return {
        "secret": secret(),
        "secret, own API": secret(orders),
        "secret, double slash": secret(s["graph"] + "//.default"),
        "secret, GUID": secret(s["graph_app"] + "/.default"),
        "secret, odd characters": secret(secret=s["odd_secret"]),
        "tenant by domain": secret(tenant=s["domain"]),
        "capabilities, claims": partial(app_only, claims, orders),
        "certificate SHA-256": certificate(ours),
        "certificate x5c": certificate(ours, x5c=True),
        "assertion": by_assertion(s["assertion"]),
        "assertion, malformed": by_assertion(s["malformed_assertion"]),
        "federated assertion": by_assertion(s["federated_assertion"]),
        "wrong secret": secret(secret=s["wrong_secret"]),
        "secret's id": secret(secret=s["secret_id"]),
        "expired secret": secret(secret=s["expired_secret"]),
        "unknown tenant": secret(tenant=s["unknown_tenant"]),
        "app not in tenant": secret(app=s["other_app"]),
        "unknown app": secret(app=s["unknown_app"]),
        "unknown resource": secret(s["unknown_api"] + "/.default"),
        "scope without .default": secret(s["graph"] + "/User.Read.All"),
        "two resources": secret(graph, orders),
        "unknown thumbprint SHA-256": certificate(strange),
        "another key": certificate(borrowed),
        "auth code, PKCE": lambda: by_secret()()["access_token"],
        "code twice": code_twice,
        "refresh": partial(refresh, user_orders),
        "refresh, another API": partial(refresh, user_graph),
        "refresh, garbage": partial(refresh, user_graph, "garbage"),
        "on-behalf-of": lambda: on_behalf_of(by_secret_proof),
        "on-behalf-of, certificate": lambda: on_behalf_of(signed(ours, app=s["orders_app"])),
        "on-behalf-of, assertion": lambda: on_behalf_of(asserted(s["orders_assertion"])),
        "on-behalf-of, not for me": lambda: on_behalf_of(by_secret_proof, user_graph),
        "on-behalf-of, garbage": lambda: on_behalf_of(by_secret_proof, caller="garbage"),
        "device code": device,
        "browser on loopback": browser,
        "password": password,
    }


def assertion(key, app, audience, x5c):
    """PS256, with the thumbprint in the standard alphabet and padded."""
    now = int(time.time())
    claims = {"aud": audience, "exp": now + 600, "iss": app, "jti": str(uuid.uuid4()), "nbf": now, "sub": app}
    header = {"x5t#S256": base64.b64encode(bytes.fromhex(key["sha256"])).decode()}
    if x5c:
        header["x5c"] = keys.x5c(key["chain"])
    return jwt.encode(claims, key["private"], "PS256", header)


def with_defaults(*scopes):
    return " ".join([*scopes, "openid", "offline_access", "profile"])


def get(url):
    return _read(requests.get(url, headers=HEADERS, timeout=person.SECONDS))


def post(url, fields):
    # `url.Values` of Go are sent in the order of their names.
    body = urlencode(sorted(fields.items()))
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    return _read(requests.post(url, data=body, headers=HEADERS | kind, timeout=person.SECONDS))


def _read(answer):
    if answer.status_code not in (200, 201):
        raise Refused(f"http call({answer.url}) error: reply status code was {answer.status_code}:\n{answer.text}")
    return answer.json()


def challenge(verifier):
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


class _Form(BaseHTTPRequestHandler):
    """Takes the form that the browser posts to the app."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.form = parse_qs(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


HEADERS = {"x-client-sku": "MSAL.Go", "x-client-ver": "1.9.0", "x-client-os": "linux", "x-client-cpu": "amd64"}
