/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host itself. */
#include "internal.h"

struct l4h_manager {
        unsigned n_ref;
        char *version;
        char **features, **unknown_directories;
        uint16_t ports[2];
        char *listen_address;
        uint32_t job_slots, running_jobs, max_pending_calls_per_user, max_queued_jobs_per_user,
                max_log_readers_per_user, keep_generations, keep_finished_jobs;
        uint64_t build_time_limit, build_size_limit, build_file_limit, cache_size_limit, keep_free,
                keep_finished_jobs_usec;
};

static int port_range_read(sd_bus_message *m, void *field)
{
        uint16_t *ports = field;
        return sd_bus_message_read(m, "(qq)", &ports[0], &ports[1]);
}
static const FieldType field_port_range = {"(qq)", 2 * sizeof(uint16_t), port_range_read};

const ObjectType manager_type = {
        .interface = HOST_IFACE_MANAGER,
        .size = sizeof(struct l4h_manager),
        .fields =
                (const Field[]){
                        FIELD(l4h_manager, version, HOST_MEMBER_Version, string),
                        FIELD(l4h_manager, features, HOST_MEMBER_Features, strings),
                        FIELD(l4h_manager, ports, HOST_MEMBER_PortRange, port_range),
                        FIELD(l4h_manager, listen_address, HOST_MEMBER_ListenAddress, string),
                        FIELD(l4h_manager, job_slots, HOST_MEMBER_JobSlots, uint32),
                        FIELD(l4h_manager, running_jobs, HOST_MEMBER_RunningJobs, uint32),
                        FIELD(l4h_manager, max_pending_calls_per_user, HOST_MEMBER_MaxPendingCallsPerUser,
                                uint32),
                        FIELD(l4h_manager, max_queued_jobs_per_user, HOST_MEMBER_MaxQueuedJobsPerUser,
                                uint32),
                        FIELD(l4h_manager, max_log_readers_per_user, HOST_MEMBER_MaxLogReadersPerUser,
                                uint32),
                        FIELD(l4h_manager, build_time_limit, HOST_MEMBER_BuildTimeLimit, uint64),
                        FIELD(l4h_manager, keep_generations, HOST_MEMBER_KeepGenerations, uint32),
                        FIELD(l4h_manager, keep_finished_jobs, HOST_MEMBER_KeepFinishedJobs, uint32),
                        FIELD(l4h_manager, keep_finished_jobs_usec, HOST_MEMBER_KeepFinishedJobsUSec, uint64),
                        FIELD(l4h_manager, unknown_directories, HOST_MEMBER_UnknownDirectories, strings),
                        FIELD(l4h_manager, build_size_limit, HOST_MEMBER_BuildSizeLimit, uint64),
                        FIELD(l4h_manager, build_file_limit, HOST_MEMBER_BuildFileLimit, uint64),
                        FIELD(l4h_manager, cache_size_limit, HOST_MEMBER_CacheSizeLimit, uint64),
                        FIELD(l4h_manager, keep_free, HOST_MEMBER_KeepFree, uint64),
                        {NULL},
                },
};

DEFINE_CALL_RETURNING(l4h_manager_find, manager, l4h_manager *, CALL_FIND(manager, NULL), l4h_host *host)
DEFINE_CALL(l4h_manager_reload, CALL_CHANGE(manager, NULL, Reload), l4h_host *host)

uint16_t l4h_manager_get_first_port(const l4h_manager *manager)
{
        return manager->ports[0];
}

uint16_t l4h_manager_get_last_port(const l4h_manager *manager)
{
        return manager->ports[1];
}

DEFINE_OBJECT(manager)
DEFINE_STRING_GETTER(manager, version)
DEFINE_STRINGS_GETTER(manager, features)
DEFINE_STRINGS_GETTER(manager, unknown_directories)
DEFINE_STRING_GETTER(manager, listen_address)
DEFINE_GETTER(manager, get, uint32_t, job_slots)
DEFINE_GETTER(manager, get, uint32_t, running_jobs)
DEFINE_GETTER(manager, get, uint32_t, max_pending_calls_per_user)
DEFINE_GETTER(manager, get, uint32_t, max_queued_jobs_per_user)
DEFINE_GETTER(manager, get, uint32_t, max_log_readers_per_user)
DEFINE_GETTER(manager, get, uint64_t, build_time_limit)
DEFINE_GETTER(manager, get, uint32_t, keep_generations)
DEFINE_GETTER(manager, get, uint32_t, keep_finished_jobs)
DEFINE_GETTER(manager, get, uint64_t, keep_finished_jobs_usec)
DEFINE_GETTER(manager, get, uint64_t, build_size_limit)
DEFINE_GETTER(manager, get, uint64_t, build_file_limit)
DEFINE_GETTER(manager, get, uint64_t, cache_size_limit)
DEFINE_GETTER(manager, get, uint64_t, keep_free)
