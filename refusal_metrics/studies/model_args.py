"""Arguments of models: which change no answer, which are recorded, and which nobody else may read.

What is recorded is a list of what is allowed, not of what is forbidden: a key can be called anything.
"""

import re
from collections.abc import Mapping
from typing import Any

MACHINERY = frozenset(
    {
        *("device", "device_map", "batch_size", "max_batch_size", "parallelize", "num_concurrent", "max_retries"),
        *("timeout", "tensor_parallel_size", "data_parallel_size", "gpu_memory_utilization", "metadata"),
    }
)
"""Arguments of models that are meant to change no answer."""

SECRET = re.compile(
    r"(?i)auth|header|passw|passphrase|(^|[-_.])(pwd|pass|pw|pat|jwt|sid)($|[-_.])|secret|credential|cookie|bearer|session"
    r"|signature|(^|[-_.])sig$|private|(^|[-_.])keys?$|(api|access|account|license)[-_.]?key|subscription"
    r"|(?<!end)(?<!bos)(?<!eos)(?<!pad)(?<!unk)(?<!image)(?<!start)[-_.]token$|^tokens?$"
    r"|(api|access|hf|hub|ad|id|refresh|auth|bearer|user)token$|connection[-_.]?string|proxy|proxies|(^|[-_.])env$"
)
"""Matches the names of arguments that are not to be shown."""

_RECORDED = frozenset(
    {
        # Which model.
        *("pretrained", "model", "model_name", "model_id", "engine", "path", "base_url", "revision", "code_revision"),
        *("subfolder", "variant", "backend", "peft", "delta", "lora_local_path", "max_lora_rank", "enable_lora"),
        *("max_loras", "lora_dtype", "adapter", "served_model_name", "gguf_file", "hf_config_path", "config_format"),
        *("model_impl", "runner", "task", "convert", "architectures", "deployment", "deployment_id", "api_version"),
        # How it is loaded.
        *("dtype", "torch_dtype", "softmax_dtype", "mixed_precision_dtype", "quantization", "quantization_param_path"),
        *("quantization_config", "load_in_4bit", "load_in_8bit", "bnb_4bit_compute_dtype", "bnb_4bit_quant_type"),
        *("bnb_4bit_use_double_quant", "autogptq", "gptqmodel", "gptq", "awq", "quant_method", "bits", "group_size"),
        *("load_format", "use_safetensors", "low_cpu_mem_usage", "attn_implementation", "attention_backend"),
        *("rope_scaling", "rope_theta", "hf_overrides", "model_kwargs", "trust_remote_code", "truncation"),
        *("truncation_side", "truncate", "logits_cache", "offload_folder", "max_memory_per_gpu", "max_cpu_memory"),
        *("tp_plan", "use_cache", "compile", "steer_path", "is_hf", "prefix_caching", "sliding_window"),
        # Its tokenizer and chat template.
        *("tokenizer", "tokenizer_mode", "tokenizer_revision", "tokenizer_backend", "use_fast_tokenizer"),
        *("skip_tokenizer_init", "add_bos_token", "prefix_token_id", "custom_prefix_token_id", "eos_string"),
        *("tokenized_requests", "chat_template", "chat_template_args", "chat_template_kwargs", "think_end_token"),
        *("think_start_token", "enable_thinking", "thinking", "reasoning_effort", "reasoning_parser", "reasoning"),
        *("thinking_budget", "budget_tokens", "max_thinking_tokens", "date_string", "tools_in_user_message"),
        # How it generates.
        *("max_gen_toks", "max_tokens", "max_new_tokens", "max_completion_tokens", "max_tokens_to_sample"),
        *("max_length", "max_model_len", "max_context_len", "context_length", "temperature", "do_sample", "top_p"),
        *("top_k", "min_p", "typical_p", "num_beams", "n", "seed", "stop", "until", "repetition_penalty"),
        *("presence_penalty", "frequency_penalty", "length_penalty", "no_repeat_ngram_size", "logprobs"),
        *("override_generation_config", "generation_config", "guided_decoding_backend", "logits_processor_pattern"),
        *("extra_body", "response_format", "stream", "max_images", "limit_mm_per_prompt", "service_tier", "safety"),
        # How an engine works, which can change how sums are rounded.
        *("enforce_eager", "max_num_seqs", "max_num_batched_tokens", "block_size", "swap_space", "cpu_offload_gb"),
        *("kv_cache_dtype", "kv_cache_memory_bytes", "calculate_kv_scales", "enable_prefix_caching"),
        *("enable_chunked_prefill", "speculative_config", "speculative_model", "num_speculative_tokens"),
        *("compilation_config", "disable_custom_all_reduce", "distributed_executor_backend"),
        *("pipeline_parallel_size", "enable_expert_parallel", "data_parallel_backend", "max_seq_len_to_capture"),
        *("cuda_graph_sizes", "disable_log_stats", "use_v2_block_manager", "worker_use_ray", "max_parallel"),
        *("mem_fraction_static", "tp_size", "dp_size", "pp_size", "chunked_prefill_size", "context_len"),
        *("n_gpu_layers", "n_ctx", "n_batch", "n_threads", "flash_attn", "provider", "verify_certificate"),
        # Of what is nested in them.
        *("factor", "rope_type", "type", "original_max_position_embeddings", "method", "name", "enabled", "effort"),
        *("skip_special_tokens", "spaces_between_special_tokens", "ignore_eos", "min_tokens", "best_of", "length"),
        *("low_freq_factor", "high_freq_factor", "max_position_embeddings", "num_hidden_layers", "image", "video"),
        *MACHINERY,
    }
)
"""Arguments of hf, vllm, SGLang, GGUF and API models that answers may depend on, and what may be nested in them."""

_URL = re.compile(r"(?i)^([a-z][a-z0-9+.-]*:)?//")
_HOST = re.compile(r"[^:\[\]]*(:\d*)?|\[[^\]]*\](:\d*)?")
_UNKNOWN = "***"
_LOOKS_SECRET = re.compile(
    r"(^|[^A-Za-z])((sk|pk|rk|glpat|nvapi|xox[bp])-[A-Za-z0-9_-]{20,}|(ghp|gho|hf|gsk|r8)_[A-Za-z0-9]{20,}"
    r"|(AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})"
    r"|^([Bb]earer|[Bb]asic|[Tt]oken)\s|-----BEGIN"
)
"""Matches values that are keys, whatever they are called."""


def recordable(name: str) -> bool:
    """Return whether an argument of a model may be written into results.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool

    Examples
    --------
    >>> recordable("dtype"), recordable("api_key"), recordable("what_is_this")
    (True, False, False)
    """
    return _folded(name) in _RECORDED


def is_secret(name: str) -> bool:
    """Return whether an argument is called like a key, password or header.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
    """
    return not recordable(name) and bool(SECRET.search(str(name)))


def harmless(args: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a model's arguments what may be recorded, at any depth, and of addresses no more than the place.

    Parameters
    ----------
    args : mapping

    Returns
    -------
    dict

    Examples
    --------
    >>> harmless({"base_url": "https://me:pw@host/v1?key=1", "api_key": "sk-1"})
    {'base_url': 'https://host/v1'}
    """
    kept = {}
    for name, value in args.items():
        if recordable(name) and not (isinstance(value, str) and _is_key(name, value)):
            kept[name] = _clean(name, value)
    return kept


def left_out(args: Mapping[str, Any]) -> list[str]:
    """List the names of arguments that `harmless` leaves out, nested ones with a dot.

    Parameters
    ----------
    args : mapping

    Returns
    -------
    list of str
        Sorted.
    """
    found: set[str] = set()
    for name, value in args.items():
        if not recordable(name) or (isinstance(value, str) and _is_key(name, value)):
            found.add(str(name))
        elif isinstance(value, Mapping):
            found |= {f"{name}.{inner}" for inner in left_out(value)}
    return sorted(found)


def place_of(address: str) -> str:
    """Return an address without user, password, query and fragment.

    Parameters
    ----------
    address : str
        With or without a scheme.

    Returns
    -------
    str
    """
    scheme = _URL.match(address)
    start = scheme.end() if scheme else 0
    rest = re.split(r"[?#]", address[start:], maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    if "@" in host:
        # An @ that should have been encoded leaves it open where the password ends.
        host, slash, path = host.rpartition("@")[2], *(("", "") if "@" in path else (slash, path))
    if not _HOST.fullmatch(host):
        return f"{address[:start]}{_UNKNOWN}"
    return address[:start] + host + slash + path


def _clean(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, Mapping):
        return harmless(value)
    if isinstance(value, list | tuple):
        return [_clean(name, part) for part in value if not (isinstance(part, str) and _is_key(name, part))]
    if isinstance(value, str) and ("url" in _folded(name) or _URL.match(value) or "://" in value):
        return place_of(value)
    return value


def _is_key(name: str, value: str) -> bool:
    return "url" not in _folded(name) and bool(_LOOKS_SECRET.search(value))


def _folded(name: object) -> str:
    return str(name).lower().replace("-", "_").strip()
