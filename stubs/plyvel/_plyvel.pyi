from collections.abc import Callable
from types import TracebackType
from typing import Generic, Literal, Self, TypeAlias, TypeVar, final, overload

__leveldb_version__: str

_Entry = TypeVar("_Entry")
_Default = TypeVar("_Default")
_Pair: TypeAlias = tuple[bytes, bytes]

class Error(Exception): ...
class IOError(Error, OSError): ...
class CorruptionError(Error): ...
class IteratorInvalidError(Error): ...

def destroy_db(name: str) -> None: ...
def repair_db(
    name: str,
    *,
    paranoid_checks: bool | None = None,
    write_buffer_size: int | None = None,
    max_open_files: int | None = None,
    lru_cache_size: int | None = None,
    block_size: int | None = None,
    block_restart_interval: int | None = None,
    max_file_size: int | None = None,
    compression: Literal["snappy"] | None = "snappy",
    bloom_filter_bits: int = 0,
    comparator: Callable[[bytes, bytes], int] | None = None,
    comparator_name: bytes | None = None,
) -> None: ...

class _Reader:
    @overload
    def get(
        self,
        key: bytes,
        default: None = None,
        *,
        verify_checksums: bool = False,
        fill_cache: bool = True,
    ) -> bytes | None: ...
    @overload
    def get(
        self,
        key: bytes,
        default: _Default,
        *,
        verify_checksums: bool = False,
        fill_cache: bool = True,
    ) -> bytes | _Default: ...
    @overload
    def iterator(
        self,
        *,
        reverse: bool = False,
        start: bytes | None = None,
        stop: bytes | None = None,
        include_start: bool = True,
        include_stop: bool = False,
        prefix: bytes | None = None,
        include_key: Literal[True] = True,
        include_value: Literal[True] = True,
        verify_checksums: bool = False,
        fill_cache: bool = True,
    ) -> Iterator[_Pair]: ...
    @overload
    def iterator(
        self,
        *,
        reverse: bool = False,
        start: bytes | None = None,
        stop: bytes | None = None,
        include_start: bool = True,
        include_stop: bool = False,
        prefix: bytes | None = None,
        include_key: Literal[True] = True,
        include_value: Literal[False],
        verify_checksums: bool = False,
        fill_cache: bool = True,
    ) -> Iterator[bytes]: ...
    @overload
    def iterator(
        self,
        *,
        reverse: bool = False,
        start: bytes | None = None,
        stop: bytes | None = None,
        include_start: bool = True,
        include_stop: bool = False,
        prefix: bytes | None = None,
        include_key: Literal[False],
        include_value: Literal[True] = True,
        verify_checksums: bool = False,
        fill_cache: bool = True,
    ) -> Iterator[bytes]: ...
    @overload
    def iterator(
        self,
        *,
        reverse: bool = False,
        start: bytes | None = None,
        stop: bytes | None = None,
        include_start: bool = True,
        include_stop: bool = False,
        prefix: bytes | None = None,
        include_key: Literal[False],
        include_value: Literal[False],
        verify_checksums: bool = False,
        fill_cache: bool = True,
    ) -> Iterator[None]: ...
    def __iter__(self) -> Iterator[_Pair]: ...

class _Writer:
    def put(self, key: bytes, value: bytes, *, sync: bool = False) -> None: ...
    def delete(self, key: bytes, *, sync: bool = False) -> None: ...
    def write_batch(self, *, transaction: bool = False, sync: bool = False) -> WriteBatch: ...
    def snapshot(self) -> Snapshot: ...
    def prefixed_db(self, prefix: bytes) -> PrefixedDB: ...

@final
class DB(_Reader, _Writer):
    def __init__(
        self,
        name: str,
        *,
        create_if_missing: bool = False,
        error_if_exists: bool = False,
        paranoid_checks: bool | None = None,
        write_buffer_size: int | None = None,
        max_open_files: int | None = None,
        lru_cache_size: int | None = None,
        block_size: int | None = None,
        block_restart_interval: int | None = None,
        max_file_size: int | None = None,
        compression: Literal["snappy"] | None = "snappy",
        bloom_filter_bits: int = 0,
        comparator: Callable[[bytes, bytes], int] | None = None,
        comparator_name: bytes | None = None,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None: ...
    def raw_iterator(
        self, *, verify_checksums: bool = False, fill_cache: bool = True
    ) -> RawIterator: ...
    def get_property(self, name: bytes) -> bytes | None: ...
    def compact_range(self, *, start: bytes | None = None, stop: bytes | None = None) -> None: ...
    def approximate_size(self, start: bytes, stop: bytes) -> int: ...
    def approximate_sizes(self, *ranges: tuple[bytes, bytes]) -> list[int]: ...

@final
class PrefixedDB(_Reader, _Writer):
    @property
    def prefix(self) -> bytes: ...
    @property
    def db(self) -> DB: ...

@final
class Snapshot(_Reader):
    def close(self) -> None: ...
    def release(self) -> None: ...
    def raw_iterator(
        self, *, verify_checksums: bool = False, fill_cache: bool = True
    ) -> RawIterator: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None: ...

@final
class WriteBatch:
    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...
    def clear(self) -> None: ...
    def append(self, source: WriteBatch) -> None: ...
    def approximate_size(self) -> int: ...
    def write(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None: ...

class _BaseIterator:
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None: ...

@final
class Iterator(_BaseIterator, Generic[_Entry]):
    def __iter__(self) -> Self: ...
    def __next__(self) -> _Entry: ...
    def prev(self) -> _Entry: ...
    def seek(self, target: bytes) -> None: ...
    def seek_to_start(self) -> None: ...
    def seek_to_stop(self) -> None: ...

@final
class RawIterator(_BaseIterator):
    def valid(self) -> bool: ...
    def seek_to_first(self) -> None: ...
    def seek_to_last(self) -> None: ...
    def seek(self, target: bytes) -> None: ...
    def next(self) -> None: ...
    def prev(self) -> None: ...
    def key(self) -> bytes: ...
    def value(self) -> bytes: ...
    def item(self) -> _Pair: ...
