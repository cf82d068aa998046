"""Build the demo VLM's parts: tokenizer, processor, and an untrained LLaVA."""

import random
import re
import string

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from blocksieve.datasets.demo.canvas import SIDE, TILE
from blocksieve.datasets.demo.picture import TOP_LEVEL
from blocksieve.datasets.demo.tasks import TASKS

SPECIAL = ["<pad>", "<unk>", "<end>", "<user>", "<assistant>", "<image>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<' + message['role'] + '>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
COMMON_WORDS = (
    "which what is the a an of in and or not these this image picture answer question yes no "
    "letters form objects"
)
BLOCKS, WIDTH, HEADS, MLP_WIDTH, VISION_LAYERS = 16, 64, 4, 192, 2


def vocabulary() -> list[str]:
    """Return all lower-case words of the demo tasks, and letters and digits to spell the rest."""
    rng = random.Random(0)
    words = set(COMMON_WORDS.split())
    for task in TASKS.values():
        for _ in range(400):
            for question in task(rng, TOP_LEVEL, True).questions:
                for text in (question.question, *question.references, *question.choices):
                    words.update(re.findall(r"[a-z]+", text))
    characters = string.ascii_letters + string.digits
    pieces = [*characters, *(f"##{character}" for character in characters), *"?.,:!-/"]
    return SPECIAL + pieces + sorted(words - set(characters))


def build_processor() -> LlavaProcessor:
    """Return a word-piece tokenizer with a chat template, and CLIP's processor for 64 pixels."""
    tokens = vocabulary()
    tokenizer = Tokenizer(
        models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<end>",
        additional_special_tokens=["<user>", "<assistant>", "<image>"],
        padding_side="left",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    images = CLIPImageProcessorPil(
        size={"height": SIDE, "width": SIDE},
        do_center_crop=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=fast,
        patch_size=TILE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=CHAT_TEMPLATE,
    )


def build_model(processor: LlavaProcessor) -> LlavaForConditionalGeneration:
    """Return a randomly initialised LLaVA with a small CLIP tower and BLOCKS Llama blocks."""
    tokenizer = processor.tokenizer
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=VISION_LAYERS,
        num_attention_heads=HEADS,
        image_size=SIDE,
        patch_size=TILE,
        projection_dim=WIDTH,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=MLP_WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=(SIDE // TILE) ** 2,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    initialise(model)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.bos_token_id = None
    return model


def initialise(model: LlavaForConditionalGeneration) -> None:
    """Draw weights at 1 / sqrt(fan in), and positions as strong as what the patches show.

    The library's defaults (standard deviation 0.02) suit wide models; at this width they learnt
    colours but no shapes. What a block adds is divided by sqrt(2 x blocks), as in GPT-2, so that
    the sum of all blocks is as large at first as what they read.
    """
    language_model = model.model.language_model
    num_additions = 2 * len(language_model.layers)
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and (
            "language_model.layers" in name or "multi_modal_projector" in name
        ):
            spread = weight.shape[1] ** -0.5
            if "o_proj" in name or "down_proj" in name:
                spread *= num_additions**-0.5
            torch.nn.init.normal_(weight, std=spread)
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=0.1)
    torch.nn.init.normal_(model.model.vision_tower.embeddings.position_embedding.weight, std=0.5)
