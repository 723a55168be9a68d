"""The lock of a stack: one holder, who can be named, and is not robbed while alive."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ops import lock as locking
from ops.errors import FailedError, OpsError
from ops.lock import FILE, LEASE, Holder, Lock, runs, started, who_am_i, words
from ops.store import FolderStore

NOW = datetime(2026, 11, 29, 20, 0, tzinfo=UTC)
HOLDER = Holder(
    id="1",
    who="ada",
    host="elsewhere",
    pid=1,
    command="deploy",
    run="",
    since=NOW,
    seen=NOW,
)


@pytest.fixture
def records(tmp_path):
    return FolderStore(tmp_path)


@pytest.fixture
def lock(records):
    return Lock(records)


def leave(records: FolderStore, holder: Holder) -> None:
    """A lock as its holder wrote it."""
    times = {"since": holder.since.isoformat(), "seen": holder.seen.isoformat()}
    records.put(FILE, [json.dumps(holder.__dict__ | times).encode()])


def ended_process() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_it_is_free_before_and_after(lock):
    assert lock.holder() is None
    with lock.held("deploy"):
        holder = lock.holder()
        assert (holder.command, holder.pid) == ("deploy", os.getpid())
        assert holder.alive()
    assert lock.holder() is None


def test_it_is_free_after_a_failure(lock):
    with pytest.raises(RuntimeError), lock.held("deploy"):
        raise RuntimeError
    assert lock.holder() is None


def test_a_second_one_is_told_who_has_it_and_to_wait(lock):
    with (
        lock.held("db restore"),
        pytest.raises(OpsError, match=r"locked by .*`db restore`.* Wait for it"),
        lock.held("deploy"),
    ):
        pytest.fail("two at once")


def test_a_second_one_is_told_of_a_dead_holder_how_to_free_it(lock, records):
    leave(records, replace(HOLDER, host=socket.gethostname(), pid=ended_process()))
    with (
        pytest.raises(OpsError, match=r"seems to be gone.*stromhaltig unlock"),
        lock.held("deploy"),
    ):
        pytest.fail("taken without a word")


def test_a_holder_on_this_machine_lives_as_long_as_its_process():
    here = replace(HOLDER, host=socket.gethostname(), seen=NOW - timedelta(days=1))
    assert replace(here, pid=os.getpid()).alive()
    assert not replace(here, pid=ended_process()).alive()


@pytest.fixture
def sleeper(tmp_path):
    """A process that started after this one, with a name that is hard to read."""
    script = tmp_path / "a) b (c"
    script.write_text("#!/bin/sh\nread line\n")
    script.chmod(0o755)
    with subprocess.Popen([script], stdin=subprocess.PIPE) as child:
        yield child.pid
        child.stdin.close()


@pytest.fixture(params=["as it is", "without /proc"])
def system(request, monkeypatch):
    """This machine, and one that has its processes listed by `ps` alone."""
    if request.param == "without /proc":
        monkeypatch.setattr(locking, "started", locking._started_by_ps)


def test_another_process_with_the_number_of_the_holder_is_not_it(system, sleeper):
    here = replace(HOLDER, host=socket.gethostname(), pid=sleeper)
    assert replace(here, started=locking.started(sleeper)).alive()
    assert not replace(here, started="long ago").alive()


def test_when_it_started_stays_as_it_is_and_differs_between_processes(sleeper):
    assert started(sleeper) == started(sleeper) != ""
    assert started(sleeper) != started(os.getpid())
    assert started(ended_process()) == ""


def test_a_lock_tells_when_its_process_started(lock, records):
    with lock.held("deploy"):
        assert lock.holder().started == started(os.getpid())
        assert lock.holder().alive()
        leave(records, replace(lock.holder(), started="long ago"))
        assert not lock.holder().alive()


def test_where_nobody_can_tell_when_it_started_its_number_counts(monkeypatch):
    assert runs(os.getpid())
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(locking, "started", locking._started_by_ps)
    assert locking.started(os.getpid()) == ""
    assert runs(os.getpid(), "long ago")


def test_a_lock_that_says_no_start_is_its_process_by_number_alone(lock, records):
    here = replace(HOLDER, host=socket.gethostname(), pid=os.getpid())
    leave(records, here)
    record = json.loads(b"".join(records.read(FILE)))
    del record["started"]
    records.put(FILE, [json.dumps(record).encode()])
    assert lock.holder() == here
    assert lock.holder().alive()


def test_a_holder_elsewhere_lives_as_long_as_it_says_so():
    assert HOLDER.alive(NOW + LEASE - timedelta(seconds=1))
    assert not HOLDER.alive(NOW + LEASE)


def test_a_holder_shows_that_it_is_alive(records):
    lock = Lock(records, renewal=timedelta(milliseconds=20))
    with lock.held("deploy"):
        first = lock.holder().seen
        deadline = time.monotonic() + 5
        while lock.holder().seen == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_living_holder_is_not_robbed(lock):
    with lock.held("deploy"):
        with pytest.raises(OpsError, match="who is alive"):
            lock.release_dead()
        assert lock.holder() is not None


def test_a_dead_holder_is_removed_and_named(lock, records):
    leave(records, HOLDER)
    assert lock.release_dead() == HOLDER
    assert lock.holder() is None
    assert lock.release_dead() is None


def test_who_lost_the_lock_stops_before_the_next_step(lock, records):
    with lock.held("deploy") as held:
        held.check()
        records.delete(FILE)
        with pytest.raises(FailedError, match="took the lock away"):
            held.check()


def test_who_lost_the_lock_does_not_free_the_next_ones(lock, records):
    with lock.held("deploy"):
        leave(records, HOLDER)
    assert lock.holder() == HOLDER


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"who": 1}'])
def test_a_broken_record_is_named(lock, records, text):
    records.put(FILE, [text.encode()])
    with pytest.raises(OpsError, match=r"lock\.json is no record of a holder"):
        lock.holder()


def test_in_a_pipeline_the_holder_is_its_actor_with_the_run(lock, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTOR", "grace")
    monkeypatch.setenv("GITHUB_RUN_ID", "42")
    monkeypatch.setenv("GITHUB_REPOSITORY", "stromdao/stromhaltig-infra")
    with lock.held("deploy"):
        assert str(lock.holder()).startswith(
            "grace (https://github.com/stromdao/stromhaltig-infra/actions/runs/42)"
        )
    assert who_am_i() == "grace"


def test_who_has_no_name_is_a_number(monkeypatch):
    for variable in ("GITHUB_ACTOR", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 12345678)
    assert who_am_i() == "user 12345678"


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (90, "1 min"), (7100, "118 min"), (7200, "2 h")]
)
def test_an_age_is_told_in_its_largest_unit(seconds, said):
    assert words(timedelta(seconds=seconds)) == said


class SlowRecords(FolderStore):
    """Records whose writes take a while, as those of a bucket do."""

    def put(self, name, chunks):
        time.sleep(0.05)
        return super().put(name, chunks)


def test_a_renewal_under_way_does_not_bring_it_back(tmp_path):
    records = SlowRecords(tmp_path)
    lock = Lock(records, renewal=timedelta(milliseconds=1))
    for _ in range(5):
        with lock.held("deploy"):
            time.sleep(0.03)
        assert lock.holder() is None


class ForgetfulRecords(FolderStore):
    """Records that write, and whose answer gets lost; asked again, it is there."""

    def create(self, name, content):
        return super().create(name, content) and super().create(name, content)


def test_who_has_it_already_is_not_refused(tmp_path):
    lock = Lock(ForgetfulRecords(tmp_path))
    with lock.held("deploy"):
        assert lock.holder().command == "deploy"
    assert lock.holder() is None
