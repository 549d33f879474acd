"""Keys and certificates, made for one run."""

import base64
import datetime
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "a password of this run"


@dataclass
class Key:
    """An RSA key with its certificate and that of the CA which issued it, in the forms that the clients take."""

    private: str
    """PKCS#8 in PEM."""
    certificate: str
    """PEM, without the CA's."""
    chain: str
    """PEM, the CA's last."""
    sha1: str
    """Thumbprint in hexadecimal."""
    sha256: str
    pem: Path
    """The private key and the chain."""
    pfx: Path
    """The same, under `PASSWORD`."""


def make(folder: Path) -> dict:
    """New keys, their files in `folder`: `ours` is to be registered, `strange` is not, and `borrowed` is the strange key
    with the certificate of ours."""
    ours, strange = _issued("ours"), _issued("strange")
    made = {"ours": _key(folder, "ours", *ours), "strange": _key(folder, "strange", *strange)}
    # There is no PFX of two that do not fit.
    return made | {"borrowed": _key(folder, "borrowed", strange[0], *ours[1:], has_pfx=False)}


def thumbprint(hexadecimal: str) -> str:
    """A thumbprint as a header of a JWT has it."""
    return base64.urlsafe_b64encode(bytes.fromhex(hexadecimal)).decode().rstrip("=")


def x5c(chain: str) -> list:
    """The certificates of a PEM text as a header of a JWT has them."""
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", chain, re.DOTALL)
    return ["".join(block.split()) for block in blocks]


def _issued(name):
    """A private key, its certificate and that of the CA."""
    authority, private = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    ca = _certificate("CA of " + name, authority.public_key(), "CA of " + name, authority, is_ca=True)
    return private, _certificate(name, private.public_key(), "CA of " + name, authority, is_ca=False), ca


def _key(folder, name, private, own, ca, has_pfx=True):
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    leaf, chain = _pem(own), _pem(own) + _pem(ca)
    pem, pfx = folder / f"{name}.pem", folder / f"{name}.pfx"
    pem.write_text(text + chain)
    locked = serialization.BestAvailableEncryption(PASSWORD.encode())
    if has_pfx:
        pfx.write_bytes(pkcs12.serialize_key_and_certificates(name.encode(), private, own, [ca], locked))
    sha1, sha256 = (own.fingerprint(kind()).hex() for kind in (hashes.SHA1, hashes.SHA256))
    return Key(text, leaf, chain, sha1, sha256, pem, pfx)


def _certificate(name, public, issuer, signer, is_ca):
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_called(name))
        .issuer_name(_called(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    return builder.sign(signer, hashes.SHA256())


def _called(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
