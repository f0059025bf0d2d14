"""Signatures with a key pair: the exchange holds the public key, Ed25519 or RSA, and checks what the client signed.

Source: rest-api.md "SIGNED endpoint security", faqs/api_key_types.md. Signatures are base64, with case; RSA is PKCS#1
v1.5 with SHA-256.
"""

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

RSA_BITS_MIN = 2048


class PublicKeyKind(StrEnum):
    """Which kind of signature a public key checks."""

    ED25519 = "Ed25519"
    RSA = "RSA"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A client's public key; `pem` is its text."""

    kind: PublicKeyKind
    pem: str
    _key: Ed25519PublicKey | RSAPublicKey = field(repr=False, compare=False)

    def is_signer_of(self, payload: str, signature: str) -> bool:
        """Whether `signature` (base64) is this key's over `payload`."""
        content = payload.encode("utf-8", "surrogateescape")
        try:
            raw = base64.b64decode(signature, validate=True)
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(raw, content)
            else:
                self._key.verify(raw, content, PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def read_public_key(pem: str) -> PublicKey:
    """The public key of a PEM text.

    Raises:
        ValueError: for text that is none, for another kind of key, and for RSA of less than 2048 bits.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"this is no public key in PEM form: {error}") from error
    if isinstance(key, Ed25519PublicKey):
        return PublicKey(PublicKeyKind.ED25519, pem, key)
    if isinstance(key, RSAPublicKey):
        if key.key_size < RSA_BITS_MIN:
            raise ValueError(f"an RSA key of {key.key_size} bits is too short, give at least {RSA_BITS_MIN}")
        return PublicKey(PublicKeyKind.RSA, pem, key)
    raise ValueError("give an Ed25519 or an RSA public key")
