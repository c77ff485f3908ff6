# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# A host as a running machine: make, boot, enter, end. What it is, a container or a machine in emulation, is
# in $kind, and what only that one knows in the file of its name. $host/settings holds what must be known
# between runs. Each kind has these functions, KIND_...:
#   packages   (no function) what this machine needs for it
#   prepare    makes of the root directory what boots
#   start      begins a boot
#   answers    whether commands can be run in it by now
#   become     the calling process becomes a command in it
#   update     brings a new build into it
#   power_off  asks it to go down
#   kill       ends everything in it at one stroke
#   pid        prints the pid of what runs it; fails when nothing does
#   is_up      whether it runs
#   clear      takes away what it leaves
#   journal    prints how its journal is read from outside
#   path       prints where its files are

boot_time_limit=240
down_time_limit=120
sanitizer_reports=/var/log/sanitizer

# A fresh root directory. A whole copy, not an overlay: /var/lib/left4me must be able to hold upper layers.
machine_make() {
    local root=$host/root
    rm -rf --one-file-system "$root" "$host/console.log"
    cp -a --reflink=auto "$rootfs" "$root"
    echo "$name" >"$root/etc/hostname"
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    declare -p kind release sanitize build game | sed 's/^declare --/declare -g --/' >"$host/settings"
    made=$kind
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

# Notes what the host was made as, in $made: that is what must be ended, whatever the options say.
machine_look() {
    # shellcheck source=/dev/null
    made=$([[ ! -e $host/settings ]] || . "$host/settings"; echo "$kind")
}

machine_is_up() {
    "${made}_is_up"
}

# For verbs that need the host up: also takes up how it was made, whatever the options say.
machine_need() {
    machine_is_up || die "the host is not up: run tests/host up"
    # shellcheck source=/dev/null
    . "$host/settings"
}

# Becomes a command inside the host.
machine_become() {
    local environment=()
    [[ ! $sanitize ]] || read -ra environment < <(sanitizer_environment 1)
    # What runs it waits outside: when that is killed, the command must end too.
    "${kind}_become" /usr/bin/env -i -C /root HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8 \
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
        "its journal can be read with $("${kind}_journal")"
}

machine_boot() {
    local began=$SECONDS state
    "${kind}_start"
    until "${kind}_answers" && machine_enter test -S /run/systemd/private 2>/dev/null; do
        kill -0 $! 2>/dev/null || machine_failed "what runs it ended"
        ((SECONDS - began < boot_time_limit)) || machine_failed "it does not answer"
        sleep 0.1
    done
    state=$(machine_enter timeout "$boot_time_limit" systemctl is-system-running --wait) || true
    if [[ $state != running ]]; then
        machine_enter systemctl --no-pager --plain --failed >&2 || true
        machine_failed "systemd says '$state'"
    fi
    say "booting: $((SECONDS - began)) s"
}

# Waits until the host is gone and clears up behind it. $1: seconds. Fails when it stays.
machine_wait_gone() {
    local began=$SECONDS
    while "${made}_pid" >/dev/null; do
        ((SECONDS - began < $1)) || return 1
        sleep 0.05
    done
    "${made}_clear"
}

machine_down() {
    if "${made}_is_up" && "${made}_power_off"; then
        if ! machine_wait_gone "$down_time_limit"; then
            machine_kill
            die "the host did not power off within $down_time_limit s and was killed; see $host/console.log"
        fi
    else
        machine_kill
    fi
}

# Where the host is down already, it takes away what a host leaves that powered itself off.
machine_kill() {
    "${made}_kill"
    machine_wait_gone 20 || die "what runs the host (pid $("${made}_pid")) does not end"
}
