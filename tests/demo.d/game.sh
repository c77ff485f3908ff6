#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Script of the overlay `game`: a dedicated server, laid out and started like srcds. OpenArena's stands in
# for it; its files are unpacked packages in the throwaway host.

set -euo pipefail

packages=/usr/share/left4me-demo
data=$packages/openarena-data/usr/share/games/openarena/baseoa
maps=$packages/openarena-081-maps/usr/share/games/openarena/baseoa

install -D -m 0755 -t . "$packages/ioquake3-server/usr/lib/ioquake3/ioq3ded"
install -D -m 0644 -t left4dead2 "$packages/openarena-server/usr/lib/openarena-server/baseoa/qagamex86_64.so" \
    "$data/pak0.pk3" "$maps/pak1-maps.pk3"

cat >srcds_run <<'SRCDS_RUN'
#!/bin/bash
# Takes srcds_run's arguments and runs OpenArena's server with what they mean there.

set -euo pipefail
cd "$(dirname "$0")"

game=left4dead2
address=0.0.0.0
port=27015
map=oa_dm1
commands=()
while (($#)); do
    case $1 in
        -game) game=$2; shift 2 ;;
        -ip) address=$2; shift 2 ;;
        -port) port=$2; shift 2 ;;
        -norestart | -strictportbind) shift ;;
        +tv_port | +clientport) shift 2 ;; # it has no such ports
        +map) map=$2; shift 2 ;;
        +*)
            commands+=("$1")
            shift
            while (($#)) && [[ $1 != [-+]* ]]; do
                commands+=("$1")
                shift
            done
            ;;
        *) echo "srcds_run: '$1' is not understood" >&2; exit 2 ;;
    esac
done

exec ./ioq3ded +set dedicated 1 +set ttycon 0 +set net_enabled 1 +set net_ip "$address" +set net_port "$port" \
    +set com_basegame "$game" +set com_protocol 71 +set com_legacyprotocol 71 +set sv_pure 0 +set vm_game 0 \
    +set bot_enable 0 +set fs_basepath . +set fs_homepath . +exec cfg/server.cfg "${commands[@]}" +map "$map"
SRCDS_RUN
chmod 0755 srcds_run
