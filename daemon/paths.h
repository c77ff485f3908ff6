/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where things are on the host (design: "Files and users on the host"). */
#pragma once

#define PATH_SETTINGS         "/etc/left4me/host.conf"
#define PATH_SETTINGS_DROPINS "/etc/left4me/host.conf.d"
#define PATH_RESOLV_CONF      "/etc/left4me/sandbox-resolv.conf"

#define PATH_STATE "/var/lib/left4me"
#define PATH_STORE PATH_STATE "/host.db"

/* Below PATH_STATE, opened relative to it and never by an absolute name. */
#define DIR_OVERLAYS  "overlays"
#define DIR_CACHE     "cache"
#define DIR_INSTANCES "instances"
#define DIR_RUNTIME   "runtime"
#define DIR_TRASH     ".trash"

#define PATH_STAGING "/run/left4me/staging"
/* There once this program has put things in order since the host booted. */
#define PATH_BOOT_MARK "/run/left4me/reconciled"
#define PATH_FAULT     "/run/left4me/fault" /* see fault.h */
/* Where a transient unit finds its root: empty, but for the places where something is bound. */
#define PATH_SANDBOX_ROOT "/run/left4me/sandbox-root"

#define PATH_CONFINE_PROGRAM "/usr/libexec/left4me/left4me-confine"
#define PATH_UNPACK_PROGRAM  "/usr/libexec/left4me/left4me-unpack"
#define PATH_TREE_PROGRAM    "/usr/libexec/left4me/left4me-tree"
#define PATH_HOLDERS_PROGRAM "/usr/libexec/left4me/left4me-holders"

#define USER_SERVER         "left4me"
#define USER_SANDBOX_PREFIX "l4d2-sandbox-"
#define USER_WATCHER        USER_SANDBOX_PREFIX "watch"
