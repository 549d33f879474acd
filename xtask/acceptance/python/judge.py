"""Turns what the drivers printed into the cells of the matrix.

Usage: judge.py SETTINGS FILE...     the emulator's address stands in AZURE_AUTHORITY_HOST

Prints the drivers' lines about versions and skipped clients as they are, and for each case
{"client", "case", "cell", "why"}. A cell is `ok`, `R CODE`, `R CODE*` where the user of the client sees the code only
behind the error, `R*` where not even there, or `WRONG`.
"""

import base64
import json
import os
import re
import sys
from pathlib import Path

import jwt
import requests

import person


class Wrong(Exception):
    """What is wrong with a token."""


class OfAnother(Wrong):
    """A token of an identity that the case does not ask for."""


def main(settings: str, files: list):
    judge = Judge(os.environ["AZURE_AUTHORITY_HOST"], json.loads(Path(settings).read_text()))
    for text in (text for file in files for text in Path(file).read_text().splitlines()):
        try:
            line = json.loads(text)
        except ValueError:
            # A client may print a warning, and a driver that was ended half a line.
            continue
        print(json.dumps(judge.cell(line) if "case" in line else line))


class Judge:
    def __init__(self, host: str, settings: dict):
        self.settings, self.expected = settings, expectations(settings)
        tenant = f"{host}/{settings['tenant']}"
        self.issuers = {"1.0": fetch(f"{tenant}/{DOCUMENT}"), "2.0": fetch(f"{tenant}/v2.0/{DOCUMENT}")}
        self.keys = {
            version: jwt.PyJWKSet.from_dict(fetch(document["jwks_uri"])) for version, document in self.issuers.items()
        }

    def cell(self, line: dict) -> dict:
        found = {"client": line["client"], "case": line["case"]}
        why = ""
        if line["case"].split(",")[0] in SOURCES:
            cell, why = self.identity(line)
        elif "token" in line:
            try:
                self.check(line["case"], line["token"])
                check_assertions(line["client"], line["case"], line.get("assertions", []))
                cell = "ok"
            except (Wrong, jwt.PyJWTError, KeyError) as error:
                cell, why = "WRONG", f"{type(error).__name__}: {error}"
        elif "refused" in line:
            why = line["refused"] + (f" (behind: {line['behind']})" if line.get("behind") else "")
            shown, behind = code(line["refused"]), code(line.get("behind", ""))
            cell = f"R {shown}" if shown else f"R {behind}*" if behind else "R*"
            if cell == "R*" and WITHOUT_CODE.get(line["client"], " ") not in why:
                cell = "WRONG"
        else:
            cell, why = "WRONG", line.get("failed", "neither a token nor an error")
        return found | {"cell": cell, "why": why}

    def identity(self, line: dict) -> tuple:
        """The cell of a case with a managed identity, and why. The errors of most sources have no codes."""
        if "refused" in line:
            why = line["refused"] + (f" (behind: {line['behind']})" if line.get("behind") else "")
            return f"R {code(why)}".strip(), why
        if "token" not in line:
            return "WRONG", line.get("failed", "neither a token nor an error")
        try:
            self.check(line["case"], line["token"])
        except OfAnother as error:
            return "other", str(error)
        except (Wrong, jwt.PyJWTError, KeyError) as error:
            return "WRONG", f"{type(error).__name__}: {error}"
        return "ok", ""

    def check(self, case: str, token: str):
        """Checks the signature, the issuer and the claims of a token."""
        if case not in self.expected:
            raise (OfAnother if case.split(",")[0] in SOURCES else Wrong)("a token came")
        wanted = self.expected[case]
        version = jwt.decode(token, options={"verify_signature": False})["ver"]
        key = self.keys[version][jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token, key, algorithms=["RS256"], audience=wanted["aud"], issuer=self.issuers[version]["issuer"]
        )
        names = {"app": "appid", "proof": "appidacr"} if version == "1.0" else {"app": "azp", "proof": "azpacr"}
        if "scp" in claims:
            # Clients differ in the scopes of OpenID Connect that they ask for.
            claims["scp"] = " ".join(scope for scope in claims["scp"].split(" ") if scope not in OIDC)
        for name, value in (wanted | {"tid": self.settings["tenant"]}).items():
            name = names.get(name, name)
            if folded(claims.get(name)) != folded(value):
                kind = OfAnother if case.split(",")[0] in SOURCES and name == "appid" else Wrong
                raise kind(f"{name} is {claims.get(name)!r} and not {value!r}")


def expectations(s: dict) -> dict:
    """The claims of the token that each case ends with. A case that is not listed ends without one."""
    secret, certificate = {"app": s["secret_app"], "proof": "1"}, {"app": s["certificate_app"], "proof": "2"}
    behind = {"app": s["orders_app"]}
    public = {"app": s["public_app"], "proof": "0"}
    graph = {"aud": s["graph"], "ver": "1.0", "roles": ["User.Read.All"]}
    orders = {"aud": s["orders_app"], "ver": "2.0", "roles": ["Orders.Read"]}
    user_graph = {"aud": s["graph"], "ver": "1.0", "scp": "User.Read"}
    user_orders = {"aud": s["orders_app"], "ver": "2.0", "scp": "Orders.Use"}
    table = {
        "secret v1": graph | secret,
        "secret v1, own API": orders | secret,
        "secret v1, slash": graph | secret | {"aud": s["graph"] + "/"},
        "secret v1, GUID": graph | secret | {"aud": s["graph_app"]},
        "secret": graph | secret,
        "secret, own API": orders | secret,
        "secret, double slash": graph | secret | {"aud": s["graph"] + "/"},
        "secret, GUID": graph | secret | {"aud": s["graph_app"]},
        "secret, odd characters": graph | secret,
        "tenant by domain": graph | secret,
        "oidc_authority": graph | secret,
        "capabilities, claims": orders | secret | {"xms_cc": ["cp1"]},
        "auth code v1": user_graph | secret,
        "refresh v1": user_orders | secret,
        "auth code": user_orders | secret,
        "auth code, PKCE": user_orders | secret,
        "auth code, PKCE, cert": user_orders | certificate,
        "refresh": user_orders | secret,
        "refresh, another API": user_graph | secret,
        "on-behalf-of": user_graph | behind | {"proof": "1"},
        "on-behalf-of, certificate": user_graph | behind | {"proof": "2"},
        "on-behalf-of, assertion": user_graph | behind | {"proof": "2"},
        "device code v1": user_graph | public,
        "device code": user_graph | public,
        "browser on loopback": user_graph | public,
        "discovery": graph | secret,
    }
    for case in ("secret in the body", "secret by Basic", "odd secret in the body", "odd secret by Basic"):
        table[case] = graph | secret
    for case in (*CERTIFICATES, "assertion", "assertion v1", "workload identity file"):
        table[case] = graph | certificate
    for case in ("federated, job", "federated, pipeline", "federated, cluster"):
        table[case] = graph | {"app": s["federated_app"], "proof": "2"}
    return table | identities(s)


def identities(s: dict) -> dict:
    """The claims of the tokens of managed identities."""

    def claims(identity):
        return {
            "app": identity["client_id"],
            "aud": s["vault"],
            "ver": "1.0",
            "proof": "2",
            "oid": identity["object_id"],
            "sub": identity["object_id"],
            "idtyp": "app",
            "xms_mirid": identity["resource_id"],
        }

    system, user = claims(s["identities"]["system"]), claims(s["identities"]["user"])
    shell = {"app": AZURE_PORTAL, "aud": s["vault"], "ver": "1.0", "scp": "user_impersonation", "upn": s["user"]}
    table = {}
    for source in SOURCES:
        table[source] = shell if source == "cloud-shell" else system
        if source != "cloud-shell":
            table |= {f"{source}, {kind}": user for kind in ("client ID", "object ID", "resource ID")}
    return table


SOURCES = (
    "imds",
    "app-service",
    "app-service-2017",
    "azure-ml",
    "cloud-shell",
    "arc",
    "service-fabric",
    "serve",
    "serve-imds",
    "serve-2017",
)
AZURE_PORTAL = "c44b4083-3bb0-49c1-b47d-974e53cbdf3c"


OIDC = ("openid", "profile", "email", "offline_access")

WITHOUT_CODE = {
    "js-id": "endpoints_resolution_error",
    "msal-js": "endpoints_resolution_error",
    "openid": "WWW-Authenticate",
}
"""What a client says where it keeps the code to itself. Another error without a code is no refusal."""

CERTIFICATES = {
    "certificate SHA-1": ({"x5t"}, {"x5c"}),
    "certificate x5c": ({"x5c"}, set()),
    "certificate SHA-256": ({"x5t#S256"}, set()),
    "certificate PFX": (set(), {"x5c"}),
    "certificate PFX x5c": ({"x5c"}, set()),
    "certificate v1": ({"x5t", "x5c"}, set()),
    "certificate in memory": (set(), set()),
}
"""How the assertion of a case has to name its certificate, and how not."""


def check_assertions(client: str, case: str, assertions: list):
    """Checks that the client did sign, and name its certificate as the case says."""
    if case not in CERTIFICATES:
        return
    wanted, unwanted = CERTIFICATES[case]
    if client == "az-aio":
        # It never sends a certificate along, and is the one that pads the parts.
        wanted, unwanted = {"x5t#S256"}, {"x5c"}
    if not assertions:
        raise Wrong("no client assertion was sent")
    for assertion in assertions:
        parts = assertion.split(".")
        header = jwt.get_unverified_header(".".join(part.rstrip("=") for part in parts))
        if not wanted <= set(header) or unwanted & set(header):
            raise Wrong(f"the assertion names its certificate by {sorted(set(header) - {'alg', 'typ'})}")
        if client == "rs-id" and "x5c" in header and not base64.b64decode(header["x5c"][0]).startswith(b"-----BEGIN"):
            raise Wrong("the certificate is not in PEM, as this client sends it")
        if parts[2].endswith("=") != (client == "az-aio"):
            raise Wrong("the padding of the assertion is not this client's")


def folded(value):
    """Capabilities compare without case, and clients spell theirs differently."""
    return [one.lower() for one in value] if isinstance(value, list) else value


def code(text: str) -> str:
    """The first AADSTS code of a text."""
    found = re.search(r"AADSTS(\d+)", text)
    return found[1] if found else ""


def fetch(url: str) -> dict:
    answer = requests.get(url, timeout=person.SECONDS)
    answer.raise_for_status()
    return answer.json()


DOCUMENT = ".well-known/openid-configuration"

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
