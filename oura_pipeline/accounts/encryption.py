"""The keys that encrypt tokens: given by the operator, or one in a file that only its owner reads.

What surprises: with several keys the first one encrypts and all of them decrypt. To change the key,
put the new one first everywhere, rotate, and drop the old one then.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from oura_pipeline.accounts.errors import KeyRefused
from oura_pipeline.files import create_private, is_private


class TokenCipher:
    """Encrypts and decrypts tokens; authenticated, so that a wrong key is noticed.

    Raises:
        KeyRefused: one of the keys is none.
    """

    def __init__(self, keys: Sequence[str], origin: str) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise KeyRefused(
                f"a key in {origin} is none; a key is 32 bytes in URL-safe base64, "
                "and several are given with the newest first"
            ) from None
        self.origin = origin

    def encrypt(self, token: str) -> str:
        """With the first key."""
        return self._fernet.encrypt(token.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """With the key that fits.

        Raises:
            KeyRefused: none fits.
        """
        try:
            return self._fernet.decrypt(encrypted).decode()
        except InvalidToken:
            raise self._none_fits() from None

    def encrypt_if(self, secret: str | None) -> str | None:
        """With the first key; None stays None."""
        return None if secret is None else self.encrypt(secret)

    def decrypt_if(self, encrypted: str | None) -> str | None:
        """With the key that fits; None stays None.

        Raises:
            KeyRefused: none fits.
        """
        return None if encrypted is None else self.decrypt(encrypted)

    def rotate(self, encrypted: str) -> str:
        """Encrypted with the first key instead.

        Raises:
            KeyRefused: none fits.
        """
        try:
            return self._fernet.rotate(encrypted).decode()
        except InvalidToken:
            raise self._none_fits() from None

    def require_one_of(self, encrypted: Iterable[str]) -> None:
        """Make sure that these tokens, if there are any, are not all strange to the keys.

        Raises:
            KeyRefused: none fits any of them.
        """
        strange = False
        for token in encrypted:
            try:
                self._fernet.decrypt(token)
            except InvalidToken:
                strange = True
            else:
                return
        if strange:
            raise self._none_fits()

    def _none_fits(self) -> KeyRefused:
        return KeyRefused(
            f"no key in {self.origin} opens the stored tokens; "
            "give the key that they were written with as well, behind the newest one"
        )


def load_cipher(keys: Sequence[str], key_path: Path, *, may_make: bool) -> TokenCipher:
    """A cipher with the keys given, or else with those in the file: one per line, newest first.

    Args:
        keys: Fernet keys; when there are any, the file is not looked at.
        key_path: the file.
        may_make: whether a missing file is made, with a new key.

    Raises:
        KeyRefused: a key is none, the file is missing, empty or open to others.
    """
    if keys:
        return TokenCipher(keys, "the settings")
    if not key_path.exists():
        if not may_make:
            raise KeyRefused(
                f"{key_path} is missing and the stored tokens need its key; "
                "put it back from a backup, or give the key in the settings"
            )
        create_private(key_path, Fernet.generate_key().decode() + "\n")
    return TokenCipher(_read(key_path), str(key_path))


def _read(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyRefused(f"the key file {path} cannot be read: {error}") from None
    if not is_private(path):
        raise KeyRefused(f"others may read the key file; run: chmod 600 {shlex.quote(str(path))}")
    if not text.split():
        raise KeyRefused(f"the key file {path} is empty; put it back from a backup")
    return text.split()
