/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control group of a unit, for the one thing that is not asked of systemd: to hold its processes still
 * for a moment. FreezeUnit() would do that too, but systemd 257 then refuses to stop the unit, or to stop it
 * with what it is bound to, until somebody has thawed it. Of a unit that is held behind its back systemd
 * stops what it always stops. */
#pragma once

/* Both are there from Linux 5.2 on, with either version of control groups. */
#define CONTROL_GROUP_FREEZE "cgroup.freeze"
#define CONTROL_GROUP_EVENTS "cgroup.events"

/* Opens a file of the group at `path`, as systemd tells it (ControlGroup=). Returns: a descriptor owned by
 * the caller, or negative errno. */
int control_group_open(const char *path, const char *file, int flags);
