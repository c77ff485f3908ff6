# SPDX-License-Identifier: LGPL-2.1-or-later
"""The power is cut. What was not flushed to the disk is gone, so nothing may be told as done, or be current, before it
is there."""
import subprocess

import pytest
from conftest import INSIDE
from test_crash_jobs import IMPORT, LOOK, PREPARE, assert_whole

# Where the service is halted on its way from the end of a seal to the point when everybody knows; and whether the new
# generation is the current one then.
STEPS = {"SEAL_ENDED": False, "PUBLISH_BEGIN": False, "PUBLISH_INSIDE": False, "PUBLISH_SAVED": False,
         "PUBLISH_COMMITTED": True, "PUBLISH_ANNOUNCED": True}

TO_THE_STEP = IMPORT + """
from conftest import daemon_pid

before = root.get("overlay", "crash")["Generation"]
set_script(root, "crash", "for i in {1..20}; do head -c 100000 /dev/urandom > $i; done")
pathlib.Path("/run/left4me/fault").write_text(step + " stop")
stat = pathlib.Path(f"/proc/{daemon_pid()}/stat")
job = ask_build(root, "crash")
wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", 120, "the halt at " + step)
result = before, job
"""


@pytest.fixture(scope="module")
def crashing(host):
    """The overlay `crash`, for all steps one after the other."""
    host.python(PREPARE)
    yield
    host.python('delete_overlay(root, "crash")')


@pytest.mark.parametrize("step", STEPS)
def test_at_a_step_of_publishing(host, crashing, step):
    before, job = host.python(TO_THE_STEP, step=step)
    host.run("sh", "-c", "echo lost > /var/tmp/lost")
    host.crash()
    facts = host.python(LOOK + "result['job'] = root.get_all(job)\nresult['lost'] = pathlib.Path('/var/tmp/lost')."
                        "read_text() if pathlib.Path('/var/tmp/lost').exists() else ''", job=job)
    assert facts["lost"] == "", "what was not flushed is lost, or this would show nothing"
    assert_whole(facts)
    if STEPS[step]:
        assert facts["overlay"]["Generation"] > before and facts["job"]["State"] == "done", facts
    else:
        assert facts["overlay"]["Generation"] == before and facts["job"]["State"] == "interrupted", facts


def test_what_was_answered_is_kept(host):
    """A caller asks and asks, and the power is cut between."""
    host.python("""
assert build(root, "game", SMALL_GAME)["State"] == "done"
root.manager("CreateInstance", "('kept', @a{sv} {})")
root.manager("CreateInstance", "('gone', @a{sv} {})")
""")
    code = INSIDE % """
root.instance("kept", "Start")
root.wait_job(root.instance("gone", "Delete")[0])
for n in range(10000):
    root.instance("kept", "Configure", settings(Description=f"'{n}'"))
    root.instance("kept", "SetConfig", f"('hostname {n}', @a{{sv}} {{}})")
    print(n, flush=True)
"""
    with subprocess.Popen([host.verbs, "exec", "--name", host.name, "python3", "-c", code], text=True,
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as caller:
        while caller.stdout.readline() != "5\n":
            assert caller.poll() is None
        host.crash()
        answered = int([5, *caller.stdout.read().split()][-1])
    described, configured, others, state = host.python("""
until(root, "kept", 60, ActiveState="active")
shown = root.get("instance", "kept")
result = (int(shown["Description"]), int(root.instance("kept", "GetConfig", "")[0].split()[1]),
          [path for path in root.objects() if "/instance/" in path], shown["Enabled"])
delete_instance(root, "kept")
""")
    assert answered <= configured <= described <= answered + 1
    assert others == ["/org/left4me/Host1/instance/kept"] and state, others
