# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that goes down in the middle of a job: nothing finished is lost, nothing half stays."""
from inside import ctl, game, get, host, inside, is_left_over, overlay, wait_for  # noqa: F401 (fixtures)

SLEEPS = "echo half > left4dead2.half; sleep 600\n"


def generations(overlay):
    number = get("overlay", overlay, "Id")
    return inside("ls", f"/var/lib/left4me/overlays/{number}").split()


def has_settled():
    return not any(word in ctl("job", "list") for word in ("running", "queued"))


def test_crash_during_a_build_keeps_the_current_generation(game, overlay):
    overlay("crashmaps", "echo whole > left4dead2.whole\n")
    ctl("overlay", "build", "crashmaps")
    digest = get("overlay", "crashmaps", "Digest")
    ctl("overlay", "set-script", "crashmaps", "-", input=SLEEPS)
    job = ctl("overlay", "build", "crashmaps", "--no-wait").split()[-1].strip(".")
    wait_for(lambda: "2" in generations("crashmaps"), what="the half-made generation")
    host("crash")
    assert get("job", job, "State") == "interrupted"
    wait_for(has_settled, what="the deletion of the half-made generation")
    assert (get("overlay", "crashmaps", "Generation"), get("overlay", "crashmaps", "Digest")) == ("1", digest)
    assert generations("crashmaps") == ["1"]
    assert is_left_over() == []
    ctl("overlay", "set-script", "crashmaps", "-", input="echo again > left4dead2.again\n")
    ctl("overlay", "build", "crashmaps")
    assert get("overlay", "crashmaps", "Generation") == "3", "a number is used once"


def test_crash_during_a_deletion_ends_it_after_boot(game, overlay):
    """20,000 files take the emptying unit long enough to be met in the middle."""
    overlay("many", "for d in $(seq 20); do mkdir $d; (cd $d; seq 1000 | xargs touch); done\n")
    ctl("overlay", "build", "many")
    number = get("overlay", "many", "Id")
    job = ctl("overlay", "delete", "many", "--no-wait").split()[-1].strip(".")
    wait_for(lambda: get("job", job, "State") == "running", what="the deletion")
    host("crash")
    wait_for(lambda: get("job", job, "State") == "done", 60, "the deletion")
    assert "many" not in ctl("overlay", "list")
    assert inside("sh", "-c", f"ls -d /var/lib/left4me/*/{number} 2>/dev/null || true").split() == []
    assert is_left_over() == []
    ctl("overlay", "create", "many")  # for the fixture, and since the name must be free
