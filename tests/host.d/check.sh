# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# Every test, on a host made from nothing: unit tests, the fuzz corpora, the demo and tests/integration inside the host,
# then tests/outer on this machine, which reboot and crash the host. A skipped test is a failed one.
# Then, on a machine in emulation, which is slow, those that need a kernel of their own and power to be
# cut: tests/integration/vm and tests/outer/vm. With --vm those alone.

# Needed on this machine by tests that stand outside.
check_packages=(g++ abigail-tools)

unit_time_limit=120
pytest_time_limit=3600

check_passed=0
check_failed=0

# $1: the suite's name, $2: passed, $3: failed.
check_count() {
    printf -- '-- %s: %d passed, %d failed\n' "$@"
    check_passed=$((check_passed + $2))
    check_failed=$((check_failed + $3))
}

# The unit tests and the fuzz targets, which replay their corpora, speak TAP. One that dies, or says less than it planned, has
# failed once more.
check_unit() {
    local program directory output status passed failed planned
    for program in "$build"/tests/{unit/test,fuzz/fuzz}-*; do
        [[ -f $program && -x $program ]] || continue
        directory=tests/$(basename "${program%/*}")
        program=${program##*/}
        output=$host/$program.log
        status=0
        machine_enter env -C /usr/src/left4me G_TEST_SRCDIR="/usr/src/left4me/$directory" \
            G_TEST_BUILDDIR="/usr/src/left4me-build/$directory" \
            timeout "$unit_time_limit" "/usr/src/left4me-build/$directory/$program" --tap \
            >"$output" 2>&1 </dev/null || status=$?
        passed=$(grep -E '^ok ' "$output" | grep -vcE '# (SKIP|TODO)' || true)
        planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$output" | head -n 1)
        failed=$((${planned:-0} - passed))
        ((failed > 0 || status == 0 && ${planned:-0} > 0)) || failed=1
        ((failed == 0)) || cat "$output"
        check_count "$program" "$passed" "$failed"
    done
}

# Counts what pytest wrote down. $1: the suite's name, $2: its JUnit file.
check_junit() {
    local line all=0 bad=0 word
    if line=$(grep -o '<testsuite [^>]*>' "$2"); then
        for word in errors failures skipped; do
            bad=$((bad + $(sed -E "s/.* $word=\"([0-9]+)\".*/\1/" <<<"$line")))
        done
        all=$(sed -E 's/.* tests="([0-9]+)".*/\1/' <<<"$line")
    else
        bad=1 all=1
        echo "$1: pytest ended without a result"
    fi
    check_count "$1" $((all - bad)) "$bad"
}

# The main job, from an ordinary user to the real server's answer; then as if it had not been.
check_demo() {
    local output=$host/demo.log passed=1
    machine_enter /usr/src/left4me/tests/demo >"$output" 2>&1 </dev/null && machine_enter /bin/sh -ec '
        l4d2ctl delete arena
        l4d2ctl overlay delete maps
        l4d2ctl overlay delete game
        userdel --remove alice' >>"$output" 2>&1 </dev/null || passed=0
    ((passed)) || cat "$output"
    check_count "tests/demo" "$passed" $((1 - passed))
}

# $1: which tests, rest: for pytest.
check_inner() {
    local suite=$1 junit=/var/log/check-inner.xml
    shift
    machine_enter env -C /usr/src/left4me timeout "$pytest_time_limit" python3 -m pytest \
        -p no:cacheprovider -ra --junit-xml="$junit" "$@" \
        "$suite" </dev/null || true
    machine_enter cat "$junit" >"$host/check-inner.xml" || true
    check_junit "$suite" "$host/check-inner.xml"
}

# The same for tests outside of the host.
check_outer() {
    local suite=$1 junit=$host/check-outer.xml
    shift
    rm -f "$junit"
    env PYTHONDONTWRITEBYTECODE=1 LEFT4ME_TEST_HOST="$tree/tests/host" LEFT4ME_TEST_NAME="$name" \
        LEFT4ME_TEST_RELEASE="$release" LEFT4ME_TEST_SANITIZE="$sanitize" LEFT4ME_TEST_CACHE="$cache" \
        timeout --foreground "$pytest_time_limit" /usr/bin/python3 -m pytest \
        -p no:cacheprovider -ra --junit-xml="$junit" "$@" \
        "$tree/$suite" </dev/null || true
    check_junit "$suite" "$junit"
}

check_reports() {
    local report failed=0
    [[ $sanitize ]] || return 0
    for report in "$host/root$sanitizer_reports"/*; do
        [[ -s $report ]] || continue
        cat "$report"
        failed=$((failed + 1))
    done
    check_count "sanitizer reports" $((failed == 0)) "$failed"
}

# Sanitizers would be too slow there. Arguments go to pytest.
check_machine() {
    local output=$host/check-vm.log words
    [[ ! $sanitize && $kind != vm ]] || return 0
    "$tree/tests/host" check --vm --release "$release" -- "$@" </dev/null | tee "$output" || true
    read -ra words < <(tail -n 1 "$output")
    [[ ${words[1]:-} == passed, && ${words[3]:-} == failed ]] || words=(0 passed, 1 failed)
    check_count "in emulation" "${words[0]}" "${words[2]}"
}

# Arguments go to pytest.
verb_check() {
    from_nothing
    if [[ $kind == vm ]]; then
        check_inner tests/integration/vm "$@"
        check_outer tests/outer/vm "$@"
    else
        packages_install "${check_packages[@]}"
        check_unit
        check_demo
        check_inner tests/integration "$@"
        check_outer tests/outer "$@"
        check_reports
    fi
    if ((check_failed)); then
        machine_down
        echo "the journal of the host: $("${kind}_journal")"
        started=
    else
        to_nothing
    fi
    check_machine "$@"
    echo "$check_passed passed, $check_failed failed"
    ((check_failed == 0 && check_passed > 0))
}
