"""The language host before the host: what it passes on, and what it does itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import language_pb2

from rehearsal import policy_host
from rehearsal.processes import end_sessions
from tests.rehearsal.programs import ends, program

SERVICE = "/pulumirpc.LanguageRuntime/"
ANY_SIZE = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]

HOST = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
import grpc

def refuse(context):
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "this host cannot")

def once(method):
    def answer(request, context):
        if request == b"refuse":
            refuse(context)
        if request == b"pid":
            return str(os.getpid()).encode()
        if request == b"arguments":
            return " ".join(sys.argv[1:]).encode()
        return method.encode() + b" " + request
    return answer

def often(method):
    def answer(request, context):
        yield method.encode()
        if request == b"refuse":
            refuse(context)
        yield request
    return answer

class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        method = details.method.rpartition("/")[2]
        if method in ("RunPlugin", "InstallDependencies"):
            return grpc.unary_stream_rpc_method_handler(often(method))
        return grpc.unary_unary_rpc_method_handler(once(method))

options = [("grpc.max_receive_message_length", -1),
           ("grpc.max_send_message_length", -1)]
server = grpc.server(ThreadPoolExecutor(), options=options)
server.add_generic_rpc_handlers((Handler(),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


class Installed:
    """An engine with a host, and what was installed of them."""

    def __init__(self, folder: Path, host: str) -> None:
        self.theirs = program(folder / "theirs" / "pulumi", "echo v3.250.0")
        program(folder / "theirs" / policy_host.NAME, host)
        self.engine = policy_host.install(folder / "ours", self.theirs)
        self.host = folder / "ours" / policy_host.NAME

    def start(self, *arguments: str, **given: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.host, *arguments],
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
            **given,
        )


def python(script: Path) -> str:
    return f'exec {sys.executable} {script} "$@"'


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("engine with spaces")
    script = tmp_path_factory.mktemp("host") / "host.py"
    script.write_text(HOST)
    return Installed(folder, python(script))


@pytest.fixture(scope="module")
def port(installed: Installed) -> Iterator[str]:
    """Of a host that runs, behind ours."""
    process = installed.start("127.0.0.1:1", "--flag")
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    end_sessions([process.pid], grace=2)
    process.communicate()


@pytest.fixture
def channel(port: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=ANY_SIZE) as channel:
        yield channel


@pytest.fixture
def ask(channel: grpc.Channel) -> Callable[[str, bytes], bytes]:
    """Make a call that is answered once."""
    return lambda method, request: channel.unary_unary(SERVICE + method)(request)


class TestPassingOn:
    """All that is not about packs is the host's."""

    @pytest.mark.parametrize("method", ["Handshake", "GetPluginInfo", "Run", "New"])
    def test_a_call_gets_the_hosts_answer(self, ask, method):
        assert ask(method, b"asked") == method.encode() + b" asked"

    def test_bytes_stay_as_they_are_whatever_their_number(self, ask):
        request = bytes(range(256)) * 20_000  # 5 MB: gRPC takes 4 unless told otherwise
        assert ask("Run", request) == b"Run " + request

    def test_a_call_that_is_answered_in_parts_gets_all(self, channel):
        answers = channel.unary_stream(f"{SERVICE}InstallDependencies")(b"asked")
        assert list(answers) == [b"InstallDependencies", b"asked"]

    def test_a_refusal_is_the_hosts_own(self, ask):
        with pytest.raises(grpc.RpcError) as refusal:
            ask("GetRequiredPackages", b"refuse")
        assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert refusal.value.details() == "this host cannot"

    def test_a_refusal_after_the_first_part_is_one_too(self, channel):
        answers = channel.unary_stream(f"{SERVICE}InstallDependencies")(b"refuse")
        assert next(answers) == b"InstallDependencies"
        with pytest.raises(grpc.RpcError) as refusal:
            next(answers)
        assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert refusal.value.details() == "this host cannot"

    def test_the_host_gets_the_engines_arguments(self, ask):
        assert ask("Run", b"arguments") == b"127.0.0.1:1 --flag"

    def test_plugins_of_other_kinds_are_started_by_the_host(self, channel, tmp_path):
        request = language_pb2.RunPluginRequest(pwd=str(tmp_path), kind="resource")
        answers = channel.unary_stream(f"{SERVICE}RunPlugin")(
            request.SerializeToString()
        )
        assert list(answers) == [b"RunPlugin", request.SerializeToString()]


@pytest.fixture
def run(channel: grpc.Channel, tmp_path: Path) -> Callable[..., Any]:
    """Start a pack with this body; gives the call."""
    pack, elsewhere = tmp_path / "pack", tmp_path / "elsewhere"
    pack.mkdir()
    elsewhere.mkdir()

    def run(body: str, **given: Any) -> Any:
        (pack / "__main__.py").write_text(body)
        request = language_pb2.RunPluginRequest(
            pwd=str(elsewhere),
            kind="analyzer",
            info=language_pb2.ProgramInfo(program_directory=str(pack)),
            **{"args": ["127.0.0.1:2"], **given},
        )
        return channel.unary_stream(
            f"{SERVICE}RunPlugin",
            request_serializer=language_pb2.RunPluginRequest.SerializeToString,
            response_deserializer=language_pb2.RunPluginResponse.FromString,
        )(request)

    return run


def heard(call: Any) -> tuple[str, str, int]:
    """Everything that a pack wrote, by stream, and how it ended."""
    *parts, last = call
    assert last.WhichOneof("output") == "exitcode"
    return (
        b"".join(part.stdout for part in parts).decode(),
        b"".join(part.stderr for part in parts).decode(),
        last.exitcode,
    )


class TestPacks:
    """A pack is started as the hosts of today do it."""

    def test_it_is_run_with_arguments_environment_and_folder(self, run, tmp_path):
        body = (
            "import os, sys\n"
            "print(sys.argv[1:], os.environ['GIVEN'], os.environ['PATH'] != '')\n"
            "print(os.getcwd(), file=sys.stderr)\n"
        )
        out, err, code = heard(run(body, env=["GIVEN=a=b c"]))
        arguments = ["127.0.0.1:2", str(tmp_path / "pack")]
        assert out == f"{arguments} a=b c True\n"
        assert err == f"{tmp_path / 'elsewhere'}\n"
        assert code == 0

    def test_its_exit_code_comes_last(self, run):
        body = "import sys\nprint('first')\nsys.exit(7)"
        assert heard(run(body)) == ("first\n", "", 7)

    def test_a_pack_that_fails_says_so_in_its_own_words(self, run):
        _, err, code = heard(run("raise ValueError('broken on purpose')"))
        assert code == 1
        assert "ValueError: broken on purpose" in err

    def test_what_it_writes_is_told_while_it_runs(self, run, tmp_path):
        answer = tmp_path / "answer"
        call = run(
            "import os, time\n"
            "print(4711)\n"
            f"while not os.path.exists({str(answer)!r}):\n    time.sleep(0.02)\n"
            "print('over')\n"
        )
        # The port, which the engine waits for.
        assert next(call).stdout == b"4711\n"
        answer.touch()
        assert heard(call) == ("over\n", "", 0)

    def test_much_output_on_both_streams_is_told_in_full(self, run):
        body = (
            "import sys\n"
            "for _ in range(200):\n"
            "    print('o' * 999)\n"
            "    print('e' * 999, file=sys.stderr)\n"
        )
        out, err, code = heard(run(body))
        assert (out, err) == (("o" * 999 + "\n") * 200, ("e" * 999 + "\n") * 200)
        assert code == 0

    def test_it_ends_when_the_engine_wants_no_more_of_it(self, run):
        call = run("import os, time\nprint(os.getpid())\ntime.sleep(60)")
        pid = int(next(call).stdout)
        call.cancel()
        assert ends(pid)

    def test_two_run_at_the_same_time(self, run, tmp_path):
        waits = (
            "import os, time, sys\n"
            "mine, other = os.environ['MINE'], os.environ['OTHER']\n"
            "open(mine, 'w').close()\n"
            "while not os.path.exists(other):\n    time.sleep(0.02)\n"
        )
        one, two = str(tmp_path / "one"), str(tmp_path / "two")
        calls = [
            run(waits, env=[f"MINE={mine}", f"OTHER={other}"])
            for mine, other in ((one, two), (two, one))
        ]
        assert [heard(call) for call in calls] == [("", "", 0)] * 2


class TestBeginningAndEnd:
    """Nothing is left running, and what goes wrong is said."""

    def test_it_ends_with_its_host(self, installed):
        process = installed.start()
        port = process.stdout.readline().strip()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            host = int(channel.unary_unary(f"{SERVICE}Run")(b"pid"))
        assert host != process.pid
        os.kill(host, signal.SIGKILL)
        assert process.wait(timeout=10) == 0
        process.communicate()

    @pytest.mark.parametrize(
        ("says", "told"),
        [
            ("echo usage: host; exec sleep 60", "'usage: host'"),
            ("echo; exec sleep 60", "''"),
            ("exit 3", "''"),
        ],
        ids=["words", "an empty line", "nothing"],
    )
    def test_a_host_that_gives_no_port_is_named_and_ended(self, tmp_path, says, told):
        broken = Installed(tmp_path, f"echo $$ > {tmp_path}/pid; {says}")
        process = broken.start(stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 1
        assert out == ""
        theirs = broken.theirs.with_name(policy_host.NAME)
        assert err == f"{theirs} gave no port, but: {told}\n"
        assert ends(int((tmp_path / "pid").read_text()))

    def test_ctrl_c_ends_both_without_a_word(self, tmp_path):
        waiting = Installed(
            tmp_path, f"echo $$ > {tmp_path}/pid; echo 1; exec sleep 60"
        )
        process = waiting.start(stderr=subprocess.PIPE)
        assert process.stdout.readline().strip().isdigit()
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == -signal.SIGINT
        assert ends(int((tmp_path / "pid").read_text()))


class TestInstalling:
    """A folder that goes first on PATH."""

    def test_the_engine_is_the_same_and_the_host_is_beside_it(self, installed):
        assert installed.engine.samefile(installed.theirs)
        done = subprocess.run([installed.engine], capture_output=True, text=True)
        assert done.stdout == "v3.250.0\n"
        names = sorted(file.name for file in installed.engine.parent.iterdir())
        assert names == ["pulumi", "pulumi-language-python"]

    def test_it_can_be_done_again_with_another_engine(self, tmp_path):
        first = Installed(tmp_path, "echo first")
        other = program(tmp_path / "other" / "pulumi", "echo v3.260.0")
        program(tmp_path / "other" / policy_host.NAME, "echo other")
        again = policy_host.install(tmp_path / "ours", other)
        assert again == first.engine
        assert again.samefile(other)
        assert first.theirs.read_text().endswith("echo v3.250.0\n")
        done = subprocess.run([first.host], capture_output=True, text=True)
        assert "gave no port, but: 'other'" in done.stderr

    def test_on_another_file_system_the_engine_is_copied(self, tmp_path, monkeypatch):
        def refuse(*_: object) -> None:
            raise OSError("Invalid cross-device link")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
        found = Installed(tmp_path, "exit 1")
        assert not found.engine.samefile(found.theirs)
        done = subprocess.run([found.engine], capture_output=True, text=True)
        assert done.stdout == "v3.250.0\n"
