"""The registry: names, numbers, table ids and refusal codes are for ever."""

from pathlib import Path

from chain.store import MemoryState
from contracts.kernel import Host, Kind
from contracts.kernel.catalogue import Catalogue
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import State
from contracts.registry import CATALOGUE, CONTRACTS, Registry

PERMANENT = Path(__file__).parent / "permanent_ids.txt"


def ids_of(catalogue: Catalogue) -> dict[str, str]:
    """Return what every permanent number means now."""
    out = {"contract 0x00": "kernel", "table 0x0000": "sentinel"}
    for spec in catalogue.specs:
        out[f"contract {spec.number:#04x}"] = spec.name
        for name, table in spec.tables.items():
            out[f"table {table.id:#06x}"] = f"{spec.name}.{name}"
    for code, reject in catalogue.reject_by_code.items():
        out[f"refusal {code:#06x}"] = reject.__name__
    return out


def committed() -> dict[str, str]:
    """Read the list: `kind number meaning` a line; a retired meaning ends with `(retired)`."""
    lines = [line for line in PERMANENT.read_text().splitlines() if not line.startswith("#")]
    pairs = [(" ".join(line.split()[:2]), " ".join(line.split()[2:])) for line in lines if line]
    assert len(pairs) == len(dict(pairs)), "a number stands in the list twice"
    assert pairs == sorted(pairs), "the list is in order"
    return dict(pairs)


def test_no_number_ever_changes_its_meaning() -> None:
    """A new number is added to the list by hand; one that is in it stays, used or retired."""
    listed, present = committed(), ids_of(CATALOGUE)
    unlisted = {number: meaning for number, meaning in present.items() if number not in listed}
    assert not unlisted, f"add to {PERMANENT.name}: {unlisted}"
    for number, meaning in listed.items():
        if meaning.endswith("(retired)"):
            assert number not in present, f"{number} was {meaning} and is used again"
        else:
            assert present.get(number) == meaning, f"{number} was {meaning}: mark it (retired)"


def test_ids_are_unique_over_all_contracts() -> None:
    tables = [table.id for spec in CATALOGUE.specs for table in spec.tables.values()]
    assert len(tables) == len(set(tables))
    rejects = [r for spec in CATALOGUE.specs for r in spec.rejects.values()]
    assert len(rejects) == len(set(rejects))
    assert len(CATALOGUE.code_by_reject) == len(CATALOGUE.reject_by_code)


def test_the_wiring_is_the_catalogue_in_its_order() -> None:
    registry = Registry(Host(State(MemoryState(), Meter(WeightTable(), 2**62))))
    assert tuple(type(contract) for contract in registry.contracts) == CONTRACTS
    assert tuple(contract.spec for contract in registry.contracts) == CATALOGUE.specs
    assert list(registry.by_name) == [spec.name for spec in CATALOGUE.specs]
    assert registry.catalogue is CATALOGUE


def test_every_call_unit_and_query_is_explained() -> None:
    for spec in CATALOGUE.specs:
        for kind in (Kind.CALL, Kind.QUERY, Kind.UNIT, Kind.INVARIANT):
            for method in spec.of_kind(kind).values():
                assert method.doc[0].isupper(), f"{spec.name}.{method.name}"
                assert method.doc.endswith((".", ")")), f"{spec.name}.{method.name}"
