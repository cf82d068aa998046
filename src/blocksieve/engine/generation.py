"""All that the engine needs of transformers and torch beyond their documented interfaces.

Each function stands for one private or undocumented thing, and says why no public one will do.
The rest of the engine calls these functions only, and knows of no version. What differs between
versions is a name, chosen by what the installed library has. tests/unit/test_generation.py checks
that the installed libraries have every name used here, so that a new release fails in one place.
"""

import copy
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
from transformers import (
    Cache,
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    GenerationMixin,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    RepetitionPenaltyLogitsProcessor,
)
from transformers.cache_utils import (
    CacheLayerMixin,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionCacheLayerMixin,
    LinearAttentionLayer,
)
from transformers.generation import utils as generation_utils
from transformers.utils import ModelOutput

from blocksieve.engine.attempt import UnsupportedError
from blocksieve.engine.nested import cloned, tensors_in

ModelArguments = dict[str, object]
"""Keyword arguments of a model's forward, as `generate` keeps them between steps."""

LayerState = dict[str, object]
"""What a cache layer holds, by the name of its attribute."""


# ---- versions -----------------------------------------------------------------------------------

# The oldest and the newest transformers that the tests run on: the floor in pyproject.toml, and
# what constraints.txt pins.
TESTED_VERSIONS = ("5.22.0", "5.24.0")

# Owner, and a name that it must have.
PRIVATE_NAMES: list[tuple[object, str]] = [
    (GenerationMixin, "_get_logits_processor"),
    (GenerationMixin, "_prefill"),
    (GenerationMixin, "_update_model_kwargs_for_generation"),
    (GenerationMixin, "_sample"),
    (GenerationMixin, "prepare_inputs_for_generation"),
    (generation_utils, "MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL"),
    (DynamicCache, "activate_past_recording"),
    (DynamicCache, "get_seq_length"),
    (EncoderDecoderCache, "activate_past_recording"),
    (DynamicLayer, "batch_select_indices"),
    (DynamicLayer, "lazy_initialization"),
    (DynamicLayer, "update"),
    (DynamicLayer, "is_sliding"),
    (DynamicSlidingWindowLayer, "batch_select_indices"),
    (LinearAttentionLayer, "reorder_cache"),
]


def _parameters(owner: object, name: str) -> set[str]:
    function = getattr(owner, name, None)
    return set(inspect.signature(function).parameters) if callable(function) else set()


def _cache_argument() -> str:
    """Return by which name `generate` and `forward` know the cache; 5.24 renamed it to `cache`."""
    parameters = _parameters(GenerationMixin, "prepare_inputs_for_generation")
    return "cache" if "cache" in parameters else "past_key_values"


CACHE_ARGUMENT = _cache_argument()

# Owner, one of its functions, and arguments that it must take.
PRIVATE_ARGUMENTS: list[tuple[object, str, set[str]]] = [
    (GenerationMixin, "generate", {"custom_generate"}),
    # What a custom_generate function is called with, and what it may name.
    (
        GenerationMixin,
        "_sample",
        {"input_ids", "logits_processor", "stopping_criteria", "generation_config"},
    ),
    (GenerationMixin, "_prefill", {"input_ids", "generation_config", "model_kwargs"}),
    (
        GenerationMixin,
        "_update_model_kwargs_for_generation",
        {"outputs", "model_kwargs", "is_encoder_decoder"},
    ),
    (
        GenerationMixin,
        "prepare_inputs_for_generation",
        {"input_ids", "next_sequence_length", CACHE_ARGUMENT},
    ),
]


def missing_names() -> list[str]:
    """Return what the installed transformers lacks of what this module calls."""
    missing = []
    for owner, name in PRIVATE_NAMES:
        if not hasattr(owner, name):
            missing.append(name)
    for owner, name, needed in PRIVATE_ARGUMENTS:
        for argument in sorted(needed - _parameters(owner, name)):
            missing.append(f"{name}({argument})")
    return missing


def _penalty_knows_rows() -> bool:
    """Whether a penalty on repetition can be told where each row begins: from 5.23 on."""
    row_begins = torch.zeros(1, dtype=torch.long)  # (rows,)
    try:
        RepetitionPenaltyLogitsProcessor(1.5, row_begins)
    except ValueError:
        return False
    return True


def version_problem(settings: GenerationConfig) -> str | None:
    """Return why a model with these settings may be slower than on a newer or older transformers.

    None if nothing is missing.
    """
    missing = missing_names()
    if settings.repetition_penalty not in (None, 1.0) and not _penalty_knows_rows():
        missing.append("RepetitionPenaltyLogitsProcessor(prompt_ignore_length by row)")
    if not missing:
        return None
    oldest, newest = TESTED_VERSIONS
    return (
        f"transformers {transformers.__version__} lacks {', '.join(missing)}, so that the engine "
        f"may be slow; it is tested with {oldest} to {newest}"
    )


# ---- generate -----------------------------------------------------------------------------------


@contextmanager
def extra_processors(
    model: PreTrainedModel, processors: Sequence[LogitsProcessor]
) -> Iterator[None]:
    """Let these processors see the scores of every step that the model generates, after all others.

    Stands for `_get_logits_processor`. The public argument `logits_processor` of `generate` is not
    enough: some models' own generate drops it, or hands over to a part of the model without it.
    """
    generators = [module for module in model.modules() if isinstance(module, GenerationMixin)]
    for module in generators:
        vars(module)["_get_logits_processor"] = _with_more(module._get_logits_processor, processors)
    try:
        yield
    finally:
        for module in generators:
            del vars(module)["_get_logits_processor"]


def _with_more(
    get_processors: Callable[..., LogitsProcessorList], processors: Sequence[LogitsProcessor]
) -> Callable[..., LogitsProcessorList]:
    @functools.wraps(get_processors)
    def call(*args: object, **kwargs: object) -> LogitsProcessorList:
        """Return the model's processors, and then the others."""
        models_own = get_processors(*args, **kwargs)
        return LogitsProcessorList([*models_own, *processors])

    return call


def generate_greedily(
    model: PreTrainedModel,
    inputs: Mapping[str, torch.Tensor],
    max_new_tokens: int,
    processors: Sequence[LogitsProcessor] = (),
    **options: object,
) -> torch.Tensor:
    """Return what the model's own `generate` gives (rows, width): in most models prompts + answers.

    `processors` see every step, see `extra_processors`.
    """
    # Some models write into their inputs, which other combinations still need.
    copies = {name: value.clone() for name, value in inputs.items()}
    with extra_processors(model, processors):
        output: torch.Tensor = model.generate(
            **copies,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            **options,
        )
    return output


@dataclass(frozen=True)
class Prepared:
    """All that `generate` works out before it decodes.

    `model` is the module that decodes: a part of the model where its own generate hands over to
    one. `input_ids`: (rows, width). `arguments` of forward hold the cache too.
    """

    model: PreTrainedModel
    input_ids: torch.Tensor
    processors: list[LogitsProcessor]
    settings: GenerationConfig
    arguments: ModelArguments

    @property
    def suits_all_combinations(self) -> bool:
        """Whether nothing but the cache depends on the combination."""
        cache = self.arguments.get(CACHE_ARGUMENT)
        # Other caches hold states already, such as those of an encoder.
        return type(cache) is DynamicCache

    def with_empty_cache(self) -> "Prepared":
        """Return the same with a cache of its own, as many layers as the model has blocks now."""
        cache = empty_cache(self.model)
        arguments = self.arguments | {CACHE_ARGUMENT: cache}
        return replace(self, arguments=arguments)


def prepare(
    model: PreTrainedModel, inputs: Mapping[str, torch.Tensor], max_new_tokens: int
) -> Prepared:
    """Return what `generate` would decode with, without decoding.

    Stands for the keywords that `generate` passes to a `custom_generate` function. That argument
    is public, but its keywords are not; and no public function gives the processors, masks and
    positions that `generate` prepares, which a model's own generate may change on the way.
    """
    prepared = []

    # Exactly these names: `generate` compares the signature with that of its own decoding methods
    # and takes names that it does not know out of the model's arguments.
    def keep(
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: object,
        generation_config: GenerationConfig,
        **arguments: object,
    ) -> torch.Tensor:
        """Keep what a decoding method is called with, and decode nothing."""
        prepared.append(
            Prepared(
                model=model,
                input_ids=input_ids,
                processors=list(logits_processor),
                settings=generation_config,
                arguments=arguments,
            )
        )
        return input_ids

    generate_greedily(model, inputs, max_new_tokens, custom_generate=keep)
    if not prepared:
        raise UnsupportedError("its own generate leaves no room for another decoding method")
    return prepared[0]


def run_prompts(prepared: Prepared) -> ModelOutput:
    """Return the model's output on the prompts; their keys and values are in its cache afterwards.

    Stands for `_prefill`, which cuts the first pass into chunks where the settings ask for it and
    marks it as the first, so that images are read. `forward` alone does neither.
    """
    return prepared.model._prefill(
        prepared.input_ids,
        prepared.settings,
        prepared.arguments,
    )


def cache_of(outputs: ModelOutput) -> Cache:
    """Return the cache that a model's output hands on."""
    cache: Cache = getattr(outputs, CACHE_ARGUMENT)
    return cache


def grow_arguments(
    model: PreTrainedModel, arguments: ModelArguments, num_tokens: int
) -> ModelArguments:
    """Return arguments that cover as many tokens more: masks, positions, token types.

    Stands for `_update_model_kwargs_for_generation`, where a model says which of its arguments
    grow with a token, and how. There is no public function for it.
    """
    arguments = dict(arguments)  # it is grown in place
    # One by one: some arguments grow by their last value, and models override it for one token.
    for _ in range(num_tokens):
        arguments = model._update_model_kwargs_for_generation(
            ModelOutput(), arguments, is_encoder_decoder=model.config.is_encoder_decoder
        )
    return arguments


def without_images(arguments: ModelArguments) -> ModelArguments:
    """Return the arguments that passes after the first one need: neither images nor the cache.

    Stands for MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL, the list by which `generate` itself drops
    pixels after the first pass. Which arguments are images, no public list says.
    """
    images = generation_utils.MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL
    dropped = {CACHE_ARGUMENT, *images}
    kept = {}
    for name, value in arguments.items():
        if name not in dropped:
            kept[name] = value
    return kept


def score_unread(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    num_unread: int,
    cache: Cache,
    arguments: ModelArguments,
) -> torch.Tensor:
    """Read the last `num_unread` of `input_ids` (rows, width) and return logits after them.

    The result has (rows, tokens, vocabulary); how many tokens, `logits_to_keep` decides where the
    model knows it. Stands for the undocumented `next_sequence_length` of
    `prepare_inputs_for_generation`, which cuts every argument down to the unread tokens.
    """
    arguments = arguments | {CACHE_ARGUMENT: cache}  # they may hold another one
    inputs = model.prepare_inputs_for_generation(
        input_ids, next_sequence_length=num_unread, **arguments
    )
    if "logits_to_keep" in arguments:
        # Some models' preparation puts a number of its own in its place.
        inputs["logits_to_keep"] = arguments["logits_to_keep"]
    logits: torch.Tensor = model(**inputs, return_dict=True).logits
    return logits


# ---- caches -------------------------------------------------------------------------------------


@dataclass
class KeysValues:
    """Keys and values of some rows in one cache layer, right-aligned.

    Both are (rows, heads, tokens, width); their widths may differ.
    """

    keys: torch.Tensor
    values: torch.Tensor


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A cache layer with room for tokens to come: to add one copies no other, but every so often.

    Stands for `update` and `batch_select_indices`, since a `DynamicLayer` copies all its keys and
    values with every token. `keys` and `values` are views of `room`, as far as that is filled.
    """

    keys: torch.Tensor
    values: torch.Tensor
    room: KeysValues | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add keys and values (rows, heads, added tokens, width), and return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        first = self.keys.shape[2]
        end = first + key_states.shape[2]
        if self.room is None or end > self.room.keys.shape[2]:
            self.room = KeysValues(_with_room(self.keys, end), _with_room(self.values, end))
        self.room.keys[:, :, first:end] = key_states
        self.room.values[:, :, first:end] = value_states
        self.keys = self.room.keys[:, :, :end]
        self.values = self.room.values[:, :, :end]
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows."""
        super().batch_select_indices(indices)
        self.room = None


# How many tokens a layer has room for beyond those that it needs.
SPARE_TOKENS = 32


def _with_room(states: torch.Tensor, num_tokens: int) -> torch.Tensor:
    """Return a copy of states (rows, heads, tokens, width) with room for more tokens."""
    rows, heads, stored, width = states.shape
    room = states.new_empty(rows, heads, num_tokens + SPARE_TOKENS, width)
    room[:, :, :stored] = states
    return room


def give_room(cache: Cache) -> None:
    """Let those layers of an empty cache that keep all tokens grow without copies."""
    for position, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            cache.layers[position] = RoomyLayer()


def empty_cache(model: PreTrainedModel) -> DynamicCache:
    """Return a cache without tokens, of the kind that `generate` makes for this model."""
    config = model.config.get_text_config(decoder=True)
    # Without the config every layer would keep all tokens, also those of a sliding window.
    return DynamicCache(config=config)


def keep_past_of_windows(cache: Cache) -> None:
    """Let sliding windows keep all tokens that are read from now on, so that some can be undone.

    Stands for `activate_past_recording`; otherwise a layer forgets what leaves its window.
    """
    cache.activate_past_recording()


def narrowest_window(model: PreTrainedModel) -> int | None:
    """Return how many tokens the block sees that sees the fewest; None if all see all of them.

    Stands for `is_sliding` and `sliding_window` of the cache's layers, which transformers sets from
    whatever a config calls its windows and chunks.
    """
    layers = empty_cache(model).layers
    # Layers that hold something else than keys and values do not say.
    sliding = [layer for layer in layers if getattr(layer, "is_sliding", False)]
    return min((layer.sliding_window for layer in sliding), default=None)


def layers_at(cache: Cache, position: int) -> list[CacheLayerMixin]:
    """Return the layers of a cache at a block's position: one, two with cross-attention, or none.

    Stands for `layer_class_to_replicate`: some caches make their layers when a block first writes,
    and a replayed block never writes.
    """
    if isinstance(cache, EncoderDecoderCache):
        self_attention = layers_at(cache.self_attention_cache, position)
        cross_attention = layers_at(cache.cross_attention_cache, position)
        return self_attention + cross_attention
    make_layer = cache.layer_class_to_replicate
    if make_layer is not None:
        while len(cache.layers) <= position:
            cache.layers.append(make_layer())
    # A slice: empty where the cache has no layer for the block.
    return list(cache.layers[position : position + 1])


def layer_state(layer: CacheLayerMixin) -> LayerState:
    """Return what a cache layer holds, such that later writes do not change it.

    Stands for the layer's attributes, of which each kind has its own; no method gives them out.
    """
    if is_recurrent(layer):
        # Recurrent states are overwritten in place.
        return _copied_state(vars(layer))
    # Keys and values grow by concatenation, which leaves the tensors as they are.
    return dict(vars(layer))


def restore_layer(layer: CacheLayerMixin, state: Mapping[str, object]) -> None:
    """Put a cache layer into a state that `layer_state` returned, which stays as it is."""
    if is_recurrent(layer):
        state = _copied_state(state)
    vars(layer).update(state)


def recurrent_states(cache: Cache) -> dict[int, LayerState]:
    """Return what the recurrent layers of a cache hold, by their position."""
    if isinstance(cache, EncoderDecoderCache):
        return {}  # keys and values alone
    states = {}
    for position, layer in enumerate(cache.layers):
        if is_recurrent(layer):
            states[position] = layer_state(layer)
    return states


def is_recurrent(layer: CacheLayerMixin) -> bool:
    """Whether a cache layer holds states that sum up all tokens, as convolutions and scans do.

    No token can be taken out of such a state.
    """
    return isinstance(layer, LinearAttentionCacheLayerMixin)


def _copied_state(state: Mapping[str, object]) -> dict[str, object]:
    return {name: cloned(value) for name, value in state.items()}


def mark_cross_attention_done(cache: Cache, position: int) -> None:
    """Tell an encoder-decoder cache that it holds the encoder's keys and values for a block.

    Stands for `is_updated`, which a block sets when it writes them and asks before it does so.
    """
    if isinstance(cache, EncoderDecoderCache):
        cache.is_updated[position] = True


def select_rows(layer: CacheLayerMixin, rows: torch.Tensor) -> None:
    """Keep these rows of a cache layer, in this order and as often as they come; `rows`: (kept,).

    Stands for `batch_select_indices`, since the cache's public reordering is for beams alone; but
    recurrent layers have nothing else.
    """
    if is_recurrent(layer):
        layer.reorder_cache(rows)
    else:
        layer.batch_select_indices(rows)


def read_layer(layer: CacheLayerMixin) -> tuple[KeysValues, int | None] | None:
    """Return a layer's keys and values, and the tokens that its window keeps (None: all).

    None for a layer without any. Stands for `is_initialized`, `keys`, `values` and
    `sliding_window`: rows can be read out of a cache in no other way. UnsupportedError for layers
    whose content is something else.
    """
    # A layer of a block that reuses the keys and values of another block is never filled.
    if not getattr(layer, "is_initialized", True):
        return None
    # Exactly these: what a subclass holds besides would be lost.
    if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
        raise UnsupportedError(f"a {type(layer).__name__} cannot be cut back row by row")
    kept_tokens = layer.sliding_window - 1 if layer.is_sliding else None
    return KeysValues(layer.keys, layer.values), kept_tokens


def recurrent_rows(layer: CacheLayerMixin, rows: torch.Tensor) -> CacheLayerMixin:
    """Return a copy of a recurrent layer with these rows alone; `rows`: (kept,).

    UnsupportedError for layers that hold keys and values besides.
    """
    if type(layer) is not LinearAttentionLayer:
        raise UnsupportedError(f"a {type(layer).__name__} cannot be cut back row by row")
    copied = copy.copy(layer)
    restore_layer(copied, vars(layer))
    select_rows(copied, rows)
    return copied


def join_recurrent_rows(
    layer: CacheLayerMixin, parts: list[tuple[int, CacheLayerMixin | None]]
) -> None:
    """Fill an empty recurrent layer with the rows of several layers, one part's after the other's.

    A part is its number of rows and its layer; zeros stand for one that is lacking. Stands for the
    states themselves, by number, since no method gives them out or puts them in.
    """
    present = [part for _, part in parts if part is not None]
    if not present:
        return
    restore_layer(layer, vars(present[0]))
    for name in ("conv_states", "recurrent_states"):
        for number, like in getattr(layer, name).items():
            if like is None:
                continue
            states = []  # (rows, ...) each
            for num_rows, part in parts:
                if part is None:
                    states.append(like.new_zeros(num_rows, *like.shape[1:]))
                else:
                    states.append(getattr(part, name)[number])
            getattr(layer, name)[number] = torch.cat(states)


def stored_tokens(layer: CacheLayerMixin, num_read: int) -> int:
    """Return how many tokens a cache layer holds of as many read.

    Stands for `sliding_window`.
    """
    if not layer.is_sliding:
        return num_read
    # The token that looks back takes one place of the window itself.
    window: int = layer.sliding_window
    return min(num_read, window - 1)


def fill_layer(layer: CacheLayerMixin, content: KeysValues, num_read: int) -> None:
    """Put keys and values into an empty cache layer, which has then read `num_read` tokens.

    Stands for `lazy_initialization` and `update`: `update` would count the stored tokens as the
    read ones, but a sliding window has read more than it stores.
    """
    layer.keys = content.keys
    layer.values = content.values
    layer.dtype = content.keys.dtype
    layer.device = content.keys.device
    layer.is_initialized = True
    if layer.is_sliding:
        layer.cumulative_length = num_read


def count_skipped_token(layer: CacheLayerMixin) -> None:
    """Let a cache layer count a token that its block did not read, by repeating its first entry.

    The model may ask any layer how many tokens there are. Stands for `update` on the layer itself.
    """
    if is_recurrent(layer):
        return  # it counts none
    keys = layer.keys[:, :, :1]  # (rows, heads, 1, width)
    values = layer.values[:, :, :1]
    layer.update(keys, values)


# ---- torch --------------------------------------------------------------------------------------


def write_counts(output: object) -> list[int]:
    """Return how often each tensor in an output was written to in place.

    Stands for the tensors' `_version`, by which autograd notices the same. Without it, each output
    would have to be copied and compared.
    """
    return [tensor._version for tensor in tensors_in(output)]


def flop_counter() -> FlopCounterMode:
    """Return torch's FLOP counter, with the operations that it does not know.

    Stands for their names in `torch.ops.aten`, and for `sdpa_flop_count`: the public counter knows
    the attention kernels of GPUs only, and no grouped products, by which experts run.
    """
    unknown_operations = {
        # Operation, and what counts it.
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
        torch.ops.aten._grouped_mm: _grouped_product_flops,
    }
    return FlopCounterMode(display=False, custom_mapping=unknown_operations)


# The counter hands over shapes in place of tensors.
def _attention_flops(
    query: torch.Size,  # (rows, heads, tokens, width)
    key: torch.Size,
    value: torch.Size,
    *args: object,
    out_shape: object = None,
    **kwargs: object,
) -> int:
    return int(sdpa_flop_count(query, key, value))


def _grouped_product_flops(
    left: torch.Size,  # (rows, width)
    right: torch.Size,  # (experts, width, outputs)
    *args: object,
    out_shape: object = None,
    **kwargs: object,
) -> int:
    num_rows = left[-2]
    width, num_outputs = right[-2:]
    # Each row meets the matrix of one expert; a product and a sum for each of its numbers.
    return int(2 * num_rows * width * num_outputs)
