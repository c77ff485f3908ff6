/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a unit that fills or seals a generation gets to see: trees of left4me's, idmapped for the slot's user,
 * in a staging directory of its own. They are staged on a thread, and can go when the unit has started. */
#pragma once

#include "job.h"

typedef enum StagePart {
        STAGE_NEXT = 1 << 0,     /* /overlay: the job's generation, made now, writable */
        STAGE_FILLED = 1 << 1,   /* /overlay: the same once it is there, read-only */
        STAGE_CACHE = 1 << 2,    /* /cache, writable */
        STAGE_PREVIOUS = 1 << 3, /* /previous: the current generation, if there is one, read-only */
        STAGE_SCRIPT = 1 << 4,   /* /script, read-only */
        STAGE_NETWORK = 1 << 5,  /* `denied` */
        STAGE_WATCHER = 1 << 6,  /* for the watcher's user, and the cache read-only, too */
        STAGE_FINAL = 1 << 7,    /* nothing more is written: the generation's quota is lifted */
} StagePart;

typedef struct Stage {
        unsigned parts; /* of StagePart */
        int state_fd, staging_fd;
        char *name, *script;                    /* of the staging directory; the script's text */
        uint64_t overlay, generation, previous; /* previous 0: none */
        uid_t server_uid;
        gid_t server_gid;
        bool has_quota; /* the next generation gets one, of these limits */
        uint64_t size_limit, file_limit;
        char *user;
        GArray *denied; /* AddressPrefix */
        SandboxBind binds[4];
        size_t n_binds;
        int result; /* when the step was run: 0, or negative errno with a sentence */
        char *message;
        void *userdata; /* of who stages */
} Stage;

/* `suffix` as for job_unit_run(). */
Stage *stage_new(Job *job, const char *suffix, unsigned parts);
void stage_free(Stage *stage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stage, stage_free)
/* For job_run_in_thread(); `data` is the stage. */
void stage_step(void *data);
