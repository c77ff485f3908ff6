# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# A host as a machine in QEMU's software emulation, with its release's own kernel. It has what a container lacks:
# controllers of control groups, so that limits are felt, and power that can be cut. Its code runs 10 to 30 times
# slower. Commands enter by ssh. $host/qemu has the pid of QEMU, which has a network namespace of its own: nothing
# outside of it reaches the machine, and the machine reaches nothing.
#
# $host/disk.img is the disk as it was when the power was last off, $host/disk.qcow2 what was written since.

vm_packages=(qemu-system-x86 qemu-utils e2fsprogs openssh-client kmod iproute2)
vm_disk_size=8G
vm_memory=2G

# Becomes ssh to the machine. All that enters goes over one connection, which vm_answers makes.
vm_ssh() {
    local pid
    pid=$(vm_pid) || die "the host is not up"
    [[ ! ${lock_fd:-} ]] || exec {lock_fd}>&-
    exec nsenter --target "$pid" --net ssh -F none -S "$host/control" -i "$host/key" -o BatchMode=yes \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$@"
}

# Makes a disk of the root directory and of what a container has bound. Nothing may be started in it that waits for
# a device: there is no udev.
vm_prepare() {
    local root=$host/root
    mkdir -p "$root/usr/src/left4me-build"
    vm_tree | tar -C "$root" -x
    cp -a "$build/." "$root/usr/src/left4me-build"
    cp -a "$game/." "$root/usr/share/left4me-demo"
    cp -a "$kernel/lib/modules" "$root/usr/lib"
    cp "$kernel"/boot/vmlinuz-* "$host/vmlinuz"
    echo "/dev/nvme0n1 / ext4 rw,noatime 0 0" >"$root/etc/fstab"
    ln -s /dev/null "$root/etc/systemd/system/serial-getty@.service"
    vm_prepare_ssh "$root"
    rm -f "$host"/disk.*
    truncate --size="$vm_disk_size" "$host/disk.img"
    logged "making a disk" "$host/disk.log" mke2fs -q -t ext4 -O quota,project \
        -E quotatype=prjquota,assume_storage_prezeroed=1 -d "$root" "$host/disk.img"
    rm -rf --one-file-system "$root"
}

# The tree as an archive, where it lies in a host.
vm_tree() {
    tar -C "$tree" -c --exclude-vcs --exclude='./build*' --transform='s,^\.,usr/src/left4me,' .
}

# The network is there for ssh alone. A command is no session of logind's: it is none in a container either.
vm_prepare_ssh() {
    local units=$1/etc/systemd/system
    rm -f "$host"/key{,.pub} "$units/ssh.service"
    ssh-keygen -q -t ed25519 -N '' -f "$host/key"
    install -D -m 0600 "$host/key.pub" "$1/root/.ssh/authorized_keys"
    printf '%s\n' "UsePAM no" "MaxSessions 100" >"$1/etc/ssh/sshd_config.d/host.conf"
    mkdir -p "$units/ssh.service.d"
    printf '%s\n' '[Service]' 'ExecStartPre=modprobe --all virtio_pci virtio_net' \
        'ExecStartPre=ip address add 10.0.2.15/24 dev eth0' 'ExecStartPre=ip link set eth0 up' \
        >"$units/ssh.service.d/host.conf"
    ln -sf /lib/systemd/system/ssh.service "$units/multi-user.target.wants/ssh.service"
}

# What the kernel in there has not written is lost with QEMU. What the disk has taken is kept, so it has no cache of its
# own (cache.writeback=off): with one, the commit that ext4's journal had written last, with FUA, was lost now and then,
# though the kernel held it to be safe. This machine's own disk is not waited for: its power stays.
# One thread for both processors: with two, the kernel now and then trips over code that it has just patched.
vm_start() {
    qemu-img create -q -f qcow2 -F raw -b "$host/disk.img" "$host/disk.qcow2"
    (
        exec {lock_fd}>&-
        # In a session of its own: what Ctrl-C means for the host is decided by this script.
        # shellcheck disable=SC2016,SC2054
        exec setsid unshare --net /bin/sh -c 'ip link set lo up && exec qemu-system-x86_64 "$@"' sh \
            -M q35 -cpu max -accel tcg,thread=single -smp 2 -m "$vm_memory" -nodefaults -no-reboot -display none \
            -chardev "file,id=console,path=$host/console.log,append=on" -serial chardev:console \
            -kernel "$host/vmlinuz" -append "root=/dev/nvme0n1 ro rootflags=prjquota console=ttyS0 quiet panic=-1 \
                mitigations=off systemd.show_status=no" \
            -drive "file=$host/disk.qcow2,if=none,id=disk,cache.writeback=off,cache.no-flush=on" -device nvme,serial=1,drive=disk \
            -netdev user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:22-:22 -device virtio-net-pci,netdev=net
    ) </dev/null >>"$host/console.log" 2>&1 &
    disown # or bash says how it ended
    echo $! >"$host/qemu"
}

vm_answers() {
    [[ -S $host/control ]] || (vm_ssh -fNM -o ConnectTimeout=5 127.0.0.1 </dev/null >/dev/null 2>&1)
}

# A command that loses whoever started it may go on in there.
vm_become() {
    local terminal=() line
    [[ ! -t 0 || ! -t 1 ]] || terminal=(-t)
    printf -v line '%q ' "$@"
    vm_ssh "${terminal[@]}" 127.0.0.1 "$line"
}

# What was installed is in a root directory that has nothing else.
vm_update() {
    tar -C "$host/root" -c . | machine_enter tar -C / -x
    rm -rf --one-file-system "$host/root"
    machine_enter rm -rf /usr/src/left4me
    vm_tree | machine_enter tar -C / -x
}

vm_power_off() {
    (vm_become systemctl poweroff)
}

vm_kill() {
    local pid
    ! pid=$(vm_pid) || kill -s KILL "$pid" || true
}

vm_pid() {
    local pid
    [[ -s $host/qemu ]] && pid=$(<"$host/qemu") && grep -Fqs "$host/disk.qcow2" "/proc/$pid/cmdline" && echo "$pid"
}

vm_is_up() {
    vm_pid >/dev/null
}

vm_clear() {
    local tries
    if [[ -e $host/disk.qcow2 ]]; then
        # When QEMU was killed, the disk is its own until its last thread has ended.
        for ((tries = 0; tries < 100; tries++)); do
            ! qemu-img info "$host/disk.qcow2" >/dev/null 2>&1 || break
            sleep 0.1
        done
        qemu-img commit -q -t unsafe "$host/disk.qcow2"
        rm "$host/disk.qcow2"
    fi
    rm -f "$host"/{qemu,control}
}

vm_journal() {
    echo "debugfs -R 'rdump /var/log/journal $host' $host/disk.img; journalctl -D $host/journal"
}

vm_path() {
    echo "$host/disk.img"
}
