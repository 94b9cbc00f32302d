"""The keys that encrypt tokens: given in the settings, or in a file that only its owner can read.

The first key encrypts, and all of them decrypt.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from oura_pipeline.accounts.errors import KeyRefused
from oura_pipeline.files import create_private, is_private, replacing


class TokenCipher:
    """Encryption with these keys, the newest first; authenticated, so a wrong key is noticed.

    Raises:
        KeyRefused: one of them is not a key.
    """

    def __init__(self, keys: Sequence[str], origin: str) -> None:
        self.keys = tuple(keys)
        self.origin = origin
        self._fernet = _fernet(keys, origin)

    def encrypt(self, token: str) -> str:
        return self._current().encrypt(token.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Return the token in clear.

        Raises:
            KeyRefused: no key fits.
        """
        try:
            return self._current().decrypt(encrypted).decode()
        except InvalidToken:
            raise self._none_fits() from None

    def encrypt_if(self, secret: str | None) -> str | None:
        return None if secret is None else self.encrypt(secret)

    def decrypt_if(self, encrypted: str | None) -> str | None:
        return None if encrypted is None else self.decrypt(encrypted)

    def reencrypt(self, encrypted: str) -> str:
        """Return what any of the keys encrypted, encrypted with the first one.

        Raises:
            KeyRefused: no key fits.
        """
        try:
            return self._current().rotate(encrypted).decode()
        except InvalidToken:
            raise self._none_fits() from None

    def require_one_of(self, encrypted: Iterable[str]) -> None:
        """Raise `KeyRefused` where there are tokens, and no key fits any of them."""
        strange = False
        for token in encrypted:
            try:
                self._current().decrypt(token)
            except InvalidToken:
                strange = True
            else:
                return
        if strange:
            raise self._none_fits()

    def _current(self) -> MultiFernet:
        return self._fernet

    def _none_fits(self) -> KeyRefused:
        return KeyRefused(
            f"no key in {self.origin} opens the stored tokens; "
            "give the key that they were encrypted with as well, behind the newest one"
        )


class KeyFileCipher(TokenCipher):
    """Encryption with the keys in a file, one per line; notices when `key rotate` replaces them.

    Raises:
        KeyRefused: a key is none, the file cannot be read, is empty or open to others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()  # a link stays one when the file is replaced
        self._version = _version(self._path)
        super().__init__(_read(self._path), str(path))

    def add_key(self) -> None:
        """Put a new key in front of those in the file."""
        self._write([Fernet.generate_key().decode(), *_read(self._path)])

    def drop_old_keys(self) -> None:
        """Leave only the newest key in the file."""
        self._write(_read(self._path)[:1])

    def _current(self) -> MultiFernet:
        # Before the keys: where the file is replaced in between, the next call reads it again.
        version = _version(self._path)
        if version not in (None, self._version):
            # The keys of before stay for what was read from the database just before it was
            # encrypted with the new one.
            self.keys = tuple(dict.fromkeys((*_read(self._path), *self.keys)))
            self._fernet = _fernet(self.keys, self.origin)
            self._version = version
        return self._fernet

    def _write(self, keys: Sequence[str]) -> None:
        with replacing(self._path) as new:
            new.touch(mode=0o600)  # private before there is anything in it
            new.write_text("\n".join(keys) + "\n", encoding="utf-8")


def load_cipher(keys: Sequence[str], key_path: Path, *, may_create: bool) -> TokenCipher:
    """Return a cipher with the keys given, or else with those in the file.

    Args:
        keys: Fernet keys, the newest first; when there are any, the file is not read.
        key_path: the file.
        may_create: whether a missing file is created, with a new key.

    Raises:
        KeyRefused: a key is none, the file is missing, cannot be read, is empty or open to others.
    """
    if keys:
        return TokenCipher(keys, "the settings")
    if not key_path.exists():
        if not may_create:
            raise KeyRefused(
                f"{key_path} is missing and the stored tokens need its key; "
                "put it back from a backup, or give the key in the settings"
            )
        create_private(key_path, Fernet.generate_key().decode() + "\n")
    return KeyFileCipher(key_path)


def _fernet(keys: Sequence[str], origin: str) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise KeyRefused(
            f"a key in {origin} is not valid; a key is 32 bytes in URL-safe base64, "
            "and several are given with the newest first"
        ) from None


def _version(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is replaced; None for a file that is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


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
