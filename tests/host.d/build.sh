# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# The tree, built on this machine and installed into a host's root directory.

build_make() {
    local fd options=(--prefix=/usr --sysconfdir=/etc --werror)
    # The demo runs what users get.
    [[ $verb == demo ]] || options+=(-Dfault-points=true)
    [[ $release == bookworm ]] || options+=(-Dsystemd-257=true)
    [[ ! $sanitize ]] || options+=('-Db_sanitize=address,undefined')
    build=$cache/build/$release-$(sha256sum <<<"$tree ${options[*]}" | cut -c 1-8)
    mkdir -p "$cache/build"
    exec {fd}>"$build.lock"
    flock "$fd"
    if [[ ! -e $build/build.ninja ]]; then
        rm -rf "$build"
        logged "meson setup" "$build.log" /usr/bin/meson setup "${options[@]}" "$build" "$tree"
    fi
    logged "building" "$build.log" /usr/bin/meson compile -C "$build"
    exec {fd}>&-
}

build_install() {
    logged "installing" "$host/install.log" \
        env DESTDIR="$host/root" /usr/bin/meson install -C "$build" --no-rebuild
}
