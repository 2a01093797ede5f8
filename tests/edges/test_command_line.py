"""The front door: which command is run, with which config, and what expected trouble looks like."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from agent import __version__, cli
from agent.cli import cancel
from agent.config import ConfigError, Problem

REPO = Path(__file__).parents[2]
HEAVY = {"httpx", "sqlite_utils", "starlette"}

Install = Callable[..., SimpleNamespace]


def module_that(act: object) -> ModuleType:
    """A command's module whose `run` does this."""
    module = ModuleType("agent.cli.probe")
    module.HELP = "probe"
    module.add = lambda parser: parser.add_argument("--loud", action="store_true")
    module.run = act
    return module


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a command `probe`; returns what it was run with."""
    seen = SimpleNamespace(args=None)

    def install(act: object = None) -> SimpleNamespace:
        def run(args: object) -> int:
            seen.args = args
            return act() if callable(act) else 0

        monkeypatch.setattr(cli, "COMMANDS", {"probe": "probe", "ghost": "ghost"})
        monkeypatch.setitem(sys.modules, "agent.cli.probe", module_that(run))
        return seen

    monkeypatch.delenv("CALLOUT_AGENT_CONFIG", raising=False)
    return install


def failing(error: BaseException):
    def act() -> int:
        raise error

    return act


@pytest.mark.parametrize(
    "arguments", [["--config", "/x.toml", "probe"], ["probe", "--config", "/x.toml"], ["--config=/x.toml", "probe", "--loud"]]
)
def test_config_is_taken_before_and_after_the_command(probe: Install, arguments: list[str]):
    """People put it in either place."""
    seen = probe()
    assert cli.main(arguments) == 0
    assert seen.args.config == Path("/x.toml")


def test_config_defaults(probe: Install, monkeypatch: pytest.MonkeyPatch):
    """The option, then the environment, then the usual place."""
    seen = probe()
    cli.main(["probe"])
    assert seen.args.config == Path("/etc/callout-agent/config.toml")
    monkeypatch.setenv("CALLOUT_AGENT_CONFIG", "/env.toml")
    cli.main(["probe"])
    assert seen.args.config == Path("/env.toml")
    cli.main(["probe", "--config", "/option.toml"])
    assert seen.args.config == Path("/option.toml")


def test_exit_code_is_the_commands(probe: Install):
    """Scripts rely on it."""
    probe(lambda: 4)
    assert cli.main(["probe"]) == 4


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x/y"), 1, "callout-agent: /x/y: No such file or directory\n"),
        (PermissionError(13, "Permission denied", "/x/y"), 1, "callout-agent: /x/y: Permission denied\n"),
        (FileExistsError(17, "File exists", "/x"), 1, "callout-agent: /x: File exists; nothing is overwritten, name another one\n"),
        (ConnectionRefusedError(111, "Connection refused"), 1, "callout-agent: Connection refused\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            ConfigError((Problem("a.b", "is required"), Problem("c", "is odd"))),
            1,
            "callout-agent: a.b: is required\ncallout-agent: c: is odd\n",
        ),
    ],
)
def test_expected_trouble_is_one_line(probe: Install, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, words: str):
    """No traceback for what happens on any healthy machine."""
    probe(failing(error))
    assert cli.main(["probe"]) == code
    assert capsys.readouterr().err == words


def test_defect_keeps_its_traceback(probe: Install):
    """What nobody expects must be seen."""
    probe(failing(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["probe"])


def test_unknown_command_names_the_known(probe: Install, capsys: pytest.CaptureFixture[str]):
    """In the order of the help, and ends as argparse does."""
    probe()
    assert cli.main(["prob"]) == 2
    assert "'probe', 'ghost'" in capsys.readouterr().err


def test_a_named_config_that_is_not_there_is_said(
    tmp_path: Path, probe: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """On standard error, so that nobody takes the answer of the usual place for that of another; the command goes on all the same."""
    probe()
    config = tmp_path / "agent.toml"
    monkeypatch.setattr(cli, "FORGIVING", frozenset({"probe"}))
    assert cli.main(["probe", "--config", str(config)]) == 0
    assert capsys.readouterr() == ("", f"callout-agent: {config} cannot be read: {cli.USUAL}\n")
    assert cli.main(["probe"]) == 0  # the usual place is where a daemon without any config is looked for
    config.touch()
    assert cli.main(["probe", "--config", str(config)]) == 0
    assert capsys.readouterr() == ("", "")


def test_missing_module_breaks_only_its_own_command(probe: Install, capsys: pytest.CaptureFixture[str]):
    """A command of a later release is told as such; the list still shows all."""
    probe()
    assert cli.main(["ghost"]) == 1
    assert "not part of this release" in capsys.readouterr().err
    assert cli.main(["--help"]) == 0
    assert "probe" in capsys.readouterr().out
    assert cli.main(["probe"]) == 0


def test_no_command_shows_help(probe: Install, capsys: pytest.CaptureFixture[str]):
    """And is a mistake."""
    probe()
    assert cli.main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]):
    """--version tells it."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"callout-agent {__version__}\n"


@pytest.mark.parametrize("command", [name for name, module in cli.COMMANDS.items() if (REPO / "agent" / "cli" / f"{module}.py").exists()])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    """--help works for each and names --config."""
    assert cli.main([command, "--help"]) == 0
    assert "--config" in capsys.readouterr().out


def run_python(code: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        **more,
    )


@pytest.mark.parametrize("command", ["status", "check", "raise"])
def test_quick_commands_do_not_import_the_heavy_libraries(command: str):
    """`status` on a small computer answers at once."""
    done = run_python(f"import sys; from agent import cli; cli.main(['{command}', '--help']); print({HEAVY} & sys.modules.keys())")
    assert done.stdout.endswith("set()\n"), done.stdout + done.stderr


def test_closed_pipe_is_no_traceback(tmp_path: Path):
    """`callout-agent check | head -0` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "agent", "check", "--config", str(tmp_path / "none.toml")],
        cwd=REPO,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def at_the_terminal(tmp_path: Path, *typed: bytes) -> tuple[int, str]:
    """`cancel` at a terminal, each of these typed at a prompt: exit code, and all that the terminal shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "agent", "--config", str(tmp_path / "none.toml"), "cancel"]
    with subprocess.Popen(command, cwd=REPO, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        shown = b""
        for each in typed:
            prompts = shown.count(b"Safe code: ")
            while shown.count(b"Safe code: ") == prompts:
                shown += os.read(ours, 4096)
            os.write(ours, each)
        with contextlib.suppress(OSError):  # the other end has hung up
            while more := os.read(ours, 4096):
                shown += more
    os.close(ours)
    return process.returncode, shown.decode()


def test_blank_code_is_asked_for_again_and_none_is_shown(tmp_path: Path):
    """It can never become the unconditional form; nor can an end of input, which is nobody's missing terminal."""
    code, shown = at_the_terminal(tmp_path, b"\n", b"  \n", b"8642\n")
    assert (code, "NOT handed over" in shown, shown.count("A code is needed."), "8642" in shown) == (2, True, 2, False)
    for typed in ((b"\n", b"\n", b"\n"), (b"\x04",)):
        code, shown = at_the_terminal(tmp_path, *typed)
        assert (code, "nothing was handed over" in shown, "no terminal" in shown) == (1, True, False)


@pytest.mark.parametrize(("typed", "code"), [(" 0042 \n", " 0042 "), ("0042\r\n", "0042"), ("0042", "0042"), ("  \n", None), ("", None)])
def test_code_on_standard_input_is_taken_as_typed_and_a_blank_one_asks_for_nothing(
    monkeypatch: pytest.MonkeyPatch, typed: str, code: str | None
):
    """Least of all for the unconditional form."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert cancel._with_code(argparse.Namespace(safe_code_stdin=True)) == (None if code is None else {"do": "cancel", "code": code})


def test_terminal_without_the_letters_shows_the_rest(monkeypatch: pytest.MonkeyPatch):
    """What dispatch wrote may be in any script; a status that ends in a traceback says nothing of a callout."""
    screen = io.TextIOWrapper(io.BytesIO(), encoding="iso-8859-1")
    monkeypatch.setattr(sys, "stdout", screen)
    assert cli.main(["check", "--config", "/nowhere/\u043f\u043e\u043c\u043e\u0449\u044c.toml"]) == 1
    screen.seek(0)
    assert "/nowhere/??????.toml" in screen.read()
