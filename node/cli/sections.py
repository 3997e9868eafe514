"""Sections of a new chain's genesis that its founder gives: zones, markets and what else it needs.

A file holds an object of contracts by name, each with some of its arguments, in the form of
`genesis.json`; what it does not name stays as usual. The text `AUTHORITY` stands for the address of
the new authority, which is made together with the genesis. Who the authorities are is not given so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chain.bech32 import encode_address
from chain.genesis import GENESIS_JSON_MAX, Genesis, InvalidGenesisError, run_genesis
from chain.store import MemoryState
from node.cli.misspelt import did_you_mean
from node.failure import ExitCode, Failure

AUTHORITY: Final = "AUTHORITY"
OWN: Final = "authorities"
CONTRACTS: Final = "contracts"
FORM: Final = 'write it as in "contracts" of a genesis.json: {"markets": {"markets": [ … ]}}'


@dataclass(frozen=True)
class Sections:
    """What a file gives, not checked beyond its outer form."""

    path: Path
    given: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, path: Path) -> "Sections":
        """Read a file; raises `Failure`."""
        try:
            with path.open(encoding="utf-8") as file:
                text = file.read(GENESIS_JSON_MAX + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(ExitCode.USAGE, f"cannot read {path}: {error}", name="Usage") from error
        if len(text) > GENESIS_JSON_MAX:
            raise Failure(ExitCode.CONFIG, f"{path} is larger than any genesis", FORM)
        try:
            given = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Failure(ExitCode.CONFIG, f"{path} is not JSON: {error}", FORM) from error
        if not isinstance(given, dict) or not all(isinstance(v, dict) for v in given.values()):
            raise Failure(ExitCode.CONFIG, f"{path} is no object of contracts", FORM)
        return cls(path, given)

    def into(self, usual: Genesis, authority: bytes) -> Genesis:
        """Return a genesis with these in place of the usual ones, run once; raises `Failure`."""
        form = json.loads(usual.to_json())
        known = form[CONTRACTS]
        for contract, arguments in self.given.items():
            if contract == OWN:
                what = f"{self.path}: the authority and its keys are made by this command"
                raise Failure(ExitCode.CONFIG, what, f"leave {OWN!r} out")
            _refuse_unknown(self.path, "contract", contract, list(known))
            for name in arguments:
                _refuse_unknown(self.path, f"argument of {contract}", name, list(known[contract]))
            known[contract] |= _with_address(arguments, encode_address(authority))
        try:
            made = Genesis.from_json(json.dumps(form))
            run_genesis(made, MemoryState())
        except InvalidGenesisError as error:
            what = f"{self.path}: {error}"
            raise Failure(ExitCode.CONFIG, what, "correct it; nothing has been made") from error
        return made


def _refuse_unknown(path: Path, kind: str, name: str, known: list[str]) -> None:
    if name not in known:
        help_ = did_you_mean(name, known) or (
            f"known: {', '.join(known)}" if known else "it takes none"
        )
        raise Failure(ExitCode.CONFIG, f"{path}: {name!r:.40} is no {kind} with a genesis", help_)


def _with_address(value: Any, address: str) -> Any:  # noqa: ANN401 - JSON
    """Return JSON with every text `AUTHORITY` replaced."""
    if isinstance(value, dict):
        return {name: _with_address(one, address) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_address(one, address) for one in value]
    return address if value == AUTHORITY else value
