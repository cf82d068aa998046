"""Code that comes with a checkpoint: tiny, with the interface of Molmo of September 2024.

As there: one sample at a time through `process`, right padding by -1, tuples of keys and values, no
cache class, a `tie_weights` without arguments, and a step of `generate` that calls what
transformers 5 no longer has.
"""

import numpy as np
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin
from transformers.modeling_outputs import CausalLMOutputWithPast

PATCHES, PIXELS = 4, 12


class OldConfig(PretrainedConfig):
    model_type = "old_molmo"

    def __init__(
        self, vocab_size=128, d_model=32, n_heads=4, n_layers=4, use_position_ids=True, **kwargs
    ):
        self.vocab_size = vocab_size
        self.d_model = d_model
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.use_position_ids = use_position_ids
        super().__init__(**kwargs)


class OldBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.n_heads
        self.attn_norm, self.ff_norm = nn.LayerNorm(config.d_model), nn.LayerNorm(config.d_model)
        self.att_proj = nn.Linear(config.d_model, 3 * config.d_model)
        self.attn_out = nn.Linear(config.d_model, config.d_model)
        self.ff = nn.Sequential(
            nn.Linear(config.d_model, 64), nn.SiLU(), nn.Linear(64, config.d_model)
        )

    def forward(self, x, bias, layer_past=None):
        rows, length, width = x.shape
        q, k, v = (
            self.att_proj(self.attn_norm(x))
            .view(rows, length, 3, self.heads, -1)
            .permute(2, 0, 3, 1, 4)
        )
        if layer_past is not None:
            k, v = torch.cat((layer_past[0], k), -2), torch.cat((layer_past[1], v), -2)
        attended = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        x = x + self.attn_out(attended.transpose(1, 2).reshape(rows, length, width))
        return x + self.ff(self.ff_norm(x)), (k, v)


class OldBody(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        blocks = nn.ModuleList([OldBlock(config) for _ in range(config.n_layers)])
        parts = {
            "wte": nn.Embedding(config.vocab_size, config.d_model),
            "wpe": nn.Embedding(512, config.d_model),
        }
        self.transformer = nn.ModuleDict(
            {**parts, "blocks": blocks, "ln_f": nn.LayerNorm(config.d_model)}
        )
        self.vision_backbone = nn.Linear(PIXELS, config.d_model)


class OldMolmo(PreTrainedModel):
    config_class = OldConfig

    def __init__(self, config):
        super().__init__(config)
        self.model = OldBody(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        images=None,
        image_masks=None,
        image_input_idx=None,
        position_ids=None,
        past_key_values=None,
        use_cache=None,
        last_logits_only=None,
        append_last_valid_logits=None,
        return_dict=None,
    ):
        if past_key_values:
            assert len(past_key_values) == self.config.n_layers
        assert images is None or past_key_values is None
        past = 0 if past_key_values is None else past_key_values[0][0].size(-2)
        rows, length = input_ids.shape
        parts = self.model.transformer
        x = parts["wte"](input_ids * (input_ids != -1)) + parts["wpe"](position_ids)
        if images is not None:
            features = self.model.vision_backbone(images).flatten(1, 2)
            places = image_input_idx.reshape(rows, -1)
            row = torch.arange(rows)[:, None].expand_as(places)
            x[row[places >= 0], places[places >= 0]] += features[places >= 0]
        seen = attention_mask[:, None, None, : past + length].bool()
        causal = torch.ones(past + length, past + length).tril().bool()[past:]
        bias = torch.zeros(rows, 1, length, past + length).masked_fill(
            ~(seen & causal), torch.finfo(x.dtype).min
        )
        kept = []
        for number, block in enumerate(parts["blocks"]):
            x, keys_and_values = block(
                x, bias, None if past_key_values is None else past_key_values[number]
            )
            kept.append(keys_and_values)
        if append_last_valid_logits is not None:
            x = x[torch.arange(rows), append_last_valid_logits][:, None]
        elif last_logits_only:
            x = x[:, -1:]
        return CausalLMOutputWithPast(logits=self.lm_head(parts["ln_f"](x)), past_key_values=kept)

    @torch.no_grad()
    def generate_from_batch(self, batch, generation_config=None, **kwargs):
        assert generation_config.use_cache
        input_ids = batch["input_ids"]
        assert "attention_mask" not in batch
        mask = input_ids != -1
        return super().generate(
            input_ids,
            generation_config,
            attention_mask=torch.cat(
                [mask, mask.new_ones((len(mask), generation_config.max_new_tokens))], dim=1
            ),
            images=batch.get("images"),
            image_masks=batch.get("image_masks"),
            image_input_idx=batch.get("image_input_idx"),
            position_ids=torch.clamp(torch.cumsum(mask.to(torch.int32), dim=-1) - 1, min=0),
            append_last_valid_logits=mask.long().sum(dim=-1) - 1,
            **kwargs,
        )

    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, **kwargs):
        if past_key_values:
            input_ids = input_ids[:, -1:]
        inputs = {
            "input_ids": input_ids,
            "past_key_values": past_key_values,
            "use_cache": True,
            "last_logits_only": True,
        }
        inputs |= {name: kwargs.get(name) for name in ("attention_mask", "position_ids")}
        if past_key_values is None:
            first_only = ("images", "image_masks", "image_input_idx", "append_last_valid_logits")
            inputs |= {name: kwargs.get(name) for name in first_only}
        return inputs

    def _update_model_kwargs_for_generation(
        self, outputs, model_kwargs, is_encoder_decoder=False, num_new_tokens=1
    ):
        name, cache = super()._extract_past_from_model_output(outputs)
        return {
            **model_kwargs,
            name: cache,
            "cache_position": model_kwargs["cache_position"][-1:] + num_new_tokens,
        }

    def can_generate(self):
        return True

    def get_input_embeddings(self):
        return self.model.transformer["wte"]

    def get_output_embeddings(self):
        return self.lm_head

    def tie_weights(self):
        pass


class OldProcessor(ProcessorMixin):
    def __init__(self, tokenizer=None, **kwargs):
        super().__init__(tokenizer)

    def process(self, text=None, images=None, **kwargs):
        tokens = self.tokenizer.encode(f" User: {text} Assistant:", add_special_tokens=False)
        bos = self.tokenizer.bos_token_id or self.tokenizer.eos_token_id
        if not images:
            return {"input_ids": torch.tensor([bos, *tokens])}
        patch = self.tokenizer.convert_tokens_to_ids("<im_patch>")
        count = len(images) * PATCHES
        pixels = np.stack([np.asarray(image.resize((4, 4)), np.float32) / 255 for image in images])
        patches = (
            pixels.reshape(-1, 2, 2, 2, 2, 3)
            .transpose(0, 1, 3, 2, 4, 5)
            .reshape(-1, PATCHES, PIXELS)
        )
        return {
            "input_ids": torch.tensor([bos, *[patch] * count, *tokens]),
            "images": torch.from_numpy(patches),
            "image_masks": torch.ones(len(images), PATCHES),
            "image_input_idx": torch.arange(1, 1 + count).reshape(len(images), PATCHES),
        }
