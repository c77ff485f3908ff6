# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# A host as a running machine: make, boot, enter, end. $host/settings holds what must be known between
# runs, $host/nspawn the pid of systemd-nspawn.

boot_time_limit=90
down_time_limit=60
sanitizer_reports=/var/log/sanitizer

# A fresh root directory. A whole copy, not an overlay: /var/lib/left4me must be able to hold upper layers.
machine_make() {
    local root=$host/root
    rm -rf --one-file-system "$root" "$host/console.log"
    cp -a --reflink=auto "$rootfs" "$root"
    echo "$name" >"$root/etc/hostname"
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    declare -p release sanitize build game | sed 's/^declare --/declare -g --/' >"$host/settings"
    [[ ! $sanitize ]] || machine_expect_reports "$root"
}

# Sanitizers report to a directory: a unit's own output can go anywhere, and no report may be missed.
# Finding leaks takes ptrace, which the units' system call filters refuse; the daemon's is opened for it.
machine_expect_reports() {
    local dropin=$1/etc/systemd/system/left4me-hostd.service.d
    mkdir -p "$1$sanitizer_reports" "$1/etc/systemd/system.conf.d" "$dropin"
    chmod 1777 "$1$sanitizer_reports"
    printf '%s\n' '[Manager]' "DefaultEnvironment=$(sanitizer_environment 0)" \
        >"$1/etc/systemd/system.conf.d/sanitizer.conf"
    printf '%s\n' '[Service]' "Environment=$(sanitizer_environment 1)" SystemCallFilter=ptrace \
        >"$dropin/sanitizer.conf"
}

# $1: 1 to look for leaks when a program ends.
sanitizer_environment() {
    local reports=log_path=$sanitizer_reports/report
    echo "ASAN_OPTIONS=$reports:detect_leaks=$1 UBSAN_OPTIONS=$reports:print_stacktrace=1"
}

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

cgroup_remove() {
    local mount group tries
    while read -r mount; do
        group=$mount/left4me-test-$name
        for ((tries = 0; tries < 50; tries++)); do
            [[ -d $group ]] || continue 2
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
        done
        die "something of the host still runs in the control group $group"
    done < <(findmnt -rn -t cgroup,cgroup2 -o TARGET)
}

# Prints the pid of the host's systemd-nspawn. Fails when it does not run.
machine_nspawn() {
    local pid
    [[ -s $host/nspawn ]] && pid=$(<"$host/nspawn") &&
        grep -Eqs "/left4me-test-$name(/|\$)" "/proc/$pid/cgroup" && echo "$pid"
}

# Prints the pid that the host's PID 1 has outside. Fails when there is none.
machine_leader() {
    local nspawn pid
    nspawn=$(machine_nspawn) || return 1
    for pid in $(pgrep -P "$nspawn"); do
        if grep -qs '^NSpid:.*[[:space:]]1$' "/proc/$pid/status"; then
            echo "$pid"
            return 0
        fi
    done
    return 1
}

# For verbs that need the host up: also takes up how it was made, whatever the options say.
machine_need() {
    machine_leader >/dev/null || die "the host is not up: run tests/host up"
    # shellcheck source=/dev/null
    . "$host/settings"
}

# Becomes a command inside the host.
machine_become() {
    local leader environment=()
    leader=$(machine_leader) || die "the host is not up"
    [[ ! $sanitize ]] || read -ra environment < <(sanitizer_environment 1)
    cgroup_join
    [[ ! ${lock_fd:-} ]] || exec {lock_fd}>&-
    # nsenter waits outside: when it is killed, its command must end too.
    exec nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup -- \
        /usr/bin/env -i -C /root HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" \
        PYTHONDONTWRITEBYTECODE=1 LEFT4ME_TEST_RELEASE="$release" LEFT4ME_TEST_SANITIZE="$sanitize" \
        "${environment[@]}" setpriv --pdeathsig TERM -- "$@"
}

machine_enter() {
    (machine_become "$@")
}

machine_failed() {
    tail -n 20 "$host/console.log" >&2 || true
    die "the host did not boot: $1; what it said is in $host/console.log," \
        "its journal can be read with journalctl -D $host/root/var/log/journal"
}

machine_boot() {
    local began=$SECONDS unified=() nspawn state
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
    nspawn=$!
    echo "$nspawn" >"$host/nspawn"
    until machine_leader >/dev/null && machine_enter test -S /run/systemd/private 2>/dev/null; do
        kill -0 "$nspawn" 2>/dev/null || machine_failed "systemd-nspawn ended"
        ((SECONDS - began < boot_time_limit)) || machine_failed "it does not answer"
        sleep 0.1
    done
    state=$(machine_enter timeout "$boot_time_limit" systemctl is-system-running --wait) || true
    if [[ $state != running ]]; then
        machine_enter systemctl --no-pager --plain --failed >&2 || true
        machine_failed "systemd says '$state'"
    fi
}

# Waits until the host is gone and takes its control groups away. $1: seconds. Fails when it stays.
machine_wait_gone() {
    local began=$SECONDS
    while machine_nspawn >/dev/null; do
        ((SECONDS - began < $1)) || return 1
        sleep 0.05
    done
    cgroup_remove
    rm -f "$host/nspawn"
}

machine_down() {
    local leader
    if leader=$(machine_leader); then
        kill -s RTMIN+4 "$leader" # what systemd takes for "power off"
        if ! machine_wait_gone "$down_time_limit"; then
            machine_kill
            die "the host did not power off within $down_time_limit s and was killed; see $host/console.log"
        fi
    else
        machine_kill
    fi
}

# Ends everything in the host at one stroke: a process namespace does not outlive its first process. Where
# the host is down already, it takes away what a host leaves that powered itself off.
machine_kill() {
    local pid
    if pid=$(machine_leader); then
        kill -s KILL "$pid" || true
    elif pid=$(machine_nspawn); then
        kill -s KILL "$pid" || true
    fi
    machine_wait_gone 20 || die "the host's systemd-nspawn (pid $(machine_nspawn)) does not end"
}
