"""adal for Python, the client of the v1 endpoints."""

import logging
from functools import partial
from importlib.metadata import version

import adal
import requests

import person
from refused import Refused

VERSION = "adal " + version("adal")

# It logs what it raises.
logging.getLogger("adal-python").setLevel(logging.CRITICAL)


def cases(host, settings):
    s = settings
    ours, strange, borrowed = (s["keys"][name] for name in ("ours", "strange", "borrowed"))

    def call(method, *arguments, tenant=s["tenant"]):
        context = adal.AuthenticationContext(f"{host}/{tenant}", validate_authority=False, timeout=person.SECONDS)
        try:
            return getattr(context, "acquire_token_with_" + method)(*arguments)
        except adal.AdalError as error:
            raise Refused(str(error), str(error.error_response)) from error
        except requests.HTTPError as error:
            raise Refused.by(error) from error

    def token(*arguments, **options):
        return call(*arguments, **options)["accessToken"]

    def secret(resource=s["graph"], app=s["secret_app"], secret=s["secret"], **options):
        return partial(token, "client_credentials", resource, app, secret, **options)

    def certificate(key, chain=None):
        return partial(
            token, "client_certificate", s["graph"], s["certificate_app"], key["private"], key["sha1"], chain
        )

    def code():
        return person.code(host, s, "oauth2/authorize", resource=s["graph"], state="a-state")

    def redeem(code):
        return call("authorization_code", code, s["redirect"], s["graph"], s["secret_app"], s["secret"])

    def code_twice():
        code_ = code()
        redeem(code_)
        return redeem(code_)["accessToken"]

    def refresh(resource):
        return token("refresh_token", redeem(code())["refreshToken"], s["secret_app"], resource, s["secret"])

    def device():
        context = adal.AuthenticationContext(f"{host}/{s['tenant']}", validate_authority=False)
        shown = context.acquire_user_code(s["graph"], s["public_app"])
        person.device(shown["verification_url"], shown["user_code"], s["user"])
        return context.acquire_token_with_device_code(s["graph"], shown, s["public_app"])["accessToken"]

    return {
        "secret v1": secret(),
        "secret v1, own API": secret(s["orders"]),
        "secret v1, slash": secret(s["graph"] + "/"),
        "secret v1, GUID": secret(s["graph_app"]),
        "secret, odd characters": secret(secret=s["odd_secret"]),
        "tenant by domain": secret(tenant=s["domain"]),
        "certificate SHA-1": certificate(ours),
        "certificate x5c": certificate(ours, ours["certificate"]),
        "wrong secret": secret(secret=s["wrong_secret"]),
        "secret's id": secret(secret=s["secret_id"]),
        "expired secret": secret(secret=s["expired_secret"]),
        "unknown tenant": secret(tenant=s["unknown_tenant"]),
        "app not in tenant": secret(app=s["other_app"]),
        "unknown app": secret(app=s["unknown_app"]),
        "unknown resource": secret(s["unknown_api"]),
        "unknown thumbprint": certificate(strange),
        "another key": certificate(borrowed),
        "auth code v1": lambda: redeem(code())["accessToken"],
        "code twice": code_twice,
        "refresh v1": lambda: refresh(s["orders"]),
        "refresh v1, unknown API": lambda: refresh(s["unknown_api"]),
        "refresh, garbage": partial(token, "refresh_token", "garbage", s["secret_app"], s["graph"], s["secret"]),
        "device code v1": device,
        "password": partial(token, "username_password", s["graph"], s["user"], "a password", s["public_app"]),
    }
