"""What the determinism lint forbids in chain/ and contracts/, and what to write instead.

Every validator must compute the same bytes from the same block, on any machine and on each Python
we support. So nothing there may depend on a clock, chance, the operating system, floating point,
the order of a set, or what ran before in the same process.
"""

from collections.abc import Mapping
from typing import Final

ADVICE: Final[Mapping[str, str]] = {
    "assert-effect": "do it in a statement before: asserts vanish under -O",
    "async": "the core is synchronous; effects go out as data",
    "banned-import": "take clock, chance and I/O as arguments, hand effects out as data",
    "bare-rounding": (
        "use a rounding of contracts.kernel.rounding, or, where only positions are computed, "
        "say so on the line: # index arithmetic"
    ),
    "cache": "say on the line why it may stay and what bounds it: # pure cache: REASON",
    "dynamic-code": "call the function itself",
    "effect": "hand it out as data; the edges read, write and print",
    "environment": "take it as an argument",
    "float": "count in the smallest unit with int (isinstance(x, float), to refuse one, is fine)",
    "global": "pass the state as an argument",
    "hash-or-id": "use a digest or the value's own number; Python's differ between processes",
    "mutable-state": (
        "make it a tuple, frozenset or MappingProxyType, or annotate it with a read-only type: "
        "Final[Mapping[...]]"
    ),
    "numpy-default-dtype": "name an integer or bool dtype; the default is a float or the machine's",
    "numpy-unstable-sort": 'sort with kind="stable"',
    "percent-format": "use an f-string",
    "random": "take the bytes as an argument",
    "set-iteration": "use sorted(...) without a key; the order of a set is not the same everywhere",
    "syntax": "make it Python",
    "true-division": "use a rounding of contracts.kernel.rounding; / makes a float",
}

# The import floors forbid the same modules, through any chain of imports (pyproject.toml).
BANNED_MODULES: Final = frozenset(
    {
        # clocks
        *("calendar", "datetime", "sched", "time", "zoneinfo"),
        # chance
        *("random", "secrets", "uuid"),
        # the operating system and this process
        *("atexit", "ctypes", "fcntl", "gc", "getpass", "glob", "importlib", "io", "locale"),
        *("logging", "mmap", "os", "pathlib", "pickle", "platform", "resource", "shelve"),
        *("shutil", "signal", "sqlite3", "subprocess", "sys", "tempfile", "weakref"),
        # networks
        *("http", "select", "selectors", "socket", "socketserver", "ssl", "urllib"),
        # schedulers
        *("asyncio", "concurrent", "contextvars", "multiprocessing", "queue", "threading"),
        # inexact numbers
        *("cmath", "decimal", "fractions", "statistics"),
        # packages of the edges
        *("anyio", "argon2", "cyclopts", "fastapi", "httpx", "hypercorn", "libp2p"),
        *("matplotlib", "plyvel", "prometheus_client", "pydantic", "rich", "scipy"),
        *("starlette", "structlog", "tomli_w", "trio", "trio_websocket", "wsproto"),
    }
)

# Builtins that may not be called, or passed on to be called.
BANNED_BUILTINS: Final[Mapping[str, str]] = {
    "__import__": "dynamic-code",
    "breakpoint": "effect",
    "compile": "dynamic-code",
    "complex": "float",
    "divmod": "bare-rounding",
    "eval": "dynamic-code",
    "exec": "dynamic-code",
    "float": "float",
    "globals": "dynamic-code",
    "hash": "hash-or-id",
    "id": "hash-or-id",
    "input": "effect",
    "open": "effect",
    "print": "effect",
    "round": "bare-rounding",
}

_NUMPY_FLOATS: Final = (
    *("average", "cbrt", "cos", "exp", "expm1", "interp", "linspace", "log", "log10", "log1p"),
    *("log2", "logspace", "mean", "median", "nanmean", "percentile", "quantile", "sin", "sqrt"),
    *("std", "tan", "var"),
    *("complex128", "complex64", "complexfloating", "double", "float128", "float16", "float32"),
    *("float64", "floating", "half", "inexact", "longdouble", "single"),
    *("e", "inf", "nan", "pi", "fft", "linalg", "polynomial"),
)

# Full names that may not be used, and the rule each breaks.
BANNED_NAMES: Final[Mapping[str, str]] = {
    "hashlib.new": "dynamic-code",
    "nacl.bindings.crypto_box_keypair": "random",
    "nacl.bindings.crypto_sign_keypair": "random",
    "nacl.bindings.randombytes": "random",
    "nacl.public.PrivateKey.generate": "random",
    "nacl.signing.SigningKey.generate": "random",
    "nacl.utils.random": "random",
    "numpy.argpartition": "numpy-unstable-sort",
    "numpy.divide": "true-division",
    "numpy.divmod": "bare-rounding",
    "numpy.floor_divide": "bare-rounding",
    "numpy.fmod": "bare-rounding",
    "numpy.mod": "bare-rounding",
    "numpy.random": "random",
    "numpy.remainder": "bare-rounding",
    "numpy.true_divide": "true-division",
    "operator.floordiv": "bare-rounding",
    "operator.mod": "bare-rounding",
    "operator.truediv": "true-division",
    **{f"numpy.{name}": "float" for name in _NUMPY_FLOATS},
}

# Methods that make a float of integers, or take one of many equal orders.
BANNED_METHODS: Final[Mapping[str, str]] = {
    "argpartition": "numpy-unstable-sort",
    "as_integer_ratio": "float",
    "environ": "environment",
    "getenv": "environment",
    "is_integer": "float",
    "mean": "float",
    "std": "float",
    "var": "float",
}

# The functions of math that stay with integers.
INTEGER_MATH: Final = frozenset({"comb", "factorial", "gcd", "isqrt", "lcm", "perm", "prod"})

CACHES: Final = frozenset({"functools.cache", "functools.lru_cache"})

# Numpy's makers of arrays: at which position the dtype may stand (None: only by name).
DTYPE_POSITION: Final[Mapping[str, int | None]] = {
    "numpy.array": 1,
    "numpy.asarray": 1,
    "numpy.empty": 1,
    "numpy.eye": None,
    "numpy.frombuffer": 1,
    "numpy.full": 2,
    "numpy.identity": 1,
    "numpy.ones": 1,
    "numpy.zeros": 1,
}

# Methods that change what they are called on, so that an assert may not call them.
MUTATORS: Final = frozenset(
    {
        *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop"),
        *("popitem", "popleft", "put", "remove", "setdefault", "update", "write"),
    }
)

# Functions that hand on, one by one and in order, what they are given.
ORDERED_CONSUMERS: Final = frozenset(
    {
        *("bytearray", "bytes", "dict", "enumerate", "filter", "iter", "list", "map", "next"),
        *("repr", "reversed", "str", "tuple", "zip"),
        *("collections.OrderedDict", "collections.deque", "dict.fromkeys", "functools.reduce"),
    }
)
ORDERED_CONSUMER_METHODS: Final = frozenset({"extend", "extendleft", "fromkeys", "join"})

# Where equal keys are told apart by which comes first.
TIE_BREAKERS: Final = frozenset({"max", "min", "sorted"})

MUTABLE_CONSTRUCTORS: Final = frozenset(
    {
        *("array.array", "bytearray", "dict", "list", "set"),
        *("collections.ChainMap", "collections.Counter", "collections.OrderedDict"),
        *("collections.UserDict", "collections.UserList", "collections.defaultdict"),
        *("collections.deque", "types.SimpleNamespace"),
    }
)

# What may be made at module level without a Final annotation: it cannot change, or is a type.
FIXED_CONSTRUCTORS: Final = frozenset(
    {
        *("bytes", "frozenset", "int", "len", "max", "min", "object", "range", "str", "sum"),
        *("tuple", "types.MappingProxyType", "collections.namedtuple", "enum.Enum"),
    }
)

READ_ONLY_TYPES: Final = frozenset(
    {
        *("AbstractSet", "Collection", "Mapping", "MappingProxyType", "Sequence"),
        *("bytes", "frozenset", "str", "tuple"),
    }
)
MUTABLE_TYPES: Final = frozenset(
    {
        *("Counter", "MutableMapping", "MutableSequence", "MutableSet", "OrderedDict"),
        *("bytearray", "defaultdict", "deque", "dict", "list", "ndarray", "set"),
    }
)
