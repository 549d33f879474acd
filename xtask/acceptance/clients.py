"""The clients that are tried, told apart by nothing but how they want to be called."""

import logging
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import azure.identity
import msal
from azure.core.exceptions import ClientAuthenticationError

from keys import PASSWORD, Key

SECONDS = 10
"""How long a client may wait for an answer."""

# What it logs on a refusal, it raises as well.
logging.getLogger("azure").setLevel(logging.CRITICAL)


class Refused(Exception):
    """No token. The text is what the user of the client gets to read, with what stands behind it in the traceback."""

    def __init__(self, *texts):
        super().__init__("; because: ".join(texts))

    @classmethod
    def by(cls, error):
        texts = []
        while error:
            texts.append(str(error))
            error = error.__cause__ or error.__context__
        return cls(*texts)


@dataclass
class Certificate:
    """A client's own way to say: authenticate by this key."""

    credential: Any
    algorithm: str
    """What it has to sign with, and below how it has to name the certificate in the assertion's header."""
    named_by: set


class MsalPython:
    """Each of its credentials is what `client_credential` takes."""

    name, version = "msal-python", msal.__version__

    def secret(self, value: str) -> Any:
        return value

    def certificates(self, key: Key) -> dict:
        pem = {"private_key": key.private}
        pfx = {"private_key_pfx_path": str(key.pfx), "passphrase": PASSWORD}
        return {
            "certificate-sha1": Certificate(pem | {"thumbprint": key.sha1}, "RS256", {"x5t"}),
            # From PEM it works the SHA-256 out of the certificate, and then sends that as well.
            "certificate-sha256": Certificate(
                pem | {"public_certificate": key.certificate}, "PS256", {"x5t#S256", "x5c"}
            ),
            "certificate-x5c": Certificate(
                pem | {"thumbprint": key.sha1, "public_certificate": key.chain}, "RS256", {"x5t", "x5c"}
            ),
            "certificate-pfx": Certificate(pfx, "PS256", {"x5t#S256"}),
            "certificate-pfx-x5c": Certificate(pfx | {"public_certificate": True}, "PS256", {"x5t#S256", "x5c"}),
        }

    def token(self, host: str, tenant: str, app: str, credential: Any, scope: str) -> str:
        """A token that was asked for just now: nothing outlives this call.

        Raises `Refused`."""
        try:
            client = msal.ConfidentialClientApplication(
                app,
                client_credential=credential,
                authority=f"{host}/{tenant}",
                instance_discovery=False,
                timeout=SECONDS,
            )
        except ValueError as error:
            # It reads the tenant's discovery document first; why there is none, only the traceback tells.
            raise Refused.by(error) from error
        return self._token(client.acquire_token_for_client([scope]))

    def code_tokens(self, host, tenant, app, secret, scope, redirect_uri, browse) -> list:
        """A token for the code that `browse` brings back from a URL, and the one that its refresh token brings. The code is then
        redeemed once more."""
        client = self._confidential(host, tenant, app, secret)
        # By a query, as most do: it would rather have a form, and says so.
        with warnings.catch_warnings(action="ignore"):
            flow = client.initiate_auth_code_flow([scope], redirect_uri=redirect_uri)
        came_back = dict(parse_qsl(urlsplit(browse(flow["auth_uri"])).query))
        first = self._token(client.acquire_token_by_auth_code_flow(flow, came_back))
        (account,) = client.get_accounts()
        second = self._token(client.acquire_token_silent([scope], account, force_refresh=True))
        again = client.acquire_token_by_auth_code_flow(flow, came_back)
        return [first, second, again.get("error_description", "")]

    def on_behalf_of(self, host, tenant, app, secret, assertion, scope) -> str:
        client = self._confidential(host, tenant, app, secret)
        return self._token(client.acquire_token_on_behalf_of(assertion, [scope]))

    def device_token(self, host, tenant, app, scope, approve) -> str:
        client = msal.PublicClientApplication(
            app, authority=f"{host}/{tenant}", instance_discovery=False, timeout=SECONDS
        )
        flow = client.initiate_device_flow([scope])
        approve(flow["verification_uri"], flow["user_code"])
        return self._token(client.acquire_token_by_device_flow(flow))

    def _confidential(self, host, tenant, app, secret):
        return msal.ConfidentialClientApplication(
            app,
            client_credential=secret,
            authority=f"{host}/{tenant}",
            instance_discovery=False,
            timeout=SECONDS,
        )

    def _token(self, answer):
        if "access_token" in answer:
            return answer["access_token"]
        raise Refused(answer["error_description"])


class AzureIdentity:
    """Each of its credentials is a class of its own, with all but the place to ask at filled in."""

    name, version = "azure-identity", azure.identity.__version__

    def secret(self, value: str) -> Any:
        return partial(azure.identity.ClientSecretCredential, client_secret=value)

    def certificates(self, key: Key) -> dict:
        file = partial(azure.identity.CertificateCredential, certificate_path=str(key.pem))
        chain = partial(file, send_certificate_chain=True)
        pfx = partial(azure.identity.CertificateCredential, certificate_path=str(key.pfx), password=PASSWORD)
        # It never names a certificate by its SHA-256.
        return {
            "certificate-sha1": Certificate(file, "RS256", {"x5t"}),
            "certificate-x5c": Certificate(chain, "RS256", {"x5t", "x5c"}),
            "certificate-pfx": Certificate(pfx, "RS256", {"x5t"}),
            "certificate-pfx-x5c": Certificate(
                partial(pfx, send_certificate_chain=True), "RS256", {"x5t", "x5c"}
            ),
        }

    def token(self, host: str, tenant: str, app: str, credential: Any, scope: str) -> str:
        client = credential(
            tenant_id=tenant,
            client_id=app,
            **self._options(host),
        )
        return self._token(client, scope)

    def code_tokens(self, host, tenant, app, secret, scope, redirect_uri, browse) -> list:
        url = f"{host}/{tenant}/oauth2/v2.0/authorize?" + urlencode(
            {
                "client_id": app,
                "response_type": "code",
                "redirect_uri": redirect_uri,
                "scope": f"{scope} offline_access",
                "state": "of no use here",
            }
        )
        code = dict(parse_qsl(urlsplit(browse(url)).query))["code"]
        client = azure.identity.AuthorizationCodeCredential(
            tenant, app, code, redirect_uri, client_secret=secret, **self._options(host)
        )
        first = self._token(client, scope)
        again = azure.identity.AuthorizationCodeCredential(
            tenant, app, code, redirect_uri, client_secret=secret, **self._options(host)
        )
        try:
            self._token(again, scope)
        except Refused as refusal:
            return [first, str(refusal)]
        return [first, ""]

    def on_behalf_of(self, host, tenant, app, secret, assertion, scope) -> str:
        client = azure.identity.OnBehalfOfCredential(
            tenant, app, client_secret=secret, user_assertion=assertion, **self._options(host)
        )
        return self._token(client, scope)

    def device_token(self, host, tenant, app, scope, approve) -> str:
        client = azure.identity.DeviceCodeCredential(
            app,
            tenant_id=tenant,
            prompt_callback=lambda address, code, _: approve(address, code),
            **self._options(host),
        )
        return self._token(client, scope)

    def _options(self, host):
        return {
            "authority": host,
            "disable_instance_discovery": True,
            "connection_timeout": SECONDS,
            "read_timeout": SECONDS,
            "retry_total": 0,
        }

    def _token(self, client, scope):
        try:
            return client.get_token(scope).token
        except ClientAuthenticationError as error:
            raise Refused.by(error) from error


ALL = [MsalPython(), AzureIdentity()]
