"""The determinism lint sees each thing it forbids, and leaves alone what only looks like it."""

from pathlib import Path

import pytest

from tests.tidy.determinism import DEFAULT_PATHS, check_paths, check_source, main
from tests.tidy.determinism_rules import ADVICE

# Snippets by the rule they break. The line that breaks it ends in the mark; there is no other.
MARK = "#!"
FORBIDDEN = {
    "float": [
        "RATIO = 0.5  #!",
        "ROOT = 1j  #!",
        "def f(x):\n    return float(x)  #!",
        "def f(x: float) -> None: ...  #!",
        "def f(xs):\n    return sum(map(float, xs))  #!",
        "def f(x):\n    return complex(x, 0)  #!",
        "import numpy as np\ndef f(a):\n    return a.astype(np.float64)  #!",
        "import numpy as np\ndef f(a):\n    return np.array(a, dtype='f8')  #!",
        "def f(a):\n    return a.astype('<f4')  #!",
        "import numpy\ndef f(a):\n    return numpy.mean(a)  #!",
        "from numpy import sqrt  #!",
        "def f(a):\n    return a.mean()  #!",
        "import math\ndef f(x):\n    return math.sqrt(x)  #!",
        "from math import log2  #!",
    ],
    "true-division": [
        "def f(a, b):\n    return a / b  #!",
        "def f(a, b):\n    a /= b  #!\n    return a",
        "from operator import truediv  #!",
        "import numpy as np\ndef f(a, b):\n    return np.divide(a, b)  #!",
        "def f(a):\n    return a ** -1  #!",
    ],
    "bare-rounding": [
        "def f(a, b):\n    return a // b  #!",
        "def f(a, b):\n    return a % b  #!",
        "def f(a, b):\n    a //= b  #!\n    return a",
        "def f(a, b):\n    a %= b  #!\n    return a",
        "def f(a, b):\n    return divmod(a, b)  #!",
        "def f(a):\n    return round(a)  #!",
        "import numpy as np\ndef f(a, b):\n    return np.floor_divide(a, b)  #!",
        "import operator\ndef f(a, b):\n    return operator.mod(a, b)  #!",
        # The comment must be on the line, and be that comment.
        "# index arithmetic\ndef f(a, b):\n    return a // b  #!",
        "def f(a, b):\n    return a // b  # arithmetic of an index  #!",
    ],
    "percent-format": [
        "def f(a):\n    return 'value %d' % a  #!",
        "def f(a):\n    return f'{a} %d' % a  #!",
    ],
    "banned-import": [
        "import time  #!",
        "import os.path  #!",
        "import random as chance  #!",
        "from datetime import UTC  #!",
        "from asyncio.events import get_event_loop  #!",
        "import trio  #!",
        "import plyvel  #!",
        "from libp2p import new_host  #!",
        "def f():\n    import socket  #!",
        "from decimal import Decimal  #!",
    ],
    "random": [
        "import numpy as np\ndef f():\n    return np.random.default_rng(1)  #!",
        "from numpy import random  #!",
        "from nacl.utils import random  #!",
        "from nacl.signing import SigningKey\ndef f():\n    return SigningKey.generate()  #!",
    ],
    "environment": ["def f(system):\n    return system.environ['X']  #!"],
    "effect": [
        "def f(x):\n    print(x)  #!",
        "def f(p):\n    return open(p)  #!",
        "def f(report=print):  #!\n    report(1)",
    ],
    "dynamic-code": [
        "def f(text):\n    return eval(text)  #!",
        "def f(text):\n    return eval(text)  # own source: only exec may say so  #!",
        "def f(text):\n    exec(text)  #!",
        "def f(text):\n    exec(text)  # own source:  #!",
        "def f(name):\n    return __import__(name)  #!",
        "import hashlib\ndef f(name):\n    return hashlib.new(name)  #!",
    ],
    "set-iteration": [
        "def f():\n    for x in {1, 2}:  #!\n        g(x)",
        "def f(xs):\n    for x in set(xs):  #!\n        g(x)",
        "def f(xs):\n    return [g(x) for x in frozenset(xs)]  #!",
        "def f(xs):\n    return {x: 1 for x in {y for y in xs}}  #!",
        "def f(xs):\n    seen = set(xs)\n    for x in seen:  #!\n        g(x)",
        "def f(seen: set[int]):\n    return list(seen)  #!",
        "def f(seen: 'frozenset[int] | None'):\n    return tuple(seen)  #!",
        "def f(a, b):\n    return tuple(set(a) - b)  #!",
        "def f(a, b):\n    return list(a.keys() & b)  #!",
        "def f(a, b):\n    both = {1}.union(b)\n    return [*both]  #!",
        "def f(xs):\n    return ','.join(set(xs))  #!",
        "def f(xs):\n    return next(iter(xs)), enumerate(set(xs))  #!",
        "def f(xs):\n    return set(xs).pop()  #!",
        "def f(xs):\n    a, b = set(xs)  #!\n    return a, b",
        "def f(xs):\n    return sorted(set(xs), key=len)  #!",
        "def f(xs):\n    return min(set(xs), key=len)  #!",
        "def f(xs):\n    yield from set(xs)  #!",
        "def f(xs):\n    return f'{set(xs)}'  #!",
        "import itertools\ndef f(xs):\n    return itertools.accumulate(set(xs))  #!",
        "class C:\n    s: frozenset[int]\n    def f(self):\n        return list(self.s)  #!",
        (
            "class C:\n    def __init__(self):\n        self.s = set()\n"
            "    def f(self):\n        return list(self.s)  #!"
        ),
        "def g() -> set[int]: ...\ndef f():\n    return list(g())  #!",
        "S = frozenset((1, 2))\nT = tuple(S)  #!",
    ],
    "hash-or-id": [
        "def f(x):\n    return hash(x)  #!",
        "def f(x):\n    return id(x)  #!",
        "def f(xs):\n    return sorted(xs, key=id)  #!",
        # A method does not see the names of its class.
        "class C:\n    id: int\n    def f(self, x):\n        return id(x)  #!",
    ],
    "global": ["def f():\n    global count  #!\n    count = 1"],
    "mutable-state": [
        "SEEN = []  #!",
        "SEEN = {}  #!",
        "SEEN = {1}  #!",
        "SEEN = [x for x in range(3)]  #!",
        "SEEN: dict[int, int] = {}  #!",
        "from typing import Final\nSEEN: Final = {}  #!",
        "from typing import Final\nSEEN: Final[dict[int, int]] = {}  #!",
        "from collections import defaultdict\nSEEN = defaultdict(list)  #!",
        "import collections\nSEEN = collections.deque()  #!",
        "SEEN = bytearray(8)  #!",
        "SEEN = [0] * 8  #!",
        "if True:\n    SEEN = []  #!",
        "class Book:\n    orders = []  #!",
        "from typing import ClassVar\nclass Book:\n    orders: ClassVar[dict[int, int]] = {}  #!",
        "book = Book()  #!",
        "from typing import Final, Mapping\nfrom itertools import count\nN: Final = count()  #!",
        "EVEN = (x for x in range(3))  #!",
        "import numpy as np\nZERO = np.zeros(4, dtype=np.int64)  #!",
    ],
    "cache": [
        "from functools import cache\n@cache  #!\ndef f(x): ...",
        "import functools\n@functools.lru_cache(maxsize=8)  #!\ndef f(x): ...",
        "from functools import cache\n# pure cache: above\n@cache  #!\ndef f(x): ...",
        "from functools import cache\n@cache  # pure cache  #!\ndef f(x): ...",
        "from functools import cache\ndef f(g):\n    return cache(g)  #!",
    ],
    "assert-effect": [
        "def f(x):\n    assert (y := x)  #!\n    return y",
        "def f(xs):\n    assert xs.pop()  #!",
        "def f(xs):\n    assert next(xs)  #!",
    ],
    "numpy-default-dtype": [
        "import numpy as np\ndef f(n):\n    return np.zeros(n)  #!",
        "import numpy as np\ndef f(xs):\n    return np.array(xs)  #!",
        "from numpy import ones\ndef f(n):\n    return ones(n)  #!",
        "import numpy as np\ndef f(n):\n    return np.full(n, 1)  #!",
    ],
    "numpy-unstable-sort": [
        "import numpy as np\ndef f(a):\n    return np.argsort(a)  #!",
        "import numpy as np\ndef f(a):\n    return np.sort(a, kind='quicksort')  #!",
        "def f(a):\n    return a.argsort()  #!",
        "import numpy as np\ndef f(a):\n    return np.argpartition(a, 3)  #!",
    ],
    "async": ["async def f(): ...  #!", "async def f(x):  #!\n    return x"],
    "syntax": ["def f(:  #!"],
}

ALLOWED = {
    "float": [
        "def f(x):\n    return isinstance(x, float)",
        "def f(x):\n    return isinstance(x, int | float) or isinstance(x, (str, float))",
        "def f(x):\n    return type(x) is float",
        "import math\ndef f(x):\n    return math.isqrt(math.gcd(x, 6))",
        "import numpy as np\ndef f(a):\n    return a.astype('<i8').view(np.uint8)",
        "SCALE = 10**6",
    ],
    "true-division": [
        "from contracts.kernel.rounding import ceil_div\ndef f(a, b):\n    return ceil_div(a, b)",
        "def f(a):\n    return a ** 2",
        "'''Price / energy.'''",
    ],
    "bare-rounding": [
        "def f(bit):\n    return bit // 8  # index arithmetic",
        "def f(bit):\n    return bit % 8  # index arithmetic: eight bits a byte",
        "def f(a, b):\n    return [\n        a // b  # index arithmetic\n    ]",
    ],
    "percent-format": [
        "def f(a):\n    return f'value {a}'",
        "SHARE = '5 %'",
        "def f(a):\n    return b'%c%b' % a",
    ],
    "banned-import": [
        "from collections.abc import Mapping",
        "from hashlib import sha256",
        "from contracts.kernel import clock",
        "import timeless",
        "from chain import time",
    ],
    "random": ["def f(randomness: bytes) -> bytes:\n    return randomness"],
    "environment": ["def f(environment):\n    return environment['X']"],
    "effect": [
        "def f(door):\n    door.open()",
        "def f(open):\n    return open",
        "def f():\n    print = 1\n    return print",
    ],
    "dynamic-code": [
        "import re\nfrom typing import Final\nP: Final = re.compile('x')",
        "def f(text):\n    exec(text)  # own source: nothing from outside is in it",
        "from hashlib import sha256\ndef f(b):\n    return sha256(b)",
    ],
    "set-iteration": [
        "def f(xs):\n    for x in sorted(set(xs)):\n        g(x)",
        "def f(xs):\n    return len(set(xs)), 3 in {1, 2}, sum({1, 2}), max(set(xs))",
        "def f(xs):\n    return {*set(xs), *{1}}",
        "def f(xs):\n    for x in [1, 2]:\n        g(x)",
        "def f(xs):\n    return sorted(xs, key=len)",
        "def f(book):\n    book.set(5)\n    return list(book.keys())",
        "def f(a: int, b: int):\n    return range(a - b)",
        "def f(seen: set[int]):\n    seen.add(1)",
        # Another function's set of the same name.
        "def f(xs):\n    s = set(xs)\n    return len(s)\ndef g(s):\n    return list(s)",
        "def f(stack):\n    return stack.pop()",
    ],
    "hash-or-id": [
        "def f(hash: bytes) -> bytes:\n    return hash",
        "def f(id):\n    return g(id=id)",
        "class C:\n    id: int\n    def f(self):\n        return self.id",
        "def f(id):\n    def g():\n        return id\n    return g",
    ],
    "global": ["def f(count):\n    def g():\n        nonlocal count\n        count += 1"],
    "mutable-state": [
        "NAMES = ('a', 'b')",
        "NAMES = frozenset({'a', 'b'})",
        "from types import MappingProxyType\nBY_NAME = MappingProxyType({'a': 1})",
        (
            "from typing import Final\nfrom collections.abc import Mapping\n"
            "BY_NAME: Final[Mapping[str, int]] = {'a': 1}"
        ),
        "from typing import Final\nfrom struct import Struct\nLINK: Final = Struct('<Q')",
        "from typing import TypeVar\nT = TypeVar('T')",
        "__all__ = ['f']",
        "def f():\n    seen = []\n    return seen",
        (
            "from dataclasses import dataclass, field\n@dataclass\nclass C:\n"
            "    xs: list[int] = field(default_factory=list)"
        ),
        "class C(Contract):\n    owner = Map(id=1)",
        "Pair = tuple[int, int]",
        "LIMIT = 2**16",
    ],
    "cache": [
        "from functools import cache\n@cache  # pure cache: one entry a contract\ndef f(x): ...",
        (
            "from functools import cached_property\nclass C:\n    @cached_property\n"
            "    def f(self): ..."
        ),
    ],
    "assert-effect": [
        "def f(xs):\n    assert len(xs) > 1, f'{xs}'",
        "def f(xs):\n    x = xs.pop()\n    assert x",
    ],
    "numpy-default-dtype": [
        "import numpy as np\ndef f(n):\n    return np.zeros(n, dtype=np.int64)",
        "import numpy as np\ndef f(n):\n    return np.zeros(n, np.int64), np.full(n, 1, np.uint8)",
        "def f(world):\n    return world.zeros(3)",
    ],
    "numpy-unstable-sort": [
        "import numpy as np\ndef f(a):\n    return np.argsort(a, kind='stable')",
        "import numpy as np\ndef f(a, b):\n    return np.lexsort((a, b))",
        "def f(xs):\n    xs.sort()\n    return 'a.b'.partition('.')",
    ],
    "async": ["def f():\n    yield 1"],
    "syntax": ["def f(): ..."],
}


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(rule, snippet) for rule, snippets in table.items() for snippet in snippets]


@pytest.mark.parametrize(("rule", "snippet"), cases(FORBIDDEN))
def test_flags_the_line_that_breaks_the_rule(rule: str, snippet: str) -> None:
    marked = [n for n, line in enumerate(snippet.split("\n"), 1) if line.endswith(MARK)]
    # The mark itself is taken off: it is a comment, and comments can lift a rule.
    found = check_source(snippet.replace(f"  {MARK}", ""), "contracts/example.py")
    assert [(finding.rule, finding.line) for finding in found] == [(rule, marked[0])]
    assert len(marked) == 1


@pytest.mark.parametrize(("rule", "snippet"), cases(ALLOWED))
def test_leaves_alone_what_only_looks_like_it(rule: str, snippet: str) -> None:
    assert check_source(snippet, "contracts/example.py") == [], rule


def test_every_rule_is_shown_from_both_sides() -> None:
    assert set(FORBIDDEN) == set(ALLOWED) == set(ADVICE)


def test_the_file_of_the_roundings_may_round() -> None:
    source = "def f(a, b):\n    return a // b, a % b, divmod(a, b)"
    assert check_source(source, "contracts/kernel/rounding.py") == []
    assert check_source("X = 1 / 2", "contracts/kernel/rounding.py") != []


def test_a_finding_tells_where_what_and_what_to_do_instead() -> None:
    (finding,) = check_source("\n\nimport time", "chain/example.py")
    assert str(finding) == f"chain/example.py:3: banned-import: {ADVICE['banned-import']}"


def test_the_chain_and_the_contracts_are_clean() -> None:
    findings, files = check_paths(Path(path) for path in DEFAULT_PATHS)
    assert files > 0
    assert not findings, "\n".join(map(str, findings))


def test_the_command_fails_on_a_finding_and_on_nothing_to_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    (tmp_path / "deep").mkdir()
    example = tmp_path / "deep" / "example.py"
    example.write_text("X = 1\n", encoding="utf-8")
    assert main([str(tmp_path)]) == 0
    example.write_text("X = 1.5\n", encoding="utf-8")
    capsys.readouterr()
    assert main([str(tmp_path)]) == 1
    assert f"{example}:1: float:" in capsys.readouterr().out
