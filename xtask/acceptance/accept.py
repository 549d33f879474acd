"""Tries Microsoft's own clients for Python against the emulator, over TLS, and prints one line a case and client.

Usage: accept.py ENTRA FOLDER     the command `entra`, and where a log of the requests may stay
"""

import platform
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

import jwt
import requests

import browser
import clients
import emulator
import keys
import loopback


class Wrong(Exception):
    """What a case found out."""


def main(entra: str, folder: Path) -> int:
    # Whoever ends this process politely ends the emulator with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    loopback.stay()
    print(*(f"{client.name} {client.version}," for client in clients.ALL), "Python", platform.python_version())
    log = folder / "emulator.log"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        scratch = Path(scratch)
        ours, strange = keys.make(scratch, "ours"), keys.make(scratch, "strange")
        borrowed = keys.with_certificate_of(strange, ours, scratch)
        with emulator.running(entra, emulator.config(ours.certificate), scratch, log) as host:
            verdicts = matrix({client: all_cases(client, host, ours, strange, borrowed) for client in clients.ALL})
    passed, failed = verdicts.count(True), verdicts.count(False)
    print(f"{passed} passed, {failed} failed" + (f"; what the emulator saw is in {log}" if failed else ""))
    return 1 if failed or not passed else 0


def matrix(cases):
    """The verdicts of all cases of all clients, a case after the other."""
    names = list(dict.fromkeys(name for some in cases.values() for name in some))
    width = max(map(len, names))
    return [verdict(client.name, name.ljust(width), some.get(name)) for name in names for client, some in cases.items()]


def verdict(client, name, case):
    """Runs a case, prints its line and says whether it passed; None if the client has no such thing."""
    loopback.asked.clear()
    loopback.assertions.clear()
    outcome, ended = "not offered by it", None
    if case:
        try:
            case()
            if loopback.asked:
                raise Wrong(f"it asked for {', '.join(loopback.asked)}")
            outcome, ended = "ok", True
        # Whatever a client may raise is a finding.
        except Exception as error:
            kind = "" if isinstance(error, (Wrong, loopback.Elsewhere)) else f"{type(error).__name__}: "
            outcome, ended = "FAILED: " + " ".join(f"{kind}{error}".split()), False
    print(f"{client:<14}  {name}  {outcome}", flush=True)
    return ended


def all_cases(client, host, ours, strange, borrowed):
    """What to call for each case of a client."""
    by_secret = partial(client.token, host, emulator.TENANT, emulator.SECRET_APP)
    by_certificate = partial(client.token, host, emulator.TENANT, emulator.CERTIFICATE_APP)
    secret, wrong_secret = client.secret(emulator.SECRET), client.secret("a~wrong.secret-")
    graph = emulator.GRAPH + "/.default"

    cases = {"secret": partial(granted, host, partial(by_secret, secret), emulator.SECRET_APP, "1")}
    for name, certificate in client.certificates(ours).items():
        cases[name] = partial(granted_by_certificate, host, by_certificate, certificate)
    cases["wrong-secret"] = refused(7000215, by_secret, wrong_secret, graph)
    for name, certificate in client.certificates(strange).items():
        cases[f"unknown-{name}"] = refused(700027, by_certificate, certificate.credential, graph)
    another_key = client.certificates(borrowed)["certificate-sha1"].credential
    cases["another-key"] = refused(700027, by_certificate, another_key, graph)
    cases["wrong-tenant"] = refused(
        90002, client.token, host, emulator.STRANGE_TENANT, emulator.SECRET_APP, secret, graph
    )
    cases["unknown-resource"] = refused(500011, by_secret, secret, emulator.STRANGE_API + "/.default")
    cases |= users_cases(client, host)
    cases["scope-without-default"] = refused(1002012, by_secret, secret, f"{emulator.GRAPH}/{emulator.GRAPH_ROLE}")
    return cases


def users_cases(client, host):
    """What to call for each case with a user in it. The person in front of the browser is `emulator.USER`."""
    browse = partial(browser.approve, user=emulator.USER)
    graph = f"{emulator.GRAPH}/{emulator.GRAPH_SCOPE}"
    scope = f"{emulator.ORDERS}/{emulator.ORDERS_SCOPE}"
    by_code = partial(
        client.code_tokens, host, emulator.TENANT, emulator.SECRET_APP, emulator.SECRET, scope, emulator.REDIRECT_URI
    )

    def of_user(token, audience, granted):
        found = claims(host, token, audience)
        expect(found, tid=emulator.TENANT, scp=granted)
        return found["oid"]

    def auth_code():
        *tokens, again = by_code(browse)
        for token in tokens:
            of_user(token, emulator.ORDERS_APP, emulator.ORDERS_SCOPE)
        if "AADSTS54005:" not in again:
            raise Wrong(f"the code was redeemed twice: {again or 'a token came'}")

    def on_behalf_of():
        assertion = by_code(browse)[0]
        token = client.on_behalf_of(
            host, emulator.TENANT, emulator.ORDERS_APP, emulator.SECRET, assertion, graph
        )
        user = of_user(assertion, emulator.ORDERS_APP, emulator.ORDERS_SCOPE)
        if of_user(token, emulator.GRAPH, emulator.GRAPH_SCOPE) != user:
            raise Wrong("the token is another user's")

    def device_code():
        approve = partial(browser.approve_device, user=emulator.USER)
        token = client.device_token(host, emulator.TENANT, emulator.PUBLIC_APP, graph, approve)
        of_user(token, emulator.GRAPH, emulator.GRAPH_SCOPE)

    return {"auth-code": auth_code, "on-behalf-of": on_behalf_of, "device-code": device_code}


def granted(host, token_for, app, proof):
    """A v1 token for Graph and a v2 token for an API of our own, and Graph lists its users for the former."""
    token = token_for(emulator.GRAPH + "/.default")
    expect(
        claims(host, token, emulator.GRAPH),
        ver="1.0",
        tid=emulator.TENANT,
        appid=app,
        appidacr=proof,
        roles=[emulator.GRAPH_ROLE],
    )
    answer = requests.get(
        f"{host}/v1.0/users", headers={"Authorization": f"Bearer {token}"}, timeout=clients.SECONDS
    )
    if answer.status_code != 200 or not answer.json()["value"]:
        raise Wrong(f"Graph answered {answer.status_code}: {answer.text}")
    expect(
        claims(host, token_for(emulator.ORDERS + "/.default"), emulator.ORDERS_APP),
        ver="2.0",
        tid=emulator.TENANT,
        azp=app,
        azpacr=proof,
        roles=[emulator.ORDERS_ROLE],
    )


def granted_by_certificate(host, token_for, certificate):
    """The same, and the client did sign and name its certificate as the case says."""
    granted(host, partial(token_for, certificate.credential), emulator.CERTIFICATE_APP, "2")
    if not loopback.assertions:
        raise Wrong("no client assertion was sent")
    for assertion in loopback.assertions:
        header = jwt.get_unverified_header(assertion)
        named_by = {"x5t", "x5t#S256", "x5c"} & set(header)
        if (header["alg"], named_by) != (certificate.algorithm, certificate.named_by):
            raise Wrong(f"the assertion was signed with {header['alg']} and names its certificate by {named_by}")


def refused(code, token_for, *arguments):
    """A case that has to end with this AADSTS number."""

    def case():
        try:
            token_for(*arguments)
        except clients.Refused as refusal:
            if f"AADSTS{code}:" not in str(refusal):
                raise Wrong(f"not AADSTS{code} but {refusal}") from refusal
        else:
            raise Wrong(f"a token, and not AADSTS{code}")

    return case


def claims(host, token, audience):
    """The claims of a token that is signed by the tenant, not expired and meant for `audience`."""
    keys_url = f"{host}/{emulator.TENANT}/discovery/v2.0/keys"
    signing = jwt.PyJWKSet.from_dict(requests.get(keys_url, timeout=clients.SECONDS).json())
    key = signing[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["RS256"], audience=audience)


def expect(found, **wanted):
    for name, value in wanted.items():
        if found.get(name) != value:
            raise Wrong(f"{name} is {found.get(name)!r} and not {value!r}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
