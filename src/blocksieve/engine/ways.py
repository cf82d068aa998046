"""The ways of answering a batch, as sets of ingredients, and the ladder of those that are tried."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """A set of ingredients. Each can be switched off: answers stay the same, and come slower.

    `view`: the one model with blocks left out for a call, in place of a copy without them.
    `replay`: calls of blocks below which combinations agree run once.
    `encoder_memo`: modules before the blocks, such as the vision tower, run once per input.
    `prefixes`: what prompts about the same images begin with runs once.
    `drafts`: likely answers are verified in one pass in place of being decoded.
    `merge_continuations`: rows whose draft was wrong go on together with those of other
    combinations.
    """

    name: str
    view: bool = True
    replay: bool = True
    encoder_memo: bool = True
    prefixes: bool = True
    drafts: bool = True
    merge_continuations: bool = True

    def __post_init__(self) -> None:
        if not self.view and self.intercepts:
            raise ValueError(f"way {self.name}: copies of the model have nothing to share")

    @property
    def decodes_natively(self) -> bool:
        """Whether the model's own `generate` chooses the tokens.

        It does unless an ingredient needs a decoding of our own.
        """
        needs_our_own = self.prefixes or self.drafts or self.merge_continuations
        return not needs_our_own

    @property
    def intercepts(self) -> bool:
        """Whether calls of blocks and encoders go through handlers, which also count the work."""
        remembers = self.replay or self.encoder_memo
        # Our own decoding runs the blocks on rows of several combinations.
        return remembers or not self.decodes_natively


# The names of ways are written to logs and to the metadata of shards.
PREFIXES = Way("prefixes")
DRAFTS = Way("drafts", prefixes=False)
PREFILL = Way("prefill", prefixes=False, drafts=False, merge_continuations=False)
VIEW = Way(
    "view",
    replay=False,
    encoder_memo=False,
    prefixes=False,
    drafts=False,
    merge_continuations=False,
)
REFERENCE = Way(
    "reference",
    view=False,
    replay=False,
    encoder_memo=False,
    prefixes=False,
    drafts=False,
    merge_continuations=False,
)
# Fastest first. An engine takes the first way that a self-check finds to answer as the last does.
LADDER = (PREFIXES, DRAFTS, PREFILL, VIEW, REFERENCE)
