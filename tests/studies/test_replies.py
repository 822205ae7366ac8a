"""What servers reply: recorded shapes of answers, of refusals by providers, and of failed calls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.studies.replies import FailedCallError, read_reply


def choice(content=None, stop="stop", **message):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [
            {"index": 0, "finish_reason": stop, "message": {"role": "assistant", "content": content, **message}}
        ],
    }


def error(message, status=400, **more):
    return status, {"error": {"message": message, **more}}


SORRY = "I'm sorry, I can't assist with that request."
AZURE = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify "
    "your prompt and retry. To learn more about our content filtering policies please read our documentation: "
    "https://go.microsoft.com/fwlink/?linkid=2198766"
)
SAFE, HATE = {"filtered": False, "severity": "safe"}, {"filtered": True, "severity": "high"}
ZHIPU = "系统检测到输入或生成内容可能包含不安全或敏感内容"

# (status, body, text, reason): each as a provider sends it, shortened.
REFUSALS = {
    "OpenAI: refusal, no content": (200, choice(None, refusal=SORRY), SORRY, "refusal"),
    "OpenAI: refusal beside part of an answer": (200, choice("It is", refusal=SORRY), f"It is\n\n{SORRY}", "refusal"),
    "OpenAI: refusal that repeats the content": (200, choice(SORRY, refusal=SORRY), SORRY, "refusal"),
    "OpenAI: content filter, no content": (200, choice(None, "content_filter", refusal=None), "", "content_filter"),
    "OpenAI: content filter after some text": (200, choice("The text", "content_filter"), "The text", "content_filter"),
    "OpenAI: parts, one a refusal": (
        *(200, choice([{"type": "text", "text": "Well. "}, {"type": "refusal", "refusal": SORRY}])),
        *(f"Well. \n\n{SORRY}", "refusal"),
    ),
    "OpenAI: prompt against the usage policy": (
        *error(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with "
            "a different prompt: https://platform.openai.com/docs/guides/reasoning#advice-on-prompting",
            type="invalid_request_error",
            param=None,
            code="invalid_prompt",
        ),
        *("", "content_filter"),
    ),
    "OpenAI: content policy violation": (
        *error("Your request was rejected.", type="invalid_request_error", param=None, code="content_policy_violation"),
        *("", "content_filter"),
    ),
    "OpenAI: safety system": (
        *error("Your request was rejected as a result of our safety system.", type="user_error", code=None),
        *("", "content_filter"),
    ),
    "Azure: prompt filtered": (
        *error(
            AZURE,
            type=None,
            param="prompt",
            code="content_filter",
            status=400,
            innererror={
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"hate": HATE, "jailbreak": {"filtered": False, "detected": False}},
            },
        ),
        *("", "content_filter"),
    ),
    "Azure: prompt filtered, no inner error": (*error(AZURE, code="content_filter", status=400), "", "content_filter"),
    "Azure: by its words alone": (*error(AZURE), "", "content_filter"),
    "Azure: by the inner error alone": (
        *error("Bad request", code=None, innererror={"code": "ResponsibleAIPolicyViolation"}),
        *("", "content_filter"),
    ),
    "Azure: annotated and empty": (
        200,
        {
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"content": ""},
                    "content_filter_results": {"hate": HATE},
                }
            ]
        },
        *("", "content_filter"),
    ),
    "Anthropic: messages, stop_reason refusal": (
        200,
        {"type": "message", "role": "assistant", "content": [], "stop_reason": "refusal", "stop_sequence": None},
        *("", "refusal"),
    ),
    "Anthropic: messages, refusal after text": (
        200,
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "I"}], "stop_reason": "refusal"},
        *("I", "refusal"),
    ),
    "Anthropic: through a compatible server": (200, choice("", "refusal"), "", "refusal"),
    "Anthropic: stop_reason in the choice": (
        200,
        {"choices": [{"finish_reason": "stop", "stop_reason": "refusal", "message": {"content": None}}]},
        *("", "refusal"),
    ),
    "Anthropic: stop_reason beside choices": (
        200,
        {"choices": [{"finish_reason": "stop", "message": {"content": ""}}], "stop_reason": "refusal"},
        *("", "refusal"),
    ),
    "Anthropic: output blocked": (
        400,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"},
            "request_id": "req_0",
        },
        *("", "content_filter"),
    ),
    "vLLM: content filter": (
        200,
        {"choices": [{"index": 0, "finish_reason": "content_filter", "stop_reason": None, "message": {"content": ""}}]},
        *("", "content_filter"),
    ),
    "vLLM behind a guardrail": (
        400,
        {"object": "error", "message": "Request blocked by guardrail", "type": "BadRequestError", "code": 400},
        *("", "guardrail"),
    ),
    "Gemini: content_filter: SAFETY": (200, choice(None, "content_filter: SAFETY"), "", "content_filter"),
    "Gemini: SAFETY as it is": (
        *(200, {"choices": [{"index": 0, "finish_reason": "SAFETY", "message": {"role": "assistant"}}]}),
        *("", "safety"),
    ),
    "Gemini: PROHIBITED_CONTENT, no message": (
        *(200, {"choices": [{"index": 0, "finish_reason": "PROHIBITED_CONTENT"}]}),
        *("", "prohibited_content"),
    ),
    "Gemini: RECITATION": (200, choice("Once upon", "FinishReason.RECITATION"), "Once upon", "recitation"),
    "Gemini: content_filter: RECITATION": (200, choice(None, "content_filter: RECITATION"), "", "content_filter"),
    "Gemini: prompt blocked": (
        *(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"totalTokenCount": 7}}),
        *("", "prohibited_content"),
    ),
    "Gemini: prompt blocked for another reason": (
        *(200, {"choices": [], "promptFeedback": {"blockReason": "OTHER"}}),
        *("", "content_filter"),
    ),
    "Gemini: candidate without content": (
        *(200, {"candidates": [{"finishReason": "SPII", "index": 0}]}),
        *("", "personal_information"),
    ),
    "Mistral: moderation": (
        403,
        {"object": "error", "message": "The input was flagged by moderation: hate", "type": "moderation_blocked"},
        *("", "moderation"),
    ),
    "Bedrock: guardrail, with its text": (
        200,
        choice("Sorry, the model cannot answer this question.", "guardrail_intervened"),
        *("Sorry, the model cannot answer this question.", "guardrail"),
    ),
    "Bedrock: content_filtered": (200, choice("", "content_filtered"), "", "content_filter"),
    "Bedrock through LiteLLM": (
        *error({"error": "Violated guardrail policy", "bedrock_guardrail_response": "No."}, type="None", code="400"),
        *("", "guardrail"),
    ),
    "LiteLLM: Azure's error wrapped": (
        *error(
            "litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - model=azure/x. "
            "Available Model Group Fallbacks=None. Unknown fallback",
            type=None,
            code="400",
        ),
        *("", "content_filter"),
    ),
    "LiteLLM: inner error in fields": (
        *error("x", code="400", provider_specific_fields={"innererror": {"content_filter_result": {"hate": HATE}}}),
        *("", "content_filter"),
    ),
    "OpenRouter: moderation": (
        *error(
            'openai/gpt-4o requires moderation on OpenAI. Your input was flagged for "hate".',
            status=403,
            code=403,
            metadata={"reasons": ["hate"], "flagged_input": "would a ...", "provider_name": "OpenAI"},
        ),
        *("", "moderation"),
    ),
    "OpenRouter: error in the choice": (
        200,
        {
            "choices": [
                {
                    "finish_reason": "error",
                    "native_finish_reason": "content_filter",
                    "message": {"content": ""},
                    "error": {"code": 403, "message": "Output was blocked by content filter"},
                }
            ]
        },
        *("", "content_filter"),
    ),
    "OpenRouter: error with status 200": (
        *(
            200,
            {"error": {"code": 403, "message": "Input flagged", "metadata": {"reasons": ["x"], "flagged_input": "y"}}},
        ),
        *("", "moderation"),
    ),
    "OpenRouter: refusal as an error": (*error("The provider declined.", 403, code="refusal"), "", "refusal"),
    "DeepSeek": (
        *error("Content Exists Risk", type="invalid_request_error", code="invalid_request_error"),
        "",
        "content_filter",
    ),
    "DeepSeek: detail": (400, {"detail": "Content Exists Risk"}, "", "content_filter"),
    "DashScope": (
        400,
        {
            "error": {
                "code": "data_inspection_failed",
                "message": "Input data may contain inappropriate content.",
                "type": "data_inspection_failed",
            },
            "request_id": "0",
        },
        *("", "sensitive_content"),
    ),
    "DashScope: native": (
        400,
        {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."},
        *("", "sensitive_content"),
    ),
    "DashScope: in the words": (
        *error("<400> InternalError.Algo.DataInspectionFailed: Input text data may contain inappropriate content."),
        *("", "sensitive_content"),
    ),
    "xAI": (
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Content violates usage guidelines. Team: t, API key ID: k, Model: grok-4, Failed check: "
            "SAFETY_CHECK_TYPE_BIO",
        },
        *("", "safety"),
    ),
    "Zhipu": (400, {"error": {"code": "1301", "message": ZHIPU}}, "", "sensitive_content"),
    "Zhipu: content filter": (
        400,
        {"contentFilter": [{"level": 1, "role": "user"}], "error": {"code": "1301", "message": "x"}},
        *("", "content_filter"),
    ),
    "Zhipu: sensitive": (200, choice("", "sensitive"), "", "sensitive_content"),
    "Moonshot": (
        *error(
            "The request was rejected because it was considered high risk",
            code=400,
            param="prompt",
            type="content_filter",
        ),
        *("", "content_filter"),
    ),
    "Volcengine": (
        *error(
            "The request failed because the input text may contain sensitive information.",
            code="InputTextSensitiveContentDetected",
            type="BadRequest",
        ),
        *("", "sensitive_content"),
    ),
    "MiniMax": (
        *(200, {"choices": None, "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}),
        *("", "sensitive_content"),
    ),
    "New API": (
        *error(
            "input contains sensitive words: [x] (request id: 2)", type="new_api_error", code="sensitive_words_detected"
        ),
        *("", "sensitive_content"),
    ),
    "Databricks": (
        400,
        {
            "error_code": "BAD_REQUEST",
            "message": '{"finishReason": "input_guardrail_triggered", "input_guardrail": []}',
        },
        *("", "guardrail"),
    ),
    "Cloudflare": (
        *(
            400,
            {"success": False, "error": [{"code": 2016, "message": "Prompt blocked due to security configurations"}]},
        ),
        *("", "content_filter"),
    ),
    "Cohere": (200, choice("", "ERROR_TOXIC"), "", "safety"),
    "SiliconFlow, 451": (
        451,
        {"code": 20015, "message": "The request was blocked because of sensitive content"},
        *("", "sensitive_content"),
    ),
    "422 by a gateway": (
        *error("Request rejected by content safety filter", 422, type="content_safety"),
        "",
        "content_filter",
    ),
    "500 with the code": (*error("internal", 500, code="content_filter"), "", "content_filter"),
    "completions: content filter": (
        *(200, {"choices": [{"index": 0, "text": "", "finish_reason": "content_filter"}]}),
        *("", "content_filter"),
    ),
    "a list of one error": (
        400,
        [{"error": {"status": "PROHIBITED_CONTENT", "message": "x"}}],
        "",
        "prohibited_content",
    ),
    "hyphens": (200, choice(None, "content-filter"), "", "content_filter"),
    "capitals": (200, choice(None, "CONTENT_FILTER"), "", "content_filter"),
}

ANSWERS = {
    "text": (200, choice("Offensive."), "Offensive.", "stop"),
    "empty": (200, choice(""), "", "stop"),
    "null": (200, choice(None), "", "stop"),
    "no content": (200, {"choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]}, "", "stop"),
    "cut": (200, choice("Offens", "length"), "Offens", "length"),
    "cut while thinking": (200, choice(None, "length", reasoning_content="Hm, is it"), "", "length"),
    "thought beside the answer": (
        200,
        choice("2", reasoning_content="I refuse to answer", reasoning="No"),
        "2",
        "stop",
    ),
    "empty refusal": (200, choice("2", refusal=""), "2", "stop"),
    "null refusal": (200, choice("2", refusal=None), "2", "stop"),
    "blank refusal": (200, choice("2", refusal=" "), "2", "stop"),
    "tool calls": (200, choice(None, "tool_calls", tool_calls=[{"id": "1"}]), "", "tool_calls"),
    "parts": (200, choice([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "ab", "stop"),
    "parts with a thought": (
        *(200, choice([{"type": "thinking", "thinking": "No."}, {"type": "text", "text": "b"}])),
        *("b", "stop"),
    ),
    "no parts": (200, choice([]), "", "stop"),
    "a refusal in words": (200, choice(SORRY), SORRY, "stop"),
    "an answer about filters": (200, choice("content_filter"), "content_filter", "stop"),
    "annotated as safe": (
        200,
        choice("2") | {"prompt_filter_results": [{"content_filter_results": {"hate": SAFE}}]},
        *("2", "stop"),
    ),
    "the filter itself failed": (
        200,
        {
            "choices": [
                {
                    "finish_reason": "stop",
                    "message": {"content": "2"},
                    "content_filter_results": {"error": {"code": "content_filter_error", "message": "not filtered"}},
                }
            ]
        },
        *("2", "stop"),
    ),
    "no reason": (200, {"choices": [{"message": {"content": "2"}}]}, "2", None),
    "null reason": (200, choice("2", None), "2", None),
    "null error": (200, choice("2") | {"error": None}, "2", "stop"),
    "vLLM: a stop string": (
        *(200, {"choices": [{"finish_reason": "stop", "stop_reason": "###", "message": {"content": "2"}}]}),
        *("2", "stop"),
    ),
    "vLLM: a stop token": (
        *(200, {"choices": [{"finish_reason": "stop", "stop_reason": 128009, "message": {"content": "2"}}]}),
        *("2", "stop"),
    ),
    "completions": (200, {"choices": [{"index": 0, "text": " 2", "finish_reason": "stop"}]}, " 2", "stop"),
    "Anthropic": (
        *(
            200,
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "text", "text": "2"}],
                "stop_reason": "end_turn",
            },
        ),
        *("2", "end_turn"),
    ),
    "Gemini": (
        *(200, {"candidates": [{"content": {"parts": [{"text": "2"}]}, "finishReason": "STOP"}]}),
        *("2", "STOP"),
    ),
    "Gemini: other end": (200, choice("2", "OTHER"), "2", "OTHER"),
    "Gemini: feedback that blocks nothing": (
        *(200, choice("2") | {"promptFeedback": {"safetyRatings": []}}),
        *("2", "stop"),
    ),
    "other language": (200, choice("2", "LANGUAGE"), "2", "LANGUAGE"),
    "context window": (200, choice("2", "model_context_window_exceeded"), "2", "model_context_window_exceeded"),
}

# (status, body, whether the same call would fail again)
FAILURES = {
    "rate limit": (*error("Rate limit reached, see our usage policy", 429, code="rate_limit_exceeded"), False),
    "quota": (*error("You exceeded your current quota", 429, code="insufficient_quota"), False),
    "overloaded": (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, False),
    "context length": (
        *error("This model's maximum context length is 4096 tokens", code="context_length_exceeded"),
        True,
    ),
    "invalid key": (*error("Incorrect API key provided: sk-x", 401, code="invalid_api_key"), True),
    "unknown model": (*error("The model `m` does not exist", 404, code="model_not_found"), True),
    "no credit": (*error("Insufficient credits", 402), True),
    "server error": (*error("The server had an error", 500, type="server_error"), False),
    "server error that mentions the filter": (*error("The content filter could not be reached", 503), False),
    "filter is at fault": (*error("The content filter is unavailable", 500, code="content_filter_error"), False),
    "timeout": (408, {"error": "timeout"}, False),
    "page": (502, "<html><h1>502 Bad gateway</h1></html>", False),
    "page with status 200": (200, "<html>busy</html>", False),
    "half an answer": (200, '{"choices": [{"mess', False),
    "page of a firewall": (403, "<html><h1>Access denied</h1>Your request was blocked.</html>", True),
    "nothing": (200, "", False),
    "null": (200, "null", False),
    "a text": (200, '"busy"', False),
    "a list": (200, "[]", False),
    "no choices": (200, {"choices": []}, False),
    "null choices": (200, {"choices": None}, False),
    "two choices": (200, {"choices": [choice("1")["choices"][0]] * 2}, False),
    "a choice that is text": (200, {"choices": ["2"]}, False),
    "no message": (200, {"choices": [{"index": 0}]}, False),
    "null message": (200, {"choices": [{"index": 0, "message": None}]}, False),
    "a number for a content": (200, choice(5), False),
    "a mapping for a content": (200, choice({"text": "2"}), False),
    "numbers for parts": (200, choice([1, 2]), False),
    "error with status 200": (200, {"error": {"code": 502, "message": "upstream failed"}}, False),
    "error in the choice": (200, {"choices": [{"message": {"content": ""}, "error": {"code": 502}}]}, False),
    "finished by an error": (200, choice("Offens", "error"), False),
    "network error": (200, choice("", "network_error"), False),
    "unknown parameter": (
        *error("Unknown parameter: 'content_filter'", param="content_filter", code="unknown_parameter"),
        True,
    ),
    "wrong parameter": (*error("safety_settings must be a list", type="invalid_request_error"), True),
    "unknown guardrail": (*error("The guardrail identifier is invalid", code="guardrail_not_found"), True),
    "guardrail not there": (*error("Guardrail g1 does not exist", 404, type="NotFound"), True),
    "account blocked": (
        *error("Your account was blocked for violating our usage policies", 403, code="account_deactivated"),
        True,
    ),
    "organisation flagged": (*error("This organization was flagged for abuse; contact support", 403), True),
    "no permission": (*error("You have no permission for this model", 403, code="permission_denied"), True),
    "terms": (
        *error("The request is prohibited due to a violation of provider Terms Of Service.", 403, code=403),
        True,
    ),
    "country": (*error("Country, region, or territory not supported", 403, code="unsupported_country"), True),
    "too large": (413, {"error": {"message": "Request too large"}}, True),
    "the prompt repeated": (
        422,
        {
            "detail": [
                {
                    "type": "missing",
                    "loc": ["body", "model"],
                    "msg": "Field required",
                    "input": {
                        "messages": [{"content": "Is this blocked by the content filter? It contains sensitive words."}]
                    },
                }
            ]
        },
        True,
    ),
    "temperature": (*error("Unsupported value: 'temperature' does not support 0", code="unsupported_value"), True),
    "conflict": (409, {"error": {"message": "conflict"}}, False),
    "number of the status alone": (400, 7, True),
    "vLLM: too long": (
        400,
        {"object": "error", "message": "This model's maximum context length is 8 tokens.", "type": "BadRequestError"},
        True,
    ),
}


@pytest.mark.parametrize(("status", "body", "text", "reason"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("is_raw", [False, True])
def test_a_refusal_by_a_provider_is_one_with_its_text_and_reason(status, body, text, reason, is_raw):
    reply = read_reply(json.dumps(body).encode() if is_raw else body, status)
    assert (reply, reply.provider_reason) == (text, reason)
    assert reply.finish_reason


@pytest.mark.parametrize(("status", "body", "text", "stop"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_no_refusal_be_it_empty_or_cut_short(status, body, text, stop):
    reply = read_reply(body, status)
    assert (reply, reply.finish_reason, reply.provider_reason) == (text, stop, None)


@pytest.mark.parametrize(("status", "body", "is_lasting"), FAILURES.values(), ids=FAILURES)
def test_a_failed_call_is_no_answer_and_no_refusal(status, body, is_lasting):
    with pytest.raises(FailedCallError) as failed:
        read_reply(body, status)
    assert failed.value.is_lasting == is_lasting
    assert failed.value.label.startswith("error: ")


def bad(message, **more):
    return {"error": {"message": message, **more}}


# (what it is, status, body): how the same is said elsewhere, and what resembles it.
MORE = [
    (
        "refusal",
        400,
        bad("The response was filtered due to the prompt triggering Azure OpenAI's content management policy."),
    ),
    ("refusal", 400, {"error": {"code": "content_filter", "message": None}}),
    ("refusal", 200, choice("", "CONTENT_FILTERED")),
    ("refusal", 200, choice(None, "content_filter", reasoning_content="thinking")),
    (
        "refusal",
        400,
        {
            "error": {
                "code": 400,
                "message": "User prompt was blocked by the safety filter",
                "status": "INVALID_ARGUMENT",
            }
        },
    ),
    (
        "refusal",
        400,
        {
            "error": {
                "code": 400,
                "message": "The prompt is blocked due to prohibited contents",
                "status": "INVALID_ARGUMENT",
            }
        },
    ),
    ("refusal", 400, {"detail": "This request violates our content policy."}),
    ("refusal", 400, {"message": "Your message violates the provider's usage policies.", "type": "policy_violation"}),
    (
        "refusal",
        403,
        {
            "error": {
                "message": 'google/gemini requires moderation on Google. Your input was flagged for "sexual/minors".',
                "code": 403,
                "metadata": {"reasons": ["sexual"], "flagged_input": "x"},
            }
        },
    ),
    (
        "refusal",
        400,
        {"error": {"message": "输入内容可能包含敏感信息", "type": "invalid_request_error", "code": "InvalidParameter"}},
    ),
    ("refusal", 400, {"error": {"message": "当前输入内容涉及违规内容", "code": "content_security"}}),
    (
        "refusal",
        422,
        {"error": {"message": "Model response was blocked by output guardrails", "type": "guardrail_blocked"}},
    ),
    ("refusal", 446, {"message": "Request blocked due to content moderation", "type": "prompt_moderated"}),
    ("refusal", 200, {"id": "x", "choices": [{"index": 0, "finish_reason": "content_filter", "message": None}]}),
    (
        "refusal",
        200,
        {
            "id": "x",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"content": ""},
                    "content_filter_results": {"violence": {"filtered": True, "severity": "high"}},
                }
            ],
        },
    ),
    (
        "refusal",
        200,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"},
        },
    ),
    (
        "refusal",
        400,
        {"error": {"message": "Response flagged by safety system: self-harm", "type": "invalid_request_error"}},
    ),
    ("refusal", 400, bad('{"message":"litellm.ContentPolicyViolationError: blocked"}', code=None)),
    ("refusal", 200, choice([], "refusal")),
    ("refusal", 200, choice(None, "stop", refusal="I cannot")),
    ("refusal", 200, {"choices": [{"index": 0, "finish_reason": "stop", "text": "", "stop_reason": "content_filter"}]}),
    ("refusal", 400, {"error": {"type": "content_safety", "message": "Blocked by content safety: hate"}}),
    ("refusal", 200, {"candidates": [], "promptFeedback": {"blockReason": "SAFETY"}}),
    ("refusal", 400, {"errors": [{"code": "content_filter", "message": "x"}]}),
    ("refusal", 400, {"error": {"message": "I can't help with that.", "code": "model_refusal"}}),
    ("failed", 400, {"error": {"message": "Invalid value for content_filter", "code": "invalid_value"}}),
    ("failed", 400, bad("Unrecognized request argument supplied: safe_prompt")),
    ("failed", 400, bad("Prompt must not be empty", code="invalid_prompt")),
    ("failed", 400, bad("messages: roles must alternate")),
    ("failed", 400, bad("Failed to parse chat template: 'None' has no attribute")),
    (
        "failed",
        400,
        bad("max_tokens is too large: 99999. This model supports at most 4096 completion tokens", code=None),
    ),
    ("failed", 400, bad("Request contains an invalid argument.", status="INVALID_ARGUMENT")),
    ("failed", 400, bad("API key not valid. Please pass a valid API key.", status="INVALID_ARGUMENT")),
    ("failed", 403, bad("Request blocked. IP address flagged for abuse")),
    ("failed", 403, bad("Your organization must be verified to use this model; see our usage policies")),
    (
        "failed",
        403,
        bad(
            "Generative Language API has not been used in project before or it is disabled", status="PERMISSION_DENIED"
        ),
    ),
    (
        "failed",
        403,
        "<html><title>Attention Required!</title>Sorry, you have been blocked.</html>",
    ),
    (
        "failed",
        403,
        "<html><h1>Blocked by content filter</h1>Category AI, content policy violation</html>",
    ),
    ("failed", 451, bad("Unavailable for legal reasons")),
    ("failed", 429, bad("Too many requests were blocked by content filter; account flagged")),
    ("failed", 500, bad("Internal error in content filter")),
    ("failed", 503, bad("The model is overloaded. Safety filter service unavailable")),
    ("failed", 400, bad("The requested deployment has content filtering configuration that is not supported")),
    ("failed", 404, bad("The guardrail was not found", code="guardrail_not_found")),
    ("failed", 400, bad("Guardrail policy is missing", code="guardrail_config_missing")),
    (
        "failed",
        400,
        {
            "detail": [
                {
                    "loc": ["body", "messages", 0, "content"],
                    "msg": "str type expected",
                    "input": "contains sensitive words, blocked by content filter",
                }
            ]
        },
    ),
    ("failed", 402, bad("Prompt flagged; insufficient balance")),
    ("failed", 400, bad("Model is flagged as deprecated")),
    ("failed", 400, bad("Logprobs are blocked for this model")),
    ("failed", 400, bad("Conversation roles must alternate; the last message was rejected as it has role assistant")),
    ("failed", 413, bad("Request entity too large; contains too much data")),
    ("failed", 400, bad("The temperature parameter was rejected because of model policy limits")),
    ("failed", 200, {"error": "overloaded"}),
    ("failed", 200, choice("x", "error")),
    ("failed", 200, {"detail": "Not Found"}),
    ("answer", 200, choice("blocked by content filter")),
    ("answer", 200, choice("I refuse.", "stop")),
    ("answer", 200, choice("x", "stop_sequence")),
    ("answer", 200, choice("x", "eos")),
    ("answer", 200, choice("x", "max_tokens")),
    ("answer", 200, choice(None, "length", refusal=None)),
    ("answer", 200, choice("", "length")),
    ("answer", 200, choice("x", None)),
    ("answer", 200, choice([{"type": "reasoning", "text": "refusal"}, {"type": "text", "text": "x"}])),
    ("answer", 200, choice("x", "function_call")),
    ("answer", 200, choice("x", "MAX_TOKENS")),
    (
        "answer",
        200,
        {
            **choice("x"),
            "prompt_filter_results": [{"content_filter_results": {"jailbreak": {"filtered": False, "detected": True}}}],
        },
    ),
    ("answer", 200, {**choice("x"), "moderation": {"flagged": False}}),
    (
        "answer",
        200,
        {
            "choices": [
                {
                    "message": {"content": "x"},
                    "finish_reason": "stop",
                    "content_filter_results": {"hate": {"filtered": False, "severity": "medium"}},
                }
            ]
        },
    ),
    (
        "answer",
        200,
        {
            "content": [{"type": "text", "text": "x"}],
            "role": "assistant",
            "stop_reason": "max_tokens",
            "type": "message",
        },
    ),
]


@pytest.mark.parametrize(("what", "status", "body"), MORE)
def test_a_reply_is_told_from_what_resembles_it(what, status, body):
    try:
        found = "refusal" if read_reply(body, status).provider_reason else "answer"
    except FailedCallError:
        found = "failed"
    assert found == what


def test_a_failure_is_one_short_line_and_its_label_holds_no_word_of_the_server():
    with pytest.raises(FailedCallError) as failed:
        read_reply({"error": "bad key sk-12345 \x1b]0;pwned\x07\n\u202e" + "x" * 10**6}, 400)
    assert str(failed.value).startswith("HTTP 400: bad key sk-12345 ]0;pwned x")
    assert len(str(failed.value)) < 250
    assert failed.value.label == "error: HTTP 400"


def test_a_prompt_that_is_too_long_is_labelled_as_such():
    with pytest.raises(FailedCallError) as failed:
        read_reply({"error": {"message": "This model's maximum context length is 8 tokens"}}, 400)
    assert failed.value.label == "error: HTTP 400 (context length)"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["content_filter", "refusal"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "error", "finish_reason", "text", "refusal", "candidates", "type"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(body=JSON, status=st.sampled_from([200, 204, 400, 401, 403, 429, 500]))
def test_whatever_is_sent_is_an_answer_a_refusal_or_a_failed_call(body, status):
    try:
        reply = read_reply(body, status)
    except FailedCallError:
        return
    reply.encode()
    assert status < 400 or reply.provider_reason


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "blocked by " * 10**5}},
        {"error": {"message": "violates our the " * 10**5}},
        {"error": [{"message": "may x x"}] * 10**5},
        "[" * 10**5,
        {"choices": [{"message": {"content": "x" * 10**6}, "finish_reason": "a:" * 10**6}]},
    ],
)
def test_large_and_deep_bodies_end(body):
    try:
        read_reply(body, 200 if "choices" in body else 400)
    except FailedCallError as failed:
        assert len(str(failed)) < 300  # noqa: PT017 - either may come
