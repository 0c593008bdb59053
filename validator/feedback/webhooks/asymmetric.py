"""Signatures with a public key: ECDSA and RSA. Imported with the first such webhook, as is the library. Pure."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

EllipticKey = ec.EllipticCurvePublicKey


def elliptic_key(text: str) -> EllipticKey:
    """A public key on an elliptic curve, base64 DER or PEM; raises `ValueError`."""
    if "BEGIN" in text:
        key = load_pem_public_key(text.encode())
    else:
        try:
            key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
        except binascii.Error as error:
            raise ValueError("neither PEM nor base64") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("not an elliptic-curve key")
    return key


def ecdsa_holds(key: EllipticKey, signature: bytes, signed: bytes) -> bool:
    """Whether *signature*, in its one DER form, is that of *signed* by ECDSA with SHA-256."""
    try:
        if encode_dss_signature(*decode_dss_signature(signature)) != signature:
            return False
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def rsa_holds(certificate_pem: bytes, signature: bytes, signed: bytes, *, sha256: bool, now: datetime) -> bool:
    """Whether *signature* is that of *signed* by the key of a certificate that is valid now; PKCS #1 v1.5.

    SHA-1 unless *sha256*: the first version of the SNS signature is defined so.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = certificate.public_key()
    except ValueError:
        return False
    is_valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    if not isinstance(key, rsa.RSAPublicKey) or not is_valid:
        return False
    algorithm = hashes.SHA256() if sha256 else hashes.SHA1()  # noqa: S303
    try:
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True
