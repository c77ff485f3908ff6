/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.conf and host.conf.d/\*.conf: an ini file with one group [Host]. An unknown group or key, and a value
 * out of its range, is refused by file, line's key and reason. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Of what a build may take of the disk, here and in an overlay's own settings. */
#define SIZE_LIMIT_MIN (UINT64_C(1) << 20)
#define SIZE_LIMIT_MAX (UINT64_C(1) << 44)
#define FILE_LIMIT_MAX 10000000 /* who counts them keeps something of each in memory */

typedef struct Settings {
        uint16_t port_first, port_last; /* PortRange=27015-27314 */
        char *listen_address; /* ListenAddress=0.0.0.0, an IPv4 address: what servers bind and are asked at */
        unsigned job_slots;   /* JobSlots=4, 1 to 16 */
        unsigned max_pending_calls; /* MaxPendingCallsPerUser=64 */
        unsigned max_queued_jobs;   /* MaxQueuedJobsPerUser=256 */
        unsigned max_log_readers;   /* MaxLogReadersPerUser=256 */
        uint64_t build_time_limit;  /* BuildTimeLimitSec=3600, microseconds here */
        unsigned keep_generations;  /* KeepGenerations=2, 1 to 16 */
        unsigned keep_finished;     /* KeepFinishedJobs=100, 1 to 10000 */
        uint64_t keep_finished_age; /* KeepFinishedJobsSec=2592000, microseconds here; 0: however old */
        uint64_t build_size_limit;  /* BuildSizeLimit=20G, bytes on disk */
        unsigned build_file_limit;  /* BuildFileLimit=1000000 */
        uint64_t cache_size_limit;  /* CacheSizeLimit=20G */
        uint64_t keep_free;         /* KeepFree=1G, 0: no floor */
} Settings;

/* Reads the file and its drop-ins (sorted by name; later wins); a file that is missing means the defaults.
 * Returns: 0 and settings to be freed with settings_free(), or -EINVAL/-EIO with a sentence that names file
 * and key. */
int settings_load(const char *path, const char *dropin_dir, Settings **ret_settings, char **ret_message);
void settings_free(Settings *settings);
/* Returns: bytes as these files have them, "20G", or near to it, "1.7M"; owned by the caller. */
char *settings_format_size(uint64_t bytes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Settings, settings_free)
