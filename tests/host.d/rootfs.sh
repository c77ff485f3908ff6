# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# What is fetched and kept between runs: packages on this machine, a bare system for each release, its
# kernel, the game server. A change of this file makes the systems anew.

# Needed on this machine: to build, to make and boot hosts, to run the tests that stand outside.
machine_packages=(gcc libc6-dev meson ninja-build pkg-config libsystemd-dev libglib2.0-dev
    libpolkit-gobject-1-dev libmount-dev libsqlite3-dev libarchive-dev libjson-c-dev mmdebstrap debian-archive-keyring
    procps util-linux python3-pytest)

# Needed in a host: what left4me host runs on, then what the tests use.
host_packages=(systemd systemd-sysv dbus polkitd libpam-systemd util-linux libglib2.0-0
    libpolkit-gobject-1-0 libmount1 libsqlite3-0 libarchive13 libjson-c5 zlib1g ca-certificates
    procps iproute2 nftables qstat socat python3 python3-pytest python3-gi gir1.2-glib-2.0 strace less
    unzip zip 7zip attr e2fsprogs libasan8 libubsan1 kmod openssh-server zsh)

# What has no work in a container, or would work at times of its own choosing.
masked_units=(systemd-modules-load.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
    fstrim.timer e2scrub_all.timer e2scrub_reap.service systemd-pstore.service
    console-getty.service getty@.service ssh.service ssh.socket)

# The part of OpenArena that a dedicated server needs.
game_packages=(ioquake3-server openarena-server openarena-data openarena-081-maps openarena-085-data)

# The kernel of a machine in emulation: small, with ext4 and NVMe built in.
kernel_package=linux-image-cloud-amd64

packages_missing() {
    local package
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

packages_install() {
    local missing fd
    exec {fd}>"$cache/apt.lock"
    flock "$fd"
    apt-get indextargets 'Created-By: Packages' | grep -q . ||
        logged "apt-get update" "$cache/apt.log" apt-get update
    mapfile -t missing < <(packages_missing "$@")
    if ((${#missing[@]})); then
        logged "apt-get update" "$cache/apt.log" apt-get update
        logged "installing ${missing[*]}" "$cache/apt.log" \
            env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
    fi
    exec {fd}>&-
}

# Prints the apt sources of the release, on the mirrors that this machine uses for its own.
release_sources() {
    local uri codename component origin
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
        sort -u | while read -r uri codename component origin; do
        [[ $origin == Debian && $component == main ]] || continue
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
            "$uri $release${codename#"${codename%%-*}"} main"
    done
}

# Prints those settings of this machine's apt that fetching from its mirrors depends on.
release_apt_settings() {
    apt-config dump --format '%F "%v";%n' Acquire |
        grep -E '^Acquire::(Check-Valid-Until|Check-Date|Retries|https?::(Proxy|Timeout))' || true
}

rootfs_build() {
    local target=$1 sources settings unit packages=("${host_packages[@]}")
    [[ $release == bookworm ]] || packages+=(dbus-broker)
    sources=$cache/rootfs/$release.sources
    settings=$cache/rootfs/$release.apt
    release_sources >"$sources"
    if [[ ! -s $sources ]]; then
        echo "this machine has no apt source of Debian's to take $release from"
        return 1
    fi
    release_apt_settings >"$settings"
    rm -rf --one-file-system "$target"
    mmdebstrap --mode=root --variant=minbase --aptopt="$settings" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --include="$(IFS=,; echo "${packages[*]}")" "$release" "$target" - <"$sources" || return
    : >"$target/etc/resolv.conf" # a host has no network
    mkdir -p "$target/var/log/journal" "$target/usr/share/left4me-demo" "$target/usr/src"
    for unit in "${masked_units[@]}"; do
        ln -s /dev/null "$target/etc/systemd/system/$unit"
    done
}

# Makes, once, the bare system of the release, the game's files, and its kernel where that is asked for.
rootfs_make() {
    local fd
    rootfs=$cache/rootfs/$release-$(sha256sum <"$tree/tests/host.d/rootfs.sh" | cut -c 1-8)
    game=$cache/game/$release-$(sha256sum <<<"${game_packages[*]}" | cut -c 1-8)
    kernel=$cache/kernel/$release-$(sha256sum <<<"$kernel_package" | cut -c 1-8)
    mkdir -p "$cache"/{rootfs,game,kernel}
    exec {fd}>"$cache/rootfs/$release.lock"
    flock "$fd"
    keep "$rootfs" "making a bare $release" rootfs_build
    keep "$game" "fetching the game" game_fetch
    [[ $kind != vm ]] || keep "$kernel" "fetching a kernel" kernel_fetch
    exec {fd}>&-
}

# Makes a directory that is kept, if it is not there. Other checkouts may use others of its kind: only what
# nobody has used for a week goes. $1: the directory, $2: what making it is, $3: what makes it where told.
keep() {
    local kind=${1%/*}
    if [[ ! -d $1 ]]; then
        logged "$2" "$kind/$release.log" "$3" "$kind/$release.new"
        mv "$kind/$release.new" "$1"
    fi
    touch "$1"
    find "$kind" -mindepth 1 -maxdepth 1 -type d -mtime +7 -exec rm -rf --one-file-system {} +
}

# Sets up an apt of its own, so that it is the release's packages that come, whatever this machine runs.
# $1: its directory. Whoever calls has a local APT_CONFIG.
release_apt() {
    local apt=$1
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    release_sources >"$apt/sources.list"
    release_apt_settings >"$apt/apt.conf"
    cat >>"$apt/apt.conf" <<EOF
Dir::State "$apt";
Dir::State::status "/dev/null";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
APT::Sandbox::User "root";
EOF
    APT_CONFIG=$apt/apt.conf
    apt-get update
}

# Lays the game's packages out side by side, PACKAGE/usr/...
game_fetch() {
    local target=$1 apt=$1.apt package
    local -x APT_CONFIG
    rm -rf "$target"
    release_apt "$apt" || return
    (cd "$apt" && apt-get download "${game_packages[@]}") || return
    for package in "${game_packages[@]}"; do
        mkdir -p "$target/$package"
        dpkg-deb -x "$apt/$package"_*.deb "$target/$package" || return
    done
    rm -r "$apt"
}

# boot/vmlinuz-VERSION and lib/modules/VERSION. The package is unpacked, not installed: that would make an
# initial ramdisk, which is not needed.
kernel_fetch() {
    local target=$1 apt=$1.apt package
    local -x APT_CONFIG
    rm -rf "$target"
    release_apt "$apt" || return
    package=$(apt-cache depends "$kernel_package" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
    (cd "$apt" && apt-get download "$package") || return
    dpkg-deb -x "$apt/$package"_*.deb "$target" || return
    [[ -d $target/lib ]] || ln -s usr/lib "$target/lib"
    depmod -b "$target" "${package#linux-image-}" || return
    rm -r "$apt"
}
