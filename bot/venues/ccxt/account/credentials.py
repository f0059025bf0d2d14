"""The API key of an account, with the passphrase of a venue whose keys have one."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.ports import SetupFailed

BETWEEN = ","


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """An API key. Never printed: `repr` shows nothing. Where keys have a passphrase it stands behind the secret, after
    a comma, which no secret has in it."""

    key: str
    secret: str

    def for_ccxt(self, venue: str, *, has_passphrase: bool, is_embedded: bool) -> Mapping[str, str]:
        """ccxt's names for them. The keys of the embedded exchange have no passphrase: the secret serves as one.

        Raises:
            SetupFailed: the venue wants a passphrase and there is none.
        """
        if not has_passphrase:
            return {"apiKey": self.key, "secret": self.secret}
        secret, _, passphrase = self.secret.partition(BETWEEN)
        passphrase = passphrase or (secret if is_embedded else "")
        if not secret or not passphrase:
            raise SetupFailed(
                f"a key of {venue} has a passphrase: give api_secret as SECRET{BETWEEN}PASSPHRASE; nothing was sent"
            )
        return {"apiKey": self.key, "secret": secret, "password": passphrase}
