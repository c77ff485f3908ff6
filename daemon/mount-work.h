/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of mounting and unmounting an instance that may block, done on a thread of its own. It works on
 * copies of what it needs: the instance belongs to the main thread. */
#pragma once

#include "layers.h"
#include "store.h"
#include <sys/types.h>

typedef struct MountWork {
        /* Given: */
        char *name, *config, *environment;
        GArray *plan; /* LayerRef, top first */
        int state_fd;
        uid_t uid;
        gid_t gid;
        LayersWay way;
        /* What came of it: */
        int result; /* 0 or negative errno, then with a message */
        bool is_layer_rejected;
        char *message;
        uint64_t mount_id; /* of a mount that is busy; 0: unknown */
} MountWork;

/* Writes the configuration's layer and the environment that PID 1 reads, and mounts the planned layers.
 * Something that is mounted there already is -EBUSY. */
void mount_work_mount(MountWork *work);
/* Nothing mounted is success; -EBUSY when somebody holds it. */
void mount_work_unmount(MountWork *work);
/* Looks: -ENOENT when nothing is mounted. */
void mount_work_look(MountWork *work);

void mount_work_reset(MountWork *work); /* forgets what came of it */
void mount_work_clear(MountWork *work);
