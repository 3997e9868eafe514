"""The precommits that made the parent final: those of its certificate, and late ones.

A proposer puts every precommit it holds into its block, so that whoever signed in time, or nearly,
is counted. (PROTOCOL §2.)
"""

from chain.validators import ValidatorSet
from chain.votes import Certificate, Step, Vote


class ParentVotes:
    """One certificate that grows; at most one vote a validator of the parent's set."""

    def __init__(
        self, chain_id: bytes, validators: ValidatorSet, certificate: Certificate | None
    ) -> None:
        """Begin with a verified certificate; None for the genesis, which nobody signed."""
        self._chain_id = chain_id
        self.validators = validators
        self._certificate = certificate
        self._votes: dict[bytes, Vote] = {}
        if certificate is not None:
            votes = certificate.votes(Step.PRECOMMIT, validators)
            self._votes = {vote.validator: vote for vote in votes}

    def lacks(self, vote: Vote) -> bool:
        """Say whether this vote would belong into the certificate; its signature is not checked."""
        known = self._certificate
        return (
            known is not None
            and vote.step is Step.PRECOMMIT
            and (vote.height, vote.round, vote.block_id)
            == (known.height, known.round, known.block_id)
            and vote.validator not in self._votes
            and vote.validator in self.validators.index_of
        )

    def add(self, vote: Vote) -> None:
        """Add a verified vote that is lacking."""
        assert self.lacks(vote), "not a late precommit for the parent"
        self._votes[vote.validator] = vote

    def certificate(self) -> Certificate | None:
        """Return the certificate with every precommit that is held."""
        known = self._certificate
        if known is not None and len(known.signatures) < len(self._votes):
            self._certificate = Certificate.of(self._chain_id, self.validators, self._votes)
        return self._certificate
