"""Arrays on disk that are computed once: built in chunks, taken up again after any death, never half-read.

An array is a folder: `data.bin` (raw rows), `rows.json` (how many rows are done, and what the maker noted of them) and,
when all are done, `array.json`, written last. Only one process builds a folder at a time; others wait for it.

Nobody waits for the disk: the rows are in the system's memory, which outlives the process. Until they have been written
out behind, `array.json` names the boot that they belong to: after a power cut, it is not believed.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from recipes.errors import Stopped, StorageError

RESERVE = 200_000_000  # bytes that are left free for checkpoints and results

__all__ = ["StoredArray", "atomic_write", "default_cache", "digest", "put_row", "writable_folder"]


def default_cache() -> Path:
    """Where arrays are kept unless told otherwise: `$ASSISTANT_HOME/cache`, else the user's cache folder."""
    home = os.environ.get("ASSISTANT_HOME")
    if home:
        return Path(home) / "cache"
    import platformdirs

    return Path(platformdirs.user_cache_dir("recipe-assistant")) / "cache"


def digest(*parts: object) -> str:
    """A name of 24 letters and digits for what `parts` say."""
    text = json.dumps(parts, sort_keys=True, default=str).encode()
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def writable_folder(folder: Path) -> Path:
    """The folder, made where it was missing. Raises StorageError where nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}-{threading.get_ident()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StorageError(
            f"a folder cannot be written: {folder} ({error.strerror}); choose another or free it"
        ) from None
    return folder


def atomic_write(path: Path, content: bytes | str) -> None:
    """The file appears whole or not at all. Raises StorageError when the disk is full or not writable."""
    data = content.encode() if isinstance(content, str) else content
    half = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(half, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink()
        raise _storage_error(path, error) from None


def put_row(out: np.ndarray, row: int, part: np.ndarray) -> None:
    """Writes the leading columns of a row (height, width, channels), zeros behind them.

    One write to the file, where that is possible: the map would fault once for every 4 kB of it.
    """
    if not (isinstance(out, np.memmap) and out.filename and hasattr(os, "pwrite")):
        out[row, :, : part.shape[1]] = part
        return
    if part.shape != out.shape[1:]:
        whole = np.zeros(out.shape[1:], out.dtype)
        whole[:, : part.shape[1]] = part
        part = whole
    data = np.ascontiguousarray(part).data.cast("B")
    at = out.offset + row * data.nbytes
    file = os.open(str(out.filename), os.O_WRONLY)
    try:
        while data:
            written = os.pwrite(file, data, at)
            data, at = data[written:], at + written
    finally:
        os.close(file)


class StoredArray:
    """`rows` rows of `shape` and `dtype` under `folder`. `array` is the memory map once `build` is through."""

    def __init__(self, folder: Path, rows: int, shape: tuple[int, ...], dtype: str):
        self.folder, self.rows, self.shape, self.dtype = folder, rows, shape, np.dtype(dtype)
        self.notes: dict[str, Any] = {}

    def build(
        self,
        make: Callable[[np.ndarray, int, int], dict[str, Any]],
        chunk: int,
        told: Callable[[int, int], None],
        should_stop: Callable[[], bool],
    ) -> np.ndarray:
        """The finished array: read where it is there, else made chunk by chunk.

        `make(out, first, last)` fills rows first..last and returns notes to keep (a dict, merged over chunks);
        `told(done, rows)` hears of progress. Raises Stopped between chunks, StorageError when the disk is full.
        """
        writable_folder(self.folder)
        with self._only_one(should_stop):
            if not self.there():
                self._fill(make, chunk, told, should_stop)
        self.notes = json.loads((self.folder / "array.json").read_text())["notes"]
        os.utime(self.folder / "array.json")  # the last use, for whoever tidies up
        if self.rows == 0:
            return np.zeros((0, *self.shape), self.dtype)
        return np.memmap(self.folder / "data.bin", self.dtype, "r", shape=(self.rows, *self.shape))

    def there(self) -> bool:
        """Whether the array is finished on this machine."""
        return self._whole() and self._reserved()

    def _fill(self, make, chunk: int, told, should_stop) -> None:
        done, notes = self._begun()
        data = self.folder / "data.bin"
        if self.rows:
            if done == 0:
                self._reserve(data)
            out = np.memmap(data, self.dtype, "r+", shape=(self.rows, *self.shape))
            told(done, self.rows)
            saved = time.monotonic()
            while done < self.rows:
                if should_stop():
                    self._remember(out, done, notes)
                    raise Stopped
                last = min(done + chunk, self.rows)
                notes.update(make(out, done, last))
                done = last
                told(done, self.rows)
                if time.monotonic() - saved > 5:
                    self._remember(out, done, notes)
                    saved = time.monotonic()
            self._promise(out, notes)
        else:
            atomic_write(self.folder / "array.json", json.dumps({"rows": 0, "notes": notes}))
        (self.folder / "rows.json").unlink(missing_ok=True)

    def _promise(self, out: np.ndarray, notes: dict[str, Any]) -> None:
        """Says that all rows are there: in memory now, on disk once a thread has written them out behind."""
        path, told = self.folder / "array.json", {"rows": self.rows, "notes": notes}

        def written() -> None:
            with contextlib.suppress(OSError, StorageError):  # the folder may be gone by then
                _to_disk(self.folder / "data.bin")
                if path.exists():
                    atomic_write(path, json.dumps(told))

        if not _boot():
            out.flush()  # type: ignore[attr-defined]
            atomic_write(path, json.dumps(told))
            return
        atomic_write(path, json.dumps(told | {"boot": _boot()}))
        threading.Thread(target=written, daemon=True, name="write-behind").start()

    def _whole(self) -> bool:
        """Whether all rows are there."""
        try:
            told = json.loads((self.folder / "array.json").read_text())
        except (OSError, ValueError):
            return False
        return told.get("boot", _boot()) == _boot()

    def _begun(self) -> tuple[int, dict[str, Any]]:
        try:
            begun = json.loads((self.folder / "rows.json").read_text())
        except (OSError, ValueError):
            return 0, {}
        believed = begun.get("boot", _boot()) == _boot() and self._reserved()
        return (begun["done"], begun["notes"]) if believed else (0, {})

    def _size(self) -> int:
        return self.rows * int(np.prod(self.shape)) * self.dtype.itemsize

    def _reserved(self) -> bool:
        """Whether the data have their full size on disk."""
        try:
            return self.rows == 0 or (self.folder / "data.bin").stat().st_size == self._size()
        except OSError:
            return False

    def _remember(self, out: np.ndarray, done: int, notes: dict[str, Any]) -> None:
        if not _boot() and isinstance(out, np.memmap):  # nothing would tell that the rows were lost
            out.flush()
        atomic_write(self.folder / "rows.json", json.dumps({"done": done, "notes": notes, "boot": _boot()}))

    def _reserve(self, data: Path) -> None:
        """Room for the whole array before the first row, since a memory map on a full disk kills the process."""
        size = self._size()
        _make_room(self.folder.parent.parent, size)
        free = shutil.disk_usage(self.folder).free
        if size + RESERVE > free:
            raise StorageError(
                f"the disk is full: {size / 1e9:.2f} GB needed in {self.folder}, {free / 1e9:.2f} GB free; "
                "free some, or set ASSISTANT_HOME to another disk"
            )
        try:
            with open(data, "wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
        except OSError as error:
            data.unlink(missing_ok=True)
            raise _storage_error(data, error) from None

    def _only_one(self, should_stop: Callable[[], bool]):
        lock = FileLock(self.folder / ".lock")
        while True:
            try:
                return lock.acquire(timeout=0.5)
            except Timeout:
                if should_stop():
                    raise Stopped from None


def _to_disk(data: Path) -> None:
    """Waits until a file's pages are on disk, those of maps as well (Linux). A map's own `flush` would hold all of
    Python meanwhile."""
    file = os.open(data, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@functools.cache
def _boot() -> str:
    """What names the time since this machine was started; nothing where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _make_room(cache: Path, size: int) -> None:
    """Removes arrays that were not used for 30 days; where the disk is too full for `size` bytes, the longest unused first."""
    used: dict[Path, float] = {}
    for path in cache.glob("*/*/array.json"):
        with contextlib.suppress(OSError):  # another process may be making room, too
            used[path] = path.stat().st_mtime
    for path in sorted(used, key=lambda path: used[path]):
        unused = time.time() - used[path]
        old = unused > 30 * 86400
        if not old and shutil.disk_usage(cache).free >= size + RESERVE:
            return
        if old or unused > 3600:  # what was used within the hour may be in use now
            path.unlink(missing_ok=True)  # first, so that a half-removed array is never taken for a whole one
            shutil.rmtree(path.parent, ignore_errors=True)


def _storage_error(path: Path, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"the disk is full: {path} could not be written; free some space, then resume")
    return StorageError(f"a file cannot be written: {path} ({error.strerror}); check the folder's permissions")
