"""Passwords and tokens of the dashboard's accounts: how they are hashed, and compared in constant time."""

import hashlib
import hmac
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

PASSWORD_MIN = 10
_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash(secrets.token_urlsafe(16))


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with salt and parameters."""
    return _HASHER.hash(password)


def is_password(password: str, hashed: str | None) -> bool:
    """Whether a password has that hash. Without a hash it takes as long and is wrong."""
    try:
        _HASHER.verify(hashed or _NOBODY, password)
    except (Argon2Error, InvalidHashError):
        return False
    return hashed is not None


def new_token() -> str:
    """A token for the API, with 256 bits of chance."""
    return f"sb_{secrets.token_urlsafe(32)}"


def hash_token(token: str) -> str:
    """SHA-256 is enough for what cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_token(token: str, hashed: str | None) -> bool:
    """Whether a token has that hash."""
    return hashed is not None and hmac.compare_digest(hash_token(token), hashed.strip().lower())
