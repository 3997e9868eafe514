"""Falsified ranges and receipts: nothing can be left out, added, moved or taken from elsewhere."""

from collections.abc import Callable

import pytest

from chain.light import VerificationError
from chain.merkle import InclusionProof, merkle_root
from tests.client.reading import Json
from tests.client.recorded import certify, changed, form, header_in, read, recording

Change = Callable[[Json], object]
HASH = "ab" * 32
ITEM = {"key": "1101" + "00" * 20, "value": "01"}


def items(answer: Json) -> list[Json]:
    found: list[Json] = answer["proof"]["items"]
    return found


def as_before(answer: Json) -> None:
    """Pass the first item off as the leaf before the range."""
    answer["proof"]["before"] = items(answer).pop(0)


def as_cut_off(answer: Json) -> None:
    """Say that the page ends two items earlier."""
    del items(answer)[-2:]
    answer["proof"]["after"] = None
    answer["cursor"] = items(answer)[-1]["key"] + "00"


def older(answer: Json) -> None:
    answer.update(recording().answer("chain_header", height=2))


def said_of(name: str) -> Json:
    return recording().said[name]


RANGES: list[tuple[str, str, str, Change]] = [
    ("range", "first item left out", "must have", lambda a: items(a).pop(0)),
    ("range", "item left out", "must have", lambda a: items(a).pop(1)),
    ("range", "last item left out", "must have", lambda a: items(a).pop()),
    ("range", "all left out", "must have", lambda a: items(a).clear()),
    ("range", "item twice", "do not ascend", lambda a: items(a).insert(1, items(a)[0])),
    ("range", "items swapped", "do not ascend", lambda a: items(a).reverse()),
    ("range", "item added", "shape ends", lambda a: items(a).insert(0, ITEM)),
    ("empty range", "item added to none", "shape ends",
     lambda a: items(a).append({"key": "7e0005", "value": "01"})),
    ("empty range", "item beside the range", "outside the range",
     lambda a: items(a).append({"key": "7d", "value": "01"})),
    ("range", "value changed", "does not lead", lambda a: items(a)[1].update(value="00")),
    ("range", "value empty", "value must be 1", lambda a: items(a)[1].update(value="")),
    ("range", "value too long", "longer than",
     lambda a: items(a)[1].update(value="00" * (2**20 + 1))),
    ("range", "key too long", "longer than 255", lambda a: items(a)[1].update(key="11" * 256)),
    ("range", "item as the leaf before", "not smaller", as_before),
    ("range", "page cut short", "must have", as_cut_off),
    ("range", "a cursor where none is", "nothing was cut off",
     lambda a: a.update(cursor=items(a)[-1]["key"] + "00")),
    ("part of a range", "cursor left out", "not shown", lambda a: a.update(cursor=None)),
    ("part of a range", "cursor moved on", "not the last item's",
     lambda a: a.update(cursor="1102")),
    ("part of a range", "cursor no hex", "non-hexadecimal", lambda a: a.update(cursor="zz")),
    ("range", "shape changed", "shape",
     lambda a: a["proof"].update(shape="ff" + a["proof"]["shape"][2:])),
    ("range", "shape empty", "shape must be", lambda a: a["proof"].update(shape="")),
    ("range", "hash changed", "does not lead",
     lambda a: a["proof"]["left_hashes"].__setitem__(0, HASH)),
    ("range", "hash too short", "hash must be 32",
     lambda a: a["proof"]["left_hashes"].__setitem__(0, "ab")),
    ("range", "too many hashes", "at most 2040",
     lambda a: a["proof"].update(left_hashes=[HASH] * 2041)),
    ("range", "too many items", "at most 10000",
     lambda a: a["proof"].update(items=[ITEM] * 10_001)),
    ("range", "items no list", "not a list", lambda a: a["proof"].update(items={})),
    ("range", "an item no object", "items[0] is not an object",
     lambda a: a["proof"].update(items=[5])),
    ("range", "proof of another range", "not smaller",
     lambda a: a.update(said_of("empty range"))),
    ("empty range", "proof of another range for none", "outside the range",
     lambda a: a.update(said_of("range"))),
    ("range", "older block", "does not lead", older),
    ("empty range", "older block for none", "does not lead", older),
]  # fmt: skip


@pytest.mark.parametrize(("name", "what", "said", "change"), RANGES, ids=[r[1] for r in RANGES])
def test_a_range_that_does_not_follow_is_refused(
    name: str, what: str, said: str, change: Change
) -> None:
    with pytest.raises(VerificationError) as caught:
        read(name, changed(change))
    assert said in str(caught.value)


# Receipts


def proof(answer: Json, **fields: Json) -> None:
    answer["proof"] |= fields


def events(answer: Json) -> list[Json]:
    found: list[Json] = answer["events"]
    return found


def receipt_of(number: int) -> Json:
    return recording().answer("tx_receipt", id=recording().ids[number].hex())


RECEIPTS: list[tuple[str, str, Change]] = [
    ("all of another transaction", "is of transaction", lambda a: a.update(receipt_of(-1))),
    ("another receipt", "is not at index",
     lambda a: a.update(receipt_raw=receipt_of(-1)["receipt_raw"])),
    ("another receipt's proof", "is not at index",
     lambda a: a.update(proof=receipt_of(-1)["proof"])),
    ("index moved", "is not at index 2", lambda a: proof(a, index=2)),
    ("index beyond the list", "is not at index 9", lambda a: proof(a, index=9)),
    ("index below 0", "outside 0", lambda a: proof(a, index=-1)),
    ("size 0", "outside 1", lambda a: proof(a, size=0)),
    ("path cut", "is not at index", lambda a: a["proof"]["path"].pop()),
    ("path longer", "is not at index", lambda a: a["proof"]["path"].append(HASH)),
    ("path changed", "is not at index", lambda a: a["proof"]["path"].__setitem__(0, HASH)),
    ("path of 33", "33 items", lambda a: proof(a, path=[HASH] * 33)),
    ("receipt changed", "is not at index",
     lambda a: a.update(receipt_raw=a["receipt_raw"][:-2] + "00")),
    ("receipt too long", "longer than", lambda a: a.update(receipt_raw="00" * (2**20 + 1))),
    ("receipt missing", "no receipt_raw", lambda a: a.pop("receipt_raw")),
    ("another block", "is not at index",
     lambda a: a.update(recording().answer("chain_header", height=2))),
    ("event left out", "the events have the root", lambda a: events(a).pop()),
    ("event twice", "the events have the root", lambda a: events(a).append(events(a)[0])),
    ("event changed", "the events have the root", lambda a: events(a)[0].update(data="00")),
    ("event too long", "longer than", lambda a: events(a)[0].update(data="00" * (2**20 + 1))),
    ("no events", "has no events", lambda a: a.pop("events")),
    ("too many events", "at most 100000", lambda a: a.update(events=[{}] * 100_001)),
]  # fmt: skip


@pytest.mark.parametrize(("what", "said", "change"), RECEIPTS, ids=[r[0] for r in RECEIPTS])
def test_a_receipt_that_does_not_follow_is_refused(what: str, said: str, change: Change) -> None:
    with pytest.raises(VerificationError) as caught:
        read("receipt", changed(change))
    assert said in str(caught.value)


@pytest.mark.parametrize("raw", [b"\0", b"\x80", b"\x9f"])
def test_a_leaf_that_is_no_receipt_is_refused(raw: bytes) -> None:
    """Here all validators have signed it."""

    def put(answer: Json) -> None:
        answer["header"]["receipts_root"] = merkle_root([raw]).hex()
        answer["certificate"] = form(certify(header_in(answer)))
        answer.update(receipt_raw=raw.hex(), proof=form(InclusionProof.of([raw], 0)))

    with pytest.raises(VerificationError, match="tx_receipt, block 1: "):
        read("receipt", changed(put))


def test_what_is_told_for_people_alone_is_not_read() -> None:
    def dress(answer: Json) -> None:
        answer.update(index=7, height=9, id=HASH, receipt={"id": HASH}, more=5)
        for event in events(answer):
            event["fields"] = {}

    assert read("receipt", changed(dress)) == recording().truth["receipt"]
