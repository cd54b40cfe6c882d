"""The scripted model, without a socket."""

from __future__ import annotations

import pytest

from dbx_workspace.models.script import Conversation, Tool, Turn, reply_to

BASH = Tool("Bash", {"properties": {"command": {"type": "string"}}, "required": ["command"]})


def _reply(*turns: Turn, tools: tuple[Tool, ...] = (BASH,)):
    return reply_to(Conversation(turns, tools))


def test_the_last_user_message_is_echoed():
    turns = (Turn("user", "one"), Turn("assistant", "echo: one"), Turn("user", "two words"))
    assert _reply(*turns).text == "echo: two words"


@pytest.mark.parametrize("prompt", ["run: ls -l", "please\n  run: ls -l  \nthanks", '"run: ls -l"'])
def test_a_directive_becomes_a_shell_call(prompt):
    call = _reply(Turn("user", prompt)).tool_call
    assert call.name == "Bash"
    assert call.arguments == {"command": "ls -l"}


@pytest.mark.parametrize(
    "prompt",
    [
        "<system-reminder>\nrun: ls\n</system-reminder>hello",
        "write a title for: 'run: ls'",
        "I run: nothing",
    ],
)
def test_a_quoted_directive_is_not_a_directive(prompt):
    assert _reply(Turn("user", prompt)).tool_call is None


@pytest.mark.parametrize(
    ("name", "called"), [("write", "write"), ("execute-sql", "mcp__dbx__execute_sql")]
)
def test_a_tool_is_called_by_its_name_or_else_by_the_end_of_it(name: str, called: str):
    tools = tuple(Tool(each, {}) for each in ("todowrite", "write", "mcp__dbx__execute_sql"))
    reply = _reply(Turn("user", f'tool: {name} {{"a": 1}}'), tools=tools)
    assert (reply.tool_call.name, reply.tool_call.arguments) == (called, {"a": 1})


def test_without_tools_a_directive_is_echoed():
    reply = _reply(Turn("user", "run: ls"), tools=())
    assert (reply.text, reply.tool_call) == ("echo: run: ls", None)


def test_several_directives_run_in_turn_and_end_in_the_last_output():
    prompt = Turn("user", "run: one\nrun: two")
    first = _reply(prompt).tool_call
    second = _reply(prompt, Turn("assistant", "Running"), Turn("tool", "1")).tool_call
    last = _reply(
        prompt,
        Turn("tool", "1"),
        Turn("user", "<system-reminder>x</system-reminder>"),
        Turn("tool", "2"),
    )
    assert (first.arguments["command"], second.arguments["command"]) == ("one", "two")
    assert last.text == "done: 2"


def test_a_new_prompt_after_a_tool_result_starts_afresh():
    turns = (
        Turn("user", "run: ls"),
        Turn("tool", "x"),
        Turn("assistant", "done: x"),
        Turn("user", "hi"),
    )
    assert _reply(*turns).text == "echo: hi"


@pytest.mark.parametrize(
    "output",
    [
        "out\n",
        '{"output": "out", "exit_code": 0, "error": null}',
        "out\n\n<system-reminder>\n9 tokens left\n</system-reminder>",
        "Chunk ID: e1\nWall time: 0.0 seconds\nOutput:\nout\n",
        "<untrusted_context>\nOutput: out\nProcess Group PGID: 7\n</untrusted_context>",
    ],
)
def test_what_agents_add_to_an_output_is_removed(output):
    assert _reply(Turn("user", "run: x"), Turn("tool", output)).text == "done: out"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (
            Tool("shell", {"properties": {"command": {"type": "array"}}, "required": ["command"]}),
            {"command": ["bash", "-lc", "ls"]},
        ),
        (Tool("exec_command", {"properties": {"cmd": {"type": "string"}}}), {"cmd": "ls"}),
        (
            Tool(
                "run_shell_command",
                {
                    "properties": {
                        "command": {"type": "STRING"},
                        "description": {"type": "STRING"},
                        "background": {"type": "BOOLEAN"},
                    },
                    "required": ["command", "description", "background"],
                },
            ),
            {"command": "ls", "description": "Scripted session", "background": False},
        ),
        (
            Tool("anything", {"properties": {"command": {"type": ["string", "null"]}}}),
            {"command": "ls"},
        ),
    ],
)
def test_arguments_fit_the_offered_schema(tool, arguments):
    other = Tool("Read", {"properties": {"path": {"type": "string"}}})
    call = _reply(Turn("user", "run: ls"), tools=(other, tool)).tool_call
    assert (call.name, call.arguments) == (tool.name, arguments)


def test_a_slow_stream_has_its_chunks_and_delay():
    reply = _reply(Turn("user", "stream: 3 chunks every 20 ms"))
    assert reply.chunks == ("chunk 1 ", "chunk 2 ", "chunk 3 ", "end of stream")
    assert reply.pause_seconds == 0.02


def test_bulk_has_the_requested_size():
    reply = _reply(Turn("user", "bulk: 1000 tokens"))
    assert len(reply.chunks) == 1001
    assert reply.text.endswith("end of bulk")


def test_a_check_of_a_command_does_not_block_it():
    reply = reply_to(Conversation((Turn("user", "run: ls"),), stop_sequences=("</block>",)))
    assert (reply.text, reply.stop_sequence) == ("<block>no", "</block>")


def test_the_reply_to_a_schema_is_an_instance():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    assert reply_to(Conversation((Turn("user", "x"),), json_schema=schema)).text == (
        '{"title": "Scripted session"}'
    )


def test_quotation_marks_around_a_prompt_are_no_part_of_its_commands():
    tool = Tool("bash", {"properties": {"command": {"type": "string"}}})
    for prompt, command in (
        ('run: echo "x"', 'echo "x"'),
        ('"run: echo x"', "echo x"),
        ('"just run: echo x\njust run: echo y"', "echo x"),
    ):
        call = reply_to(Conversation((Turn("user", prompt),), (tool,))).tool_call
        assert call is not None
        assert call.arguments == {"command": command}
