"""The manifest: all that contracts say of themselves, as plain values with a hash."""

import pytest

from contracts.kernel import Value, codec, sha256
from contracts.kernel.catalogue import Catalogue
from contracts.kernel.errors import KERNEL_REJECTS
from contracts.kernel.manifest import describe_shape, manifest_hash, manifest_of
from contracts.kernel.shape import (
    BytesShape,
    IntShape,
    ListShape,
    OptionalShape,
    Shape,
    TextShape,
    shape_of,
)
from contracts.kernel.types import Address
from contracts.registry import CATALOGUE
from tests.support.lab import Bundle, Fault, Lab


def section(name: str, part: str) -> list[dict[str, Value]]:
    contracts = manifest_of(Catalogue.of((Lab,)).specs)["contracts"]
    assert isinstance(contracts, list)
    contract = next(c for c in contracts if isinstance(c, dict) and c["name"] == name)
    listed = contract[part]
    assert isinstance(listed, list)
    return [one for one in listed if isinstance(one, dict)]


def test_a_manifest_names_calls_with_their_arguments_results_and_lanes() -> None:
    calls = {call["name"]: call for call in section("lab", "calls")}
    assert calls["write"] == {
        "name": "write",
        "doc": "Write one cell and say so.",
        "arguments": [
            {"name": "key", "of": {"type": "integer", "low": 0, "high": 2**63 - 1, "unit": ""}},
            {"name": "value", "of": {"type": "integer", "low": 0, "high": 2**63 - 1, "unit": ""}},
        ],
        "returns": None,
        "lane": "metering",
    }
    assert calls["who"]["lane"] == "market"
    assert [q["name"] for q in section("lab", "queries")] == ["notes"]
    assert "lane" not in section("lab", "queries")[0]
    assert [u["name"] for u in section("lab", "units")] == ["note", "fail", "turn", "chain"]
    assert section("lab", "genesis") == []


def test_a_manifest_names_refusals_events_and_tables() -> None:
    assert section("lab", "rejects") == [
        {
            "code": 0x7F01,
            "name": "Refused",
            "what": "The laboratory refuses.",
            "hint": "Ask for something else.",
        }
    ]
    (wrote,) = section("lab", "events")
    assert (wrote["name"], wrote["doc"]) == ("Wrote", "A cell was written.")
    assert [table["id"] for table in section("lab", "tables")] == [0x7F01, 0x7F02]
    assert section("lab", "tables")[0]["packed"] is False


def test_refusals_of_any_call_stand_beside_the_contracts() -> None:
    manifest = manifest_of(())
    assert manifest["contracts"] == []
    rejects = manifest["rejects"]
    assert isinstance(rejects, list)
    assert [r["code"] for r in rejects if isinstance(r, dict)] == [r.code for r in KERNEL_REJECTS]


def test_every_shape_has_a_description() -> None:
    shapes: list[tuple[Shape, dict[str, Value]]] = [
        (shape_of(bool), {"type": "boolean"}),
        (TextShape(1, 9), {"type": "text", "low": 1, "high": 9}),
        (BytesShape(1, 9), {"type": "bytes", "low": 1, "high": 9, "unit": ""}),
        (shape_of(Address), {"type": "bytes", "low": 20, "high": 20, "unit": "address"}),
        (OptionalShape(shape_of(bool)), {"type": "optional", "of": {"type": "boolean"}}),
        (
            ListShape(IntShape(0, 1, "Wh"), 1, 2),
            {
                "type": "array",
                "low": 1,
                "high": 2,
                "of": {"type": "integer", "low": 0, "high": 1, "unit": "Wh"},
            },
        ),
        (
            shape_of(Fault),
            {"type": "enum", "name": "Fault", "members": {f.name: int(f) for f in Fault}},
        ),
    ]
    for shape, description in shapes:
        assert describe_shape(shape) == description


class OddShape(Shape):
    """Of no kind that clients know."""

    def from_wire(self, value: Value) -> Value:
        return value


def test_a_shape_of_no_known_kind_is_an_error() -> None:
    with pytest.raises(TypeError, match="has no description"):
        describe_shape(OddShape())


def test_who_signs_a_claim_learns_what_it_is_signed_as() -> None:
    described = describe_shape(Bundle.shape)
    assert described["domain"] == "GATEWAY"
    fields = described["fields"]
    assert isinstance(fields, list)
    statements = fields[0]
    assert isinstance(statements, dict)
    assert statements["name"] == "statements"
    assert '"READING"' in str(statements).replace("'", '"')


def test_the_hash_is_of_the_codec_bytes_and_changes_with_any_word() -> None:
    manifest = manifest_of(CATALOGUE.specs)
    assert manifest_hash(manifest) == sha256(codec.encode(manifest))
    assert manifest == manifest_of(CATALOGUE.specs)
    assert manifest_hash(manifest) != manifest_hash(manifest_of(CATALOGUE.specs[1:]))
