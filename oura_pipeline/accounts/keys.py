"""The change of the key that encrypts tokens, consents and sign-ups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Table, delete, select, update

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import EncryptedStore
from oura_pipeline.accounts.encryption import KeyFileCipher
from oura_pipeline.accounts.errors import KeyRefused

KEYS_LOCK = "keys"
"""The lock of whoever changes the keys."""

# Everybody locks these tables in this order, and `people` before them: two who do so in different
# orders may deadlock on Postgres.
_ENCRYPTED = {
    schema.consents: ("verifier", "browser", "invite"),
    schema.tokens: ("refresh_token", "access_token"),
    schema.sign_ups: ("refresh_token", "access_token", "invite"),
}


class Keys(EncryptedStore):
    """The keys that encrypt what is secret in the database."""

    def rotate(self) -> Iterator[str]:
        """Encrypt everything with a new key, or with the newest of the settings.

        Safe to interrupt at any point and to repeat: there is always a key for everything.

        Yields:
            A sentence for each step, once it survives a power cut.

        Raises:
            KeyRefused: no key fits somebody's tokens; nothing was changed.
            AccountsBusy: another process never came back from doing the same.
        """
        with self.unchanged():
            self._require_all_readable()
            if isinstance(self._cipher, KeyFileCipher):
                yield from self._rotate_file(self._cipher)
            else:
                yield from self._rotate_settings()

    def unchanged(self) -> AbstractContextManager[None]:
        """Let nobody rotate the keys for the length of the block.

        Raises:
            AccountsBusy: another process never came back from doing so.
        """
        return self._database.lock(KEYS_LOCK)

    def reencrypt(self) -> int:
        """Encrypt everything with the first key, all or nothing; return how many people there are.

        Raises:
            KeyRefused: no key fits somebody's tokens.
        """
        # Writers lock these tables before they encrypt, so nothing that was encrypted with an old
        # key can be written after this.
        with self._database.writing(*_ENCRYPTED) as connection:
            rows = {table: self._reencrypt(connection, table) for table in _ENCRYPTED}
        return rows[schema.tokens]

    def _rotate_file(self, cipher: KeyFileCipher) -> Iterator[str]:
        # First: other processes must be able to read what is encrypted with the new key. From here
        # on they encrypt with it, too, because they notice that the file has changed.
        cipher.add_key()
        yield f"Added a new key to {cipher.origin}."
        yield f"Encrypted the tokens of {_people(self.reencrypt())} with it."
        # Last: until the transaction is on the disk the old key is the only one that fits.
        cipher.drop_old_keys()
        yield "Removed the old key."

    def _rotate_settings(self) -> Iterator[str]:
        count = _people(self.reencrypt())
        yield f"Encrypted the tokens of {count} with the first key in OURA_TOKEN_KEY."
        if old := len(self._cipher.keys) - 1:
            keys = "the last key" if old == 1 else f"the last {old} keys"
            yield f"Nothing needs {keys} in OURA_TOKEN_KEY any more; remove what is old there."
        else:
            yield (
                "It is the only one. To change it, put a new one in front of it "
                "(`oura-pipeline key new`), restart everything and do this again."
            )

    def _require_all_readable(self) -> None:
        columns = (schema.tokens.c.refresh_token, schema.tokens.c.access_token)
        with self._database.reading() as connection:
            for row in connection.execute(select(*columns)):
                for encrypted in filter(None, row):
                    self._cipher.decrypt(encrypted)

    def _reencrypt(self, connection: Connection, table: Table) -> int:
        rows = connection.execute(select(table)).mappings().all()
        for row in rows:
            same = [column == row[column.name] for column in table.primary_key]
            secrets = {name: row[name] for name in _ENCRYPTED[table] if row[name] is not None}
            try:
                changes = {name: self._cipher.reencrypt(text) for name, text in secrets.items()}
            except KeyRefused:
                if table is schema.tokens:
                    raise
                # A consent or sign-up that no key opens: whoever began it begins again.
                connection.execute(delete(table).where(*same))
            else:
                connection.execute(update(table).where(*same).values(changes))
        return len(rows)


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
