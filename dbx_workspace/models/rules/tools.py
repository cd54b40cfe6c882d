"""Tools that the platform does not run or does not know, and where tools are refused.

While ``hosted-tools`` is off, models of the Responses dialect search if they have the tool for it.
"""

from __future__ import annotations

from ...platform_errors import PlatformError
from ..catalog import ANTHROPIC, GEMINI, RESPONSES
from .rule import ModelCall, Rule

# Types that the client runs by itself; every other type would run on the vendor's servers.
_ANTHROPIC_CLIENT_TYPES = ("custom", "bash_", "text_editor_")
_RESPONSES_HOSTED = (
    "web_search", "image_generation", "code_interpreter", "file_search", "mcp", "tool_search",
    "computer",
)  # fmt: skip
_GEMINI_HOSTED = ("googleSearch", "urlContext", "codeExecution", "googleMaps", "fileSearch")


def _hosted(call: ModelCall) -> PlatformError | None:
    for index, tool in enumerate(call.tools):
        kind = str(tool.get("type", ""))
        if call.api_type == ANTHROPIC and kind and not kind.startswith(_ANTHROPIC_CLIENT_TYPES):
            return call.refusal(
                f"tools.{index}: Input tag '{kind}' found using 'type' does not match any of the "
                "expected tags: 'custom'"
            )
        if call.api_type == RESPONSES and kind.startswith(_RESPONSES_HOSTED):
            return call.refusal(f"tools: the tool type {kind} is not supported", param="tools")
        hosted = [name for name in _GEMINI_HOSTED if name in tool]
        if call.api_type == GEMINI and hosted:
            return call.refusal(f"tools: {hosted[0]} is not supported")
    return None


def _namespaces(call: ModelCall) -> PlatformError | None:
    if call.api_type == RESPONSES and any(t.get("type") == "namespace" for t in call.tools):
        return call.refusal("tools: the tool type namespace is not supported", param="tools")
    return None


def _gpt_chat_tools(call: ModelCall) -> PlatformError | None:
    is_new = call.is_chat_of("gpt") and call.family.version >= (5, 4)
    if is_new and call.tools and call.body.get("reasoning_effort") != "none":
        return call.refusal(
            f"Function tools with reasoning_effort are not supported for {call.model} in "
            "/v1/chat/completions. Please use /v1/responses instead.",
            param="reasoning_effort",
        )
    return None


RULES = (
    Rule(
        "hosted-tools", "databricks/ucode; Databricks community t/141780; pi-web-access#74", _hosted
    ),
    Rule("namespaces", "measured with Codex 0.169.0: no public schema has it", _namespaces),
    Rule(
        "gpt-chat-tools",
        "anomalyco/opencode#7984, charmbracelet/crush#2913, BerriAI/litellm#34569",
        _gpt_chat_tools,
    ),
)
