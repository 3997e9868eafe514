"""`gtx signer`: the guard that keeps a validator from signing twice."""

from typing import Annotated

from cyclopts import Parameter

from chain.genesis import run_genesis
from chain.store import MemoryState
from chain.validators import ValidatorSet
from contracts.kernel.errors import StorageError
from node.cli.common import DEFAULTS, Common
from node.cli.confirm import Yes, confirm
from node.cli.output import answer, facts
from node.explained import failures_explained
from node.failure import ExitCode, Failure
from node.home import Home
from node.leveldb import LevelStore
from node.loading import load_config, load_genesis
from node.logs import set_up_logs
from node.recovery import ALONE, lost_blocks
from node.signer_reset import refuse_other_genesis, reset_signer, signer_state
from node.validator_key import ValidatorKey


def status(*, common: Common = DEFAULTS) -> None:
    """Say whether this validator may sign, and what it has signed last.

    For example:

    ```
    gtx signer status
    gtx signer status --home north --json
    ```
    """
    home = common.place()
    genesis, key = load_genesis(home), ValidatorKey.load(home)
    paths = home.signer_paths(genesis.chain_id, key.seed)
    state = signer_state(paths, genesis.chain_id, key.public_key)
    form = {
        "consensus_key": key.public_key.hex(),
        "may_sign": state.fault is None,
        "fault": state.fault,
        "highest_height": state.highest,
    }
    answer(form, as_json=common.json, lines=facts(list(form.items())))


def reset(
    *,
    above: Annotated[int, Parameter(help="The key has never signed above this height.")],
    others_lost: Annotated[
        bool,
        Parameter(
            negative="",
            help="More than a third of the validators lost their logs, so none can release others.",
        ),
    ] = False,
    yes: Yes = False,
    common: Common = DEFAULTS,
) -> None:
    """Let a validator sign again whose log or last-signed file is lost or damaged.

    Nobody but you knows then what it has signed. If it signed above the height you give, it may
    sign another block at the same height: that is the fault for which validators are expelled, and
    with enough of them the chain splits. The old files are put aside, not deleted.

    Where a quorum of other validators exists, they release it by themselves: this is refused.

    For example:

    ```
    gtx signer status
    gtx signer reset --above 81210
    ```
    """
    home = common.place()
    set_up_logs(load_config(home).log)
    genesis, key = load_genesis(home), ValidatorKey.load(home)
    paths = home.signer_paths(genesis.chain_id, key.seed)
    with failures_explained(), home.locked():
        refuse_other_genesis(paths, genesis.chain_id, key.public_key)
        state = signer_state(paths, genesis.chain_id, key.public_key)
        if state.fault is None:
            raise Failure(
                ExitCode.SIGNER,
                "log and last-signed file are whole: this validator may sign",
                "nothing is to be reset; start it with gtx run",
            )
        validators = run_genesis(genesis, MemoryState()).validators
        _refuse_where_others_can_release(validators, others_lost=others_lost)
        _refuse_what_the_chain_denies(validators, _tip_height(home), state.highest, above)
        confirm(
            f"Consensus key {key.public_key.hex()} of chain {genesis.name!r} will sign again from "
            f"height {above + 1}.\nIf it has ever signed above {above}, on any machine, two blocks "
            "can become final at one height.\nAre you certain that it has not?",
            yes=yes,
        )
        aside = reset_signer(paths, genesis.chain_id, key.public_key, above)
    form = {
        "consensus_key": key.public_key.hex(),
        "signs_above": above,
        "put_aside": [str(path) for path in aside],
    }
    answer(form, as_json=common.json, lines=facts(list(form.items())))


def _refuse_what_the_chain_denies(
    validators: ValidatorSet, tip: int, highest: int, above: int
) -> None:
    if validators.size == ALONE and highest > tip:
        raise StorageError(lost_blocks(tip, highest))
    if above < tip:
        raise Failure(
            ExitCode.SIGNER,
            f"this home holds the chain up to height {tip}, which the key may have signed",
            f"give --above {tip} or more" if validators.size > ALONE else f"give --above {tip}",
        )
    if validators.size == ALONE and above > tip:
        raise Failure(
            ExitCode.SIGNER,
            f"the chain stands at height {tip}, and nobody but this validator can carry it above "
            f"{above}, so it would never go on",
            f"give --above {tip} if it has signed nothing above that; else put back a data folder "
            "that reaches what it signed",
        )


def _refuse_where_others_can_release(validators: ValidatorSet, *, others_lost: bool) -> None:
    if validators.size - 1 < validators.quorum or others_lost:
        return
    raise Failure(
        ExitCode.SIGNER,
        f"{validators.size - 1} other validators can release this one, which needs no one's word",
        "start it and wait; if too many of them lost their logs as well, give --others-lost",
    )


def _tip_height(home: Home) -> int:
    """Return the height of the stored chain, 0 if there is none; a damaged one counts as none."""
    if not home.database.exists():
        return 0
    store = LevelStore(home.database)
    try:
        return store.tip_height() or 0
    finally:
        store.close()
