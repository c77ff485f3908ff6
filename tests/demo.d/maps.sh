#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Script of an overlay: twelve maps of OpenArena 0.8.5, eight of them new.

set -euo pipefail

install -D -m 0644 -t left4dead2 \
    /usr/share/left4me-demo/openarena-085-data/usr/share/games/openarena/baseoa/pak6-patch085.pk3
