"""Keys and certificates, made on the spot."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "a password only this run knows"


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
    pem: Path
    """The private key and the chain."""
    pfx: Path
    """The same, under `PASSWORD`."""


def make(folder: Path, name: str) -> Key:
    """A new key, its files in `folder`."""
    authority, private = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    ca = _certificate("CA of " + name, authority.public_key(), "CA of " + name, authority, is_ca=True)
    own = _certificate(name, private.public_key(), "CA of " + name, authority, is_ca=False)
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    leaf, chain = _pem(own), _pem(own) + _pem(ca)
    pem, pfx = folder / f"{name}.pem", folder / f"{name}.pfx"
    pem.write_text(text + chain)
    locked = serialization.BestAvailableEncryption(PASSWORD.encode())
    pfx.write_bytes(pkcs12.serialize_key_and_certificates(name.encode(), private, own, [ca], locked))
    return Key(text, leaf, chain, own.fingerprint(hashes.SHA1()).hex(), pem, pfx)


def with_certificate_of(key: Key, other: Key, folder: Path) -> Key:
    """A key that calls itself by the certificate of another."""
    pem = folder / "borrowed.pem"
    pem.write_text(key.private + other.chain)
    return Key(key.private, other.certificate, other.chain, other.sha1, pem, other.pfx)


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
