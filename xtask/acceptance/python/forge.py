"""Tokens of the emulator and forgeries of them, for libraries that validate."""

import base64
import hashlib
import hmac
import json
import uuid

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import person


def cases(host: str, settings: dict) -> list:
    """Every token in every shape: {"case", "token", "issuer", "audience", "keys"}, and whether it is right."""
    documents = {version: _document(host, settings, path) for version, path in (("1.0", ""), ("2.0", "v2.0/"))}
    found = []
    for token, audience in _tokens(host, settings):
        version = jwt.decode(token, options={"verify_signature": False})["ver"]
        document, other = documents[version], documents["2.0" if version == "1.0" else "1.0"]
        right = {"token": token, "issuer": document["issuer"], "audience": audience, "keys": document["jwks_uri"]}
        found.append(right | {"case": "right"})
        found.append(right | {"case": "audience of another API", "audience": "api://another"})
        found.append(right | {"case": "issuer of the other version", "issuer": other["issuer"]})
        keys = jwt.PyJWKSet.from_dict(requests.get(document["jwks_uri"], timeout=person.SECONDS).json())
        public = keys[jwt.get_unverified_header(token)["kid"]].key
        found += [right | {"case": case, "token": forged} for case, forged in _forgeries(token, public).items()]
    return found


def _tokens(host, s):
    """App-only, user's and ID tokens of both versions, each with its audience."""

    def ask(path, **fields):
        known = {"client_id": s["secret_app"], "client_secret": s["secret"]}
        return requests.post(f"{host}/{s['tenant']}/{path}/token", data=known | fields, timeout=person.SECONDS).json()

    def app_only(scope):
        return ask("oauth2/v2.0", grant_type="client_credentials", scope=scope + "/.default")["access_token"]

    def redeem(path, **target):
        code = person.code(host, s, f"{path}/authorize", state="a-state", nonce=str(uuid.uuid4()), **target)
        return ask(path, grant_type="authorization_code", code=code, redirect_uri=s["redirect"], **target)

    v1 = redeem("oauth2", resource=s["graph"], scope="openid")
    v2 = redeem("oauth2/v2.0", scope=f"openid {s['orders']}/Orders.Use")
    return [
        (app_only(s["graph"]), s["graph"]),
        (app_only(s["orders"]), s["orders_app"]),
        (v1["access_token"], s["graph"]),
        (v2["access_token"], s["orders_app"]),
        (v1["id_token"], s["secret_app"]),
        (v2["id_token"], s["secret_app"]),
    ]


def _forgeries(token: str, public) -> dict:
    head, body, signature = token.split(".")
    header, claims = _decoded(head), _decoded(body)
    own = rsa.generate_private_key(65537, 2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key()))
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    by_pem = f"{_encoded(header | {'alg': 'HS256'})}.{body}"

    def signed(header):
        return jwt.encode(claims, own, "RS256", {name: value for name, value in header.items() if name != "alg"})

    def changed(**members):
        return f"{head}.{_encoded(claims | members)}.{signature}"

    return {
        "alg none": f"{_encoded(header | {'alg': 'none'})}.{body}.",
        "alg nOnE": f"{_encoded(header | {'alg': 'nOnE'})}.{body}.",
        "HS256 by the public key": f"{by_pem}.{_base64(hmac.digest(pem, by_pem.encode(), hashlib.sha256))}",
        "another key, same kid": signed(header),
        "another key, unknown kid": signed(header | {"kid": "unknown"}),
        "another key, no kid": signed({}),
        "own key in the header": signed(header | {"jwk": jwk}),
        "claims changed": changed(roles=["Directory.ReadWrite.All"]),
        "audience changed": changed(aud="api://another"),
        "expiry changed": changed(exp=claims["exp"] + 3600),
        "signature cut": f"{head}.{body}.{signature[:-8]}",
        "signature gone": f"{head}.{body}.",
    }


def _document(host, s, path):
    url = f"{host}/{s['tenant']}/{path}.well-known/openid-configuration"
    return requests.get(url, timeout=person.SECONDS).json()


def _decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _encoded(value):
    return _base64(json.dumps(value).encode())


def _base64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
