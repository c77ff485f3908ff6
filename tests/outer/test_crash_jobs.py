# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs over the crash of their host: a build is interrupted and leaves no half generation, a deletion goes on, and what
was queued has its turn."""
import time

import pytest

IMPORT = "from builds import *\n"

PREPARE = IMPORT + """
root.manager("CreateOverlay", "('crash', 'script', @a{sv} {})")
assert build_now(root, "crash", "for i in {1..20}; do echo $RANDOM > $i; done")["State"] == "done"
result = root.get("overlay", "crash")
"""

# What there is of the overlay when all jobs have ended, and what should not be there.
LOOK = IMPORT + """
wait_quiet(root, 120)
now = root.get("overlay", "crash")
result = {"overlay": now, "digest": tree_digest(current_dir(root, "crash")),
          "on disk": sorted(int(n) for n in os.listdir(overlay_dir(root, "crash"))), "jobs": jobs_of(root, "crash"),
          "left over": [str(p) for p in (*trash(), *STAGING.iterdir())],
          "units": run("systemctl", "list-units", "--all", "--plain", "--no-legend", "left4me-job-*").stdout,
          "staged": pathlib.Path("/proc/1/mountinfo").read_text().count("/run/left4me/staging")}
"""


def assert_whole(facts):
    """The current generation is what its digest says, and nothing is there that should not be."""
    overlay = facts["overlay"]
    assert facts["digest"] == [overlay["Digest"], overlay["Files"]], facts
    assert facts["on disk"] == [g[0] for g in overlay["Generations"]], facts
    assert (facts["left over"], facts["units"], facts["staged"]) == ([], "", 0), facts


@pytest.fixture
def crashing(host):
    """The overlay `crash` with one generation; its properties."""
    yield host.python(PREPARE)
    host.python('delete_overlay(root, "crash")')


def test_a_crash_during_a_build_interrupts_it(host, crashing):
    job = host.python(IMPORT + """
set_script(root, "crash", HOLD + "echo never > file")
result = ask_build(root, "crash")
wait_held(root, "crash")
assert len(os.listdir(overlay_dir(root, "crash"))) == 2
""")
    host.crash()
    facts = host.python(LOOK)
    ended = host.python("result = root.get_all(job)", job=job)
    assert (ended["State"], ended["Result"]) == ("interrupted", "host-crash"), ended
    assert ended["Message"] and ended["FinishedAt"] >= ended["StartedAt"] > 0, ended
    assert_whole(facts)
    for key in ("Generation", "Digest", "Files", "Size", "BuiltAt", "Generations"):
        assert facts["overlay"][key] == crashing[key], key
    assert facts["overlay"]["State"] == "failed"
    again = host.python(IMPORT + 'result = (build_now(root, "crash", "echo > file"), root.get("overlay", "crash"))')
    assert again[0]["State"] == "done" and again[1]["Generation"] == 3, "a number is given once"


@pytest.mark.parametrize("told,is_watched", [("exit 0", False), ("exit 0", True), ("exit 3", True)])
def test_a_shutdown_during_a_build_interrupts_it(host, crashing, told, is_watched):
    """Whatever the script does when it is told to end, and whether or not the service is still there to see it."""
    job = host.python(IMPORT + """
conf = pathlib.Path("/etc/systemd/system/left4me-hostd.service.d/late.conf")
if is_watched:
    conf.parent.mkdir(exist_ok=True)
    conf.write_text("[Service]\\nExecStop=sleep 2\\n")
    run("systemctl", "daemon-reload")
set_script(root, "crash", f"trap '{told}' TERM\\n" + HOLD + "echo never > file")
result = ask_build(root, "crash")
wait_held(root, "crash")
""", told=told, is_watched=is_watched)
    host.reboot()
    seen = host.python("""
conf = pathlib.Path("/etc/systemd/system/left4me-hostd.service.d/late.conf")
if conf.exists():
    conf.unlink()
    run("systemctl", "daemon-reload")
result = "ended with the host" in run("journalctl", "--boot=-1", "--unit=left4me-hostd.service").stdout
""")
    assert seen or not is_watched, "what this test is about"
    facts = host.python(LOOK)
    ended = host.python("result = root.get_all(job)", job=job)
    assert (ended["State"], ended["Result"]) == ("interrupted", "host-crash"), ended
    assert_whole(facts)
    assert facts["overlay"]["Generations"] == crashing["Generations"]


def test_a_crash_during_the_seal_interrupts_the_build(host, crashing):
    host.python(IMPORT + """
job = ask_build(root, "crash", "truncate --size=3G large")
name = f"left4me-job-{root.get_all(job)['Id']}-seal.service"
wait_for(lambda: unit(name, "SubState")["SubState"] == "running", 60, "the seal")
""")
    host.crash()
    facts = host.python(LOOK)
    assert [j["State"] for j in facts["jobs"] if j["Kind"] == "build"][-1] == "interrupted", facts
    assert_whole(facts)
    assert facts["overlay"]["Generations"] == crashing["Generations"]


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3])
def test_a_crash_at_some_instant_of_a_build_leaves_a_whole_generation(host, crashing, delay):
    process = host.begin(IMPORT + """
print("begins", flush=True)
while True:
    build_now(root, "crash")
""")
    time.sleep(delay)  # another instant each time
    host.crash()
    process.wait(60)
    facts = host.python(LOOK)
    assert_whole(facts)
    assert facts["overlay"]["Generation"] >= crashing["Generation"]
    assert {j["State"] for j in facts["jobs"] if j["Kind"] == "build"} <= {"done", "interrupted"}, facts


def test_what_was_queued_has_its_turn_after_a_crash(host, crashing):
    queued = host.python(IMPORT + """
run("useradd", "--create-home", "--groups", "left4me-admins", "ada", check=False)
ada = Client("ada")
set_script(root, "crash", HOLD + "echo never > file")
first = ask_build(root, "crash")
wait_held(root, "crash")
result = ask_build(ada, "crash", "echo after > file")
assert result != first and root.get_all(result)["State"] == "queued"
ada.close()
""")
    host.crash()
    facts = host.python(LOOK)
    ended, ada = host.python("import pwd\nresult = (root.get_all(job), pwd.getpwnam('ada').pw_uid)", job=queued)
    assert (ended["State"], ended["Requesters"]) == ("done", [ada]), ended
    assert_whole(facts)
    assert facts["overlay"]["Generation"] == 3


FILL = "for d in {1..20}; do mkdir $d; (cd $d; seq 500 | xargs touch); done"


def test_a_crash_during_deletions_ends_them_after_boot(host):
    jobs, number = host.python(IMPORT + """
assert build(root, "game", SMALL_GAME)["State"] == "done"
for name in ("crash-a", "crash-b"):
    root.manager("CreateInstance", f"('{name}', @a{{sv}} {{}})")
    root.instance(name, "Mount")
    run("bash", "-ec", fill, user="left4me", cwd=merged(name))
    root.instance(name, "Unmount")
root.manager("CreateOverlay", "('crash-o', 'script', @a{sv} {})")
assert build_now(root, "crash-o", fill)["State"] == "done"
jobs = [root.instance("crash-a", "Reset")[0], root.instance("crash-b", "Delete")[0], root.overlay("crash-o", "Delete")[0]]
result = jobs, root.get("overlay", "crash-o")["Id"]
assert "running" in [wait_state(root, job, "running", "done")["State"] for job in jobs]
""", fill=FILL)
    host.crash()
    facts = host.python(IMPORT + """
wait_quiet(root, 120)
places = [STATE / "runtime/crash-b", STATE / "instances/crash-b", STATE / f"overlays/{number}", STATE / f"cache/{number}",
          STATE / "runtime/crash-a/layers/upper", *trash(), *STAGING.iterdir()]
objects = [path_of("instance", "crash-b"), path_of("overlay", "crash-o")]
result = [root.get_all(j)["State"] for j in jobs], [str(p) for p in places if p.exists()], [
    o for o in objects if o in root.objects()]
root.instance("crash-a", "Mount")
delete_instance(root, "crash-a")
""", jobs=jobs, number=number)
    assert facts == [["done"] * 3, [], []]
