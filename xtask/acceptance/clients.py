"""The clients that are tried, told apart by nothing but how they want to be called."""

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

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
        answer = client.acquire_token_for_client([scope])
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
            authority=host,
            disable_instance_discovery=True,
            connection_timeout=SECONDS,
            read_timeout=SECONDS,
            retry_total=0,
        )
        try:
            return client.get_token(scope).token
        except ClientAuthenticationError as error:
            raise Refused.by(error) from error


ALL = [MsalPython(), AzureIdentity()]
