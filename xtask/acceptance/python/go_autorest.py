"""The requests of adal of go-autorest 14.2, which needs Go to run: the same endpoints, fields and assertions."""

import base64
import secrets
import time
from functools import partial
from urllib.parse import urlencode

import jwt
import requests

import keys
import person
from refused import Refused

VERSION = "go-autorest adal 14.2 (by hand)"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Every one of its addresses has it, and so has the audience of its assertions.
QUERY = "?api-version=1.0"


def cases(host, settings):
    s = settings
    ours, strange, borrowed = (s["keys"][name] for name in ("ours", "strange", "borrowed"))

    def url(name, tenant=s["tenant"]):
        return f"{host}/{tenant}/oauth2/{name}{QUERY}"

    def token(grant, app=s["secret_app"], resource=s["graph"], tenant=s["tenant"], **fields):
        fields = {"client_id": app, "resource": resource, "grant_type": grant} | fields
        return post(url("token", tenant), fields)

    def app_only(**fields):
        return token("client_credentials", **fields)["access_token"]

    def secret(secret=s["secret"], **options):
        return partial(app_only, client_secret=secret, **options)

    def by_assertion(text):
        return app_only(app=s["certificate_app"], client_assertion=text, client_assertion_type=BEARER)

    def certificate(key):
        return lambda: by_assertion(assertion(key, s["certificate_app"], url("token")))

    def code():
        return person.code(host, s, "oauth2/authorize", resource=s["graph"], state="a-state")

    def redeem(code):
        return token("authorization_code", code=code, client_secret=s["secret"], redirect_uri=s["redirect"])

    def code_twice():
        code_ = code()
        redeem(code_)
        return redeem(code_)["access_token"]

    def refresh(resource, refresh_token=None):
        refresh_token = refresh_token or redeem(code())["refresh_token"]
        fields = {"refresh_token": refresh_token, "client_secret": s["secret"]}
        return token("refresh_token", resource=resource, **fields)["access_token"]

    def device():
        asked = {"client_id": s["public_app"], "resource": s["graph"]}
        shown = post(url("devicecode"), asked)
        person.device(shown["verification_url"], shown["user_code"], s["user"])
        time.sleep(int(shown["interval"]))
        return post(url("token"), asked | {"code": shown["device_code"], "grant_type": "device_code"})["access_token"]

    def password():
        return token("password", app=s["public_app"], username=s["user"], password="a password")["access_token"]

    return {
        "secret v1": secret(),
        "secret v1, own API": secret(resource=s["orders"]),
        "secret v1, slash": secret(resource=s["graph"] + "/"),
        "secret v1, GUID": secret(resource=s["graph_app"]),
        "secret, odd characters": secret(s["odd_secret"]),
        "tenant by domain": secret(tenant=s["domain"]),
        "certificate v1": certificate(ours),
        "assertion v1": lambda: by_assertion(s["assertion"]),
        "federated assertion": lambda: by_assertion(s["federated_assertion"]),
        "wrong secret": secret(s["wrong_secret"]),
        "secret's id": secret(s["secret_id"]),
        "expired secret": secret(s["expired_secret"]),
        "unknown tenant": secret(tenant=s["unknown_tenant"]),
        "app not in tenant": secret(app=s["other_app"]),
        "unknown app": secret(app=s["unknown_app"]),
        "unknown resource": secret(resource=s["unknown_api"]),
        "unknown thumbprint": certificate(strange),
        "another key": certificate(borrowed),
        "auth code v1": lambda: redeem(code())["access_token"],
        "code twice": code_twice,
        "refresh v1": partial(refresh, s["orders"]),
        "refresh v1, unknown API": partial(refresh, s["unknown_api"]),
        "refresh, garbage": partial(refresh, s["graph"], "garbage"),
        "device code v1": device,
        "password v1": password,
    }


def assertion(key, app, audience):
    """RS256 for 24 hours, with a padded thumbprint and the leaf certificate."""
    now = int(time.time())
    claims = {"aud": audience, "iss": app, "sub": app, "nbf": now, "exp": now + 24 * 3600}
    claims["jti"] = base64.urlsafe_b64encode(secrets.token_bytes(20)).decode()
    thumbprint = base64.urlsafe_b64encode(bytes.fromhex(key["sha1"])).decode()
    return jwt.encode(claims, key["private"], "RS256", {"x5t": thumbprint, "x5c": keys.x5c(key["certificate"])})


def post(url, fields):
    # `url.Values` of Go are sent in the order of their names.
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(url, data=urlencode(sorted(fields.items())), headers=kind, timeout=person.SECONDS)
    if answer.status_code != 200:
        raise Refused(f"adal: Refresh request failed. Status Code = '{answer.status_code}'. Response body: {answer.text}")
    return answer.json()
