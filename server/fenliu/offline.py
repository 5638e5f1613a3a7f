"""What the command line does without a server: with a data directory, a backup or a document.

Composes core, journal and dispatch as app.py does for a server. Only `back_up` and `restore` write.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from google.rpc import status_pb2

from fenliu import dispatch, recovery
from fenliu.config import CoreChoice
from fenliu.dispatch import Checked
from fenliu.engine import CommandKind, load_core
from fenliu.journal import CorruptRecord, JournalError, NewerVersion, SqliteReader, StorageError
from fenliu.journal import backup as backups
from fenliu.v1 import shop_pb2


def state_hash(data: Path, core: CoreChoice) -> tuple[str, int]:
    """The state hash, in hex, that a data directory's log gives, and the number of its shops.

    Only reads: a server may be running on the directory. Raises JournalError, CoreError.
    """
    digest, shops = recovery.state_hash(
        SqliteReader(data), load_core(core if core != "auto" else None)
    )
    return digest.hex(), shops


def back_up(data: Path, target: Path, *, force: bool) -> tuple[int, int]:
    """Copies a data directory, which may be served meanwhile, into one file; (records, bytes).

    Raises JournalError; nothing is left behind then.
    """
    try:
        copied = backups.back_up(data, target, force=force)
    except CorruptRecord as error:
        raise JournalError(
            f"no backup made, {data} is damaged: {error}; `fenliu check` says what to do"
        ) from error
    return copied.records, copied.size


def restore(backup: Path, data: Path) -> tuple[int, int]:
    """Makes a data directory, absent or empty before, from a backup's file; (records, bytes).

    Raises JournalError; nothing is left behind then.
    """
    try:
        copied = backups.restore(backup, data)
    except CorruptRecord as error:
        raise JournalError(
            f"nothing restored, {backup} is damaged: {error}; take another backup"
        ) from error
    return copied.records, copied.size


def check(
    data: Path,
    core: CoreChoice,
    *,
    deep: bool,
    progress: Callable[[int], AbstractContextManager[Callable[[], None]]],
) -> Checked:
    """Whether a data directory or a backup's file is whole, and if not, what is wrong with it.

    Only reads: a server may be running on it. `deep`: decides everything again, too. `progress`:
    given the number of steps, gives what is called at each. Raises CoreError, and
    IncompatibleDirectory when there is nothing of Fenliu's there.
    """
    loaded = load_core(core if core != "auto" else None)
    try:
        reader = SqliteReader(data)
        faults = reader.faults()
        with progress(dispatch.steps_of(reader, deep)) as step:
            checked = dispatch.check(reader, loaded, deep=deep, step=step)
    except (StorageError, NewerVersion) as error:
        return Checked(problems=[dispatch.storage_problem(error)])
    if faults:
        checked.state_hash = b""
    checked.problems[:0] = [dispatch.storage_problem(StorageError(fault)) for fault in faults]
    return checked


def resolved(shop: shop_pb2.Shop, core: CoreChoice = "auto") -> shop_pb2.Shop:
    """The document as a server would store it, every default filled in; without an etag.

    Raises ValueError with field and rule for a document that would be refused; CoreError.
    """
    engine = load_core(core if core != "auto" else None).engine(1)
    request = shop_pb2.ApplyShopRequest(shop=shop)
    request.shop.ClearField("etag")
    code, body, _, _ = engine.decide(CommandKind.APPLY_SHOP, request.SerializeToString(), 0)
    if code:
        raise ValueError(status_pb2.Status.FromString(body).message)
    stored = shop_pb2.ApplyShopResponse.FromString(body).shop
    stored.ClearField("etag")
    return stored
