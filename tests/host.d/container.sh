# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# A host as a container: systemd-nspawn on this machine's kernel. Boots in seconds; has no memory, cpu or pids
# controllers, and what it had not yet written to disk outlives its crash. $host/nspawn has the pid of
# systemd-nspawn.

container_packages=(systemd-container)

# Moves the calling process into the host's own control groups. Two systems in one group would take each
# other's units for their own; and what enters must lie beside the host's units, in none of them.
cgroup_join() {
    local mount group
    while read -r mount; do
        group=$mount/left4me-test-$name
        [[ ! -d $group/payload ]] || group=$group/payload/entered
        if [[ ! -d $group ]]; then
            mkdir "$group" || die "cannot make a control group for the host"
            if [[ -e $mount/cpuset.mems ]]; then # version 1: nothing can be in it until these are set
                cat "$mount/cpuset.cpus" >"$group/cpuset.cpus"
                cat "$mount/cpuset.mems" >"$group/cpuset.mems"
            fi
        fi
        echo "$BASHPID" >"$group/cgroup.procs" || die "cannot enter the control group $group"
    done < <(findmnt -rn -t cgroup,cgroup2 -o TARGET)
}

# What a host leaves that is gone: its control groups.
container_clear() {
    local mount group tries
    while read -r mount; do
        group=$mount/left4me-test-$name
        for ((tries = 0; tries < 50; tries++)); do
            [[ -d $group ]] || continue 2
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
        done
        die "something of the host still runs in the control group $group"
    done < <(findmnt -rn -t cgroup,cgroup2 -o TARGET)
    rm -f "$host/nspawn"
}

container_pid() {
    local pid
    [[ -s $host/nspawn ]] && pid=$(<"$host/nspawn") &&
        grep -Eqs "/left4me-test-$name(/|\$)" "/proc/$pid/cgroup" && echo "$pid"
}

# Prints the pid that the host's PID 1 has outside. Fails when there is none.
container_leader() {
    local nspawn pid
    nspawn=$(container_pid) || return 1
    for pid in $(pgrep -P "$nspawn"); do
        if grep -qs '^NSpid:.*[[:space:]]1$' "/proc/$pid/status"; then
            echo "$pid"
            return 0
        fi
    done
    return 1
}

container_is_up() {
    container_leader >/dev/null
}

# The root directory is all that a container needs, and what is installed into it is in the host.
container_prepare() { :; }
container_update() { :; }

container_start() {
    local unified=()
    # 257 knows only the second version, which this machine may not have made its own.
    [[ $release == bookworm ]] || unified=(SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1)
    (
        cgroup_join
        exec {lock_fd}>&-
        # In a session of its own: what Ctrl-C means for the host is decided by this script.
        exec setsid env "${unified[@]}" systemd-nspawn --quiet --directory="$host/root" --boot \
            --machine="$name" --register=no --keep-unit --private-network --capability=all \
            --system-call-filter=@known --resolv-conf=off --timezone=off --link-journal=no \
            --console=read-only --bind-ro="$tree:/usr/src/left4me" \
            --bind-ro="$build:/usr/src/left4me-build" --bind-ro="$game:/usr/share/left4me-demo"
    ) </dev/null >>"$host/console.log" 2>&1 &
    echo $! >"$host/nspawn"
}

container_answers() {
    container_is_up
}

container_become() {
    local leader
    leader=$(container_leader) || die "the host is not up"
    cgroup_join
    [[ ! ${lock_fd:-} ]] || exec {lock_fd}>&-
    exec nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup -- "$@"
}

container_power_off() {
    kill -s RTMIN+4 "$(container_leader)" # what systemd takes for "power off"
}

# A process namespace does not outlive its first process.
container_kill() {
    local pid
    pid=$(container_leader) || pid=$(container_pid) || return 0
    kill -s KILL "$pid" || true
}

container_journal() {
    echo "journalctl -D $host/root/var/log/journal"
}

container_path() {
    echo "$host/root"
}
