"""Every command teaches by examples; what is misspelt is named, with what was probably meant."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from chain.bech32 import encode_address
from contracts.kernel import Kind
from node.cli.app import app
from node.cli.completion import completion
from node.cli.methods import find
from node.cli.reference import reference
from node.cli.version import VERSION
from node.failure import ExitCode
from tests.node.cli.program import Gtx
from tests.support.people import account_of
from tests.tidy.project import ROOT, pyproject

ALICE = encode_address(account_of("alice"))


def commands(of: App = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command that does something."""
    for name in of:
        if name.startswith("-"):
            continue
        inner = of[name]
        if inner.default_command is None:
            yield from commands(inner, (*path, name))
        else:
            yield (*path, name)


COMMANDS = list(commands())


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    return Gtx(tmp_path)


def test_the_walk_finds_the_commands_of_every_depth() -> None:
    assert {("run",), ("keys", "export"), ("tx", "send"), ("signer", "reset")} <= set(COMMANDS)
    assert len(COMMANDS) == len(set(COMMANDS)) >= 19


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example_of_it(gtx: Gtx, path: tuple[str, ...]) -> None:
    done = gtx.run(*path, "--help")
    assert (done.status, done.err) == (0, "")
    usage, _, rest = done.out.partition("For example:")
    assert usage.startswith(f"Usage: gtx {' '.join(path)}")
    example = re.compile(rf"^ *gtx {' '.join(path)}( |$)", re.MULTILINE)
    assert example.search(rest), "no example"
    if path != ("completion",):
        assert "--json" in done.out


@pytest.mark.parametrize("words", [(), ("tx", "--help")])
def test_a_list_of_commands_says_what_each_does(gtx: Gtx, words: tuple[str, ...]) -> None:
    done = gtx.start(*words)
    assert done.status == 0
    listed = {path[len(words[:1])] for path in COMMANDS if path[: len(words[:1])] == words[:1]}
    for name in sorted(listed):
        assert re.search(rf"^│ {name} +[A-Z][a-z]+", done.out, re.MULTILINE), name


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_refuses_an_option_that_it_does_not_have(
    gtx: Gtx, path: tuple[str, ...]
) -> None:
    done = gtx.run(*path, "--no-such-option")
    assert (done.status, done.out) == (ExitCode.USAGE, "")
    error, help_ = done.err.splitlines()
    assert error.startswith("error: ")
    assert help_.startswith("help: ")


@pytest.mark.parametrize(
    ("line", "error", "help_"),
    [
        ("blok", "gtx has no command 'blok'", "did you mean block?"),
        ("keys lst", "gtx keys has no command 'lst'", "did you mean list?"),
        ("tx sned", "gtx tx has no command 'sned'", "did you mean send?"),
        ("wxyz", "gtx has no command 'wxyz'", "commands are account, "),
        ("block --ful", "gtx block has no option --ful", "did you mean --full?"),
        ("block 1 2", "gtx block does not take '2'", "see gtx block --help"),
        ("block one", 'Invalid value for HEIGHT: unable to convert "one" into int.', "see gtx"),
        ("keys show", "gtx keys show needs NAME", "see gtx keys show --help"),
        ("call credt.transfer --key a", "there is no contract 'credt'", "credit.transfer?"),
        ("call credit.transfr --key a", "credit has no call 'transfr'", "credit.transfer?"),
        ("call credit.account --key a", "credit.account is no call", "use: gtx query credit.acc"),
        ("query credit.transfer", "credit.transfer is no query", "use: gtx call credit.transfer"),
        ("query credit", "which of credit's?", "credit.account, credit.total_supply"),
        ("query nothing.at.all", "there is no contract 'nothing'", "contracts are schedule, "),
        ("contracts credt", "there is no contract 'credt'", "did you mean credit?"),
        ("call credit.transfer x 1 --kay a", "gtx call has no option --kay", "mean --key?"),
        ("call credit.transfer x 1 --key a --dri-run", "no option --dri-run", "gtx call --help"),
        ("call credit.transfer --key a", "takes 2 to 3 arguments, not 0", "recipient:address amo"),
        ("query credit.account", "takes 1 argument, not 0", "account:address"),
        (
            "call credit.transfer to=x amount_uthb=5 --key a",
            "credit.transfer has no argument 'to'",
            "it takes: credit.transfer recipient:address",
        ),
        (
            "call credit.transfer recipent=x amount_uthb=5 --key a",
            "credit.transfer has no argument 'recipent'",
            "did you mean recipient?",
        ),
        (
            "account gtx1xyz",
            "an address has 42 characters, this has 7",
            "an address begins with gtx1",
        ),
        ("account devnet/acount-0", "nobody of a devnet is called 'devnet/acount-0'", "account-N"),
        ("account devnet/account-01", "nobody of a devnet is called", "metering-operator"),
        ("tx status 12", "'12' is no id", "an id is 64 hex digits"),
        ("tx send zz!", "no signed transaction", "gtx call … --sign-only"),
        ("block --rpc-url here", "'here' is no address of a node", "--rpc-url http://"),
        ("account nobody", "there is no key called 'nobody'", "gtx keys list"),
        ("devnet --accounts 0", "--accounts 0: it lies in 1 … 1000", ""),
        ("completion csh", "csh", "see gtx completion --help"),
    ],
)
def test_a_wrong_command_line_is_explained(gtx: Gtx, line: str, error: str, help_: str) -> None:
    done = gtx.run(*line.split())
    assert done.out == ""
    assert done.status in {ExitCode.USAGE, ExitCode.KEY}
    first, *rest = done.err.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert help_ in " ".join(rest)
    as_json = gtx.run(*line.split(), "--json")
    if not line.startswith("completion"):
        assert as_json.error["message"] in first
    assert as_json.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("credit.transfer", "gtx1x", "5"), "recipient: an address has 42 characters"),
        (("credit.transfer", ALICE, "-5"), "amount_uthb: -5 is outside 0 … 9223372036854775807"),
        (("credit.transfer", ALICE, "9223372036854775808"), "amount_uthb: integer of 64 bits is"),
        (("credit.transfer", ALICE, "1.0"), "amount_uthb: '1.0' is not an integer"),
        (("credit.transfer", ALICE, "True"), "amount_uthb: 'True' is not an integer"),
        (("credit.transfer", ALICE, "5", "xyz"), "memo: 'xyz' is not an even number of hex digits"),
        (("credit.transfer", f"recipient={ALICE}", f"recipient={ALICE}"), "recipient is given twi"),
        (("orders.submit_orders", "[{"), "orders: not JSON"),
        (("orders.submit_orders", "{}"), "orders: an object is not an array"),
        (("orders.submit_orders", '[{"market": 1}]'), "orders[0]: no start_s"),
        (("orders.submit_orders", "@missing.json"), "orders: cannot read missing.json"),
        (("orders.submit_orders", "[" * 100_000), "orders: not JSON"),
    ],
)
def test_a_wrong_argument_is_named_with_its_place(
    gtx: Gtx, arguments: tuple[str, ...], message: str
) -> None:
    done = gtx.run("call", *arguments, "--key", "devnet/account-0")
    assert (done.status, done.out) == (ExitCode.USAGE, "")
    assert f"error: {message}" in done.err
    assert "help: " in done.err or "cannot read" in done.err


def test_options_of_every_command_may_stand_before_it(gtx: Gtx) -> None:
    before = gtx.run("--json", "--home", "elsewhere", "keys", "list")
    assert before.json == gtx.run("keys", "list", "--home=elsewhere", "--json").json == {"keys": []}


def test_the_command_starts_as_a_process_of_its_own(gtx: Gtx) -> None:
    done = gtx.start("version", "--json")
    assert (done.status, done.json["version"]) == (0, VERSION)
    misspelt = gtx.start("versoin")
    assert (misspelt.status, misspelt.out) == (ExitCode.USAGE, "")
    assert misspelt.err == "error: gtx has no command 'versoin'\nhelp: did you mean version?\n"


def test_the_version_is_the_packages() -> None:
    assert pyproject()["project"]["version"] == VERSION
    assert pyproject()["project"]["scripts"] == {"gtx": "node.cli:main"}


def test_contracts_are_listed_with_what_they_take(gtx: Gtx) -> None:
    names = [one["name"] for one in gtx.json("contracts")]
    assert {"credit", "orders", "auction"} <= set(names)
    (transfer,) = gtx.json("contracts", "credit.transfer")
    assert transfer["usage"] == "credit.transfer recipient:address amount_uthb:µTHB memo:hex"
    human = gtx.run("contracts", "orders").out
    assert "gtx call orders.submit_orders orders:[{market:integer" in human
    assert "gtx query orders.depth" in human


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_methods(gtx: Gtx, shell: str) -> None:
    script = gtx.run("completion", shell).out
    for word in ("devnet", "signer", "credit.transfer", "orders.depth", "rpc-url"):
        assert word in script


def test_the_completion_of_bash_is_a_script_that_bash_reads(gtx: Gtx) -> None:
    script = gtx.run("completion", "bash").out
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert completion.__doc__ is not None


def test_what_comes_from_outside_cannot_act_on_the_terminal(gtx: Gtx) -> None:
    done = gtx.run("blok\x1b]0;title\x07")
    assert "\x1b" not in done.err
    assert "\x07" not in done.err


def test_an_error_is_one_line_of_json(gtx: Gtx) -> None:
    done = gtx.run("block", "--rpc-url", "here", "--json")
    (line,) = done.err.splitlines()
    error = json.loads(line)["error"]
    assert set(error) == {"name", "message", "help", "values", "exit_code"}
    assert error["exit_code"] == done.status == ExitCode.USAGE


def test_the_reference_is_up_to_date_with_the_commands() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert page == reference(), "python -m node.cli.reference > docs/reference/cli.md"
    assert str(ROOT) not in page
    for path in COMMANDS:
        assert f"# gtx {' '.join(path)}\n" in page
    for code in ExitCode:
        assert f"| {int(code)} | {code.name} |" in page


@pytest.mark.parametrize("line", ["call credit.transfer --help", "query credit.account -h"])
def test_help_behind_a_method_says_what_the_method_takes(gtx: Gtx, line: str) -> None:
    verb, method, _ = line.split()
    done = gtx.run(*line.split())
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"gtx {verb} {method} ")
    assert f"gtx {verb} --help" in done.out
    assert gtx.json(*line.split()[:-1], "--help")[0]["name"] == method


def test_help_of_a_command_is_not_that_of_a_method(gtx: Gtx) -> None:
    for line in ("call --help", "call -h credit.transfer", "query --help"):
        assert "Usage: gtx" in gtx.run(*line.split()).out


def test_examples_in_help_name_arguments_that_there_are() -> None:
    example = re.compile(r"gtx (call|query) (\w+\.\w+)([^\n]*)")
    seen = 0
    for path in [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]:
        for verb, name, rest in example.findall(path.read_text()):
            _, method = find(name, Kind.CALL if verb == "call" else Kind.QUERY)
            given = {word.partition("=")[0] for word in rest.split() if "=" in word}
            names = {one for one in given if one.isidentifier()}
            assert names <= {argument for argument, _ in method.arguments}, f"{path.name}: {name}"
            seen += len(names)
    assert seen >= 3
