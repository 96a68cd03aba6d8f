"""Commands end in one line and a status; only bugs have tracebacks."""

import argparse
import io
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from policy_bert import command
from policy_bert.command import ArgumentParser, positive_int, run_command
from policy_bert.errors import DataError

ROOT = Path(__file__).parents[1]


def interruptible():
    """Take Ctrl-C again where the tests themselves were started in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def python(script, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1", "PYTHONUNBUFFERED": ""}
    return subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE, preexec_fn=interruptible, **options
    )


def test_the_status_of_main_comes_back():
    assert run_command(lambda argv: len(argv), ["a", "b", "c"]) == 3


def test_a_users_mistake_is_one_line_and_status_2(capsys):
    def main(argv):
        print("before")
        raise DataError("a.txt:\n  expected text,   found a folder")

    assert run_command(main) == 2
    captured = capsys.readouterr()
    assert captured.err == "error: a.txt: expected text, found a folder\n"
    assert captured.out == "before\n"


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda argv: 1 // 0)


def test_ctrl_c_is_quiet(capsys):
    def main(argv):
        raise KeyboardInterrupt

    assert run_command(main) == 130
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_is_quiet_in_a_process_of_its_own():
    script = """
import sys, time
from policy_bert.command import run_command
def main(argv):
    print("ready", flush=True)
    time.sleep(30)
sys.exit(run_command(main))
"""
    process = python(script, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize("end", ["return 0", "raise KeyboardInterrupt", "raise DataError('x')"])
def test_a_reader_that_goes_away_makes_no_noise(end):
    script = f"""
import sys
from policy_bert.command import run_command
from policy_bert.errors import DataError
def main(argv):
    print("first", flush=True)
    sys.stdin.readline()
    print("for nobody")
    {end}
sys.exit(run_command(main))
"""
    process = python(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"first\n"
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stderr.read() == (b"error: x\n" if "DataError" in end else b"")
    assert process.wait(timeout=20) == {"return 0": 0, "raise KeyboardInterrupt": 130}.get(end, 2)


def test_output_is_utf_8_and_half_characters_are_escaped():
    script = r"""
import sys
from policy_bert.command import run_command
from policy_bert.errors import DataError
def main(argv):
    print("供给\ud83d")
    raise DataError("文件\udcff")
sys.exit(run_command(main))
"""
    process = python(script, stdout=subprocess.PIPE)
    out, err = process.communicate(timeout=20)
    assert out.decode("utf-8") == "供给\\ud83d\n"
    assert err.decode("utf-8") == "error: 文件\\udcff\n"
    assert process.returncode == 2


def test_a_wrong_argument_is_one_line_and_status_2(capsys):
    parser = ArgumentParser(prog="policy-bert x")
    parser.add_argument("--batch-size", type=positive_int)
    for value, words in (("0", "at least 1, found 0"), ("many", "whole number, found 'many'")):
        with pytest.raises(SystemExit) as caught:
            parser.parse_args(["--batch-size", value])
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
        assert "policy-bert x --help" in error
    assert parser.parse_args(["--batch-size", "8"]).batch_size == 8


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "", "x"])
def test_only_whole_numbers_from_1_are_positive(text):
    with pytest.raises(argparse.ArgumentTypeError):
        positive_int(text)


def test_the_log_goes_to_stderr_once(monkeypatch):
    logger = logging.getLogger("policy_bert")
    monkeypatch.setattr(logger, "handlers", [])
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    command.configure_logging()
    command.configure_logging()
    logging.getLogger("policy_bert.anything").info("read %d rows", 3)
    assert stream.getvalue() == "read 3 rows\n"
