/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects as JSON. */
#include "dbus/members.h"
#include "show.h"

void json_add(json_object *object, const char *key, json_object *value)
{
        (void)must(json_object_object_add(object, key, value) < 0 ? NULL : object);
}

void json_push(json_object *array, json_object *value)
{
        (void)must(json_object_array_add(array, value) < 0 ? NULL : array);
}

json_object *json_array(void)
{
        return must(json_object_new_array());
}

json_object *json_text(const char *text)
{
        return must(json_object_new_string(text));
}

static json_object *number(uint64_t value)
{
        return must(json_object_new_uint64(value));
}

/* Without the digits that a double has and nobody meant. */
static json_object *fraction(double value)
{
        static char form[] = "%.10g";
        json_object *o = must(json_object_new_double(value));
        json_object_set_serializer(o, json_object_double_to_json_string, form, NULL);
        return o;
}

static json_object *boolean(bool value)
{
        return must(json_object_new_boolean(value));
}

static json_object *texts(const char *const *strings)
{
        json_object *array = json_array();
        for (; *strings; strings++)
                json_push(array, json_text(*strings));
        return array;
}

json_object *json_of_target(const Ctl *ctl, json_object *object)
{
        if (has_several_targets(ctl))
                json_add(object, "Host", json_text(ctl->target->where));
        return object;
}

void json_print(json_object *value, const Ctl *ctl)
{
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
        flags |= ctl->json == JSON_PRETTY ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : 0;
        puts(must((void *)json_object_to_json_string_ext(value, flags)));
        json_object_put(value);
}

json_object *json_manager(const l4h_manager *manager)
{
        json_object *o = must(json_object_new_object()), *ports = json_array();
        json_push(ports, number(l4h_manager_get_first_port(manager)));
        json_push(ports, number(l4h_manager_get_last_port(manager)));
        json_add(o, HOST_MEMBER_Version, json_text(l4h_manager_get_version(manager)));
        json_add(o, HOST_MEMBER_Features, texts(l4h_manager_get_features(manager)));
        json_add(o, HOST_MEMBER_UnknownDirectories, texts(l4h_manager_get_unknown_directories(manager)));
        json_add(o, HOST_MEMBER_PortRange, ports);
        json_add(o, HOST_MEMBER_ListenAddress, json_text(l4h_manager_get_listen_address(manager)));
        json_add(o, HOST_MEMBER_JobSlots, number(l4h_manager_get_job_slots(manager)));
        json_add(o, HOST_MEMBER_RunningJobs, number(l4h_manager_get_running_jobs(manager)));
        json_add(o, HOST_MEMBER_MaxPendingCallsPerUser,
                number(l4h_manager_get_max_pending_calls_per_user(manager)));
        json_add(o, HOST_MEMBER_MaxQueuedJobsPerUser,
                number(l4h_manager_get_max_queued_jobs_per_user(manager)));
        json_add(o, HOST_MEMBER_MaxLogReadersPerUser,
                number(l4h_manager_get_max_log_readers_per_user(manager)));
        json_add(o, HOST_MEMBER_BuildTimeLimit, number(l4h_manager_get_build_time_limit(manager)));
        json_add(o, HOST_MEMBER_BuildSizeLimit, number(l4h_manager_get_build_size_limit(manager)));
        json_add(o, HOST_MEMBER_BuildFileLimit, number(l4h_manager_get_build_file_limit(manager)));
        json_add(o, HOST_MEMBER_CacheSizeLimit, number(l4h_manager_get_cache_size_limit(manager)));
        json_add(o, HOST_MEMBER_KeepFree, number(l4h_manager_get_keep_free(manager)));
        json_add(o, HOST_MEMBER_KeepGenerations, number(l4h_manager_get_keep_generations(manager)));
        json_add(o, HOST_MEMBER_KeepFinishedJobs, number(l4h_manager_get_keep_finished_jobs(manager)));
        json_add(o, HOST_MEMBER_KeepFinishedJobsUSec,
                number(l4h_manager_get_keep_finished_jobs_usec(manager)));
        return o;
}

static json_object *layers(const l4h_instance *instance)
{
        json_object *array = json_array();
        for (size_t i = 0; i < l4h_instance_count_layers(instance); i++) {
                json_object *layer = must(json_object_new_object());
                json_add(layer, "Overlay", json_text(l4h_instance_get_layer_overlay(instance, i)));
                json_add(layer, HOST_MEMBER_Generation,
                        number(l4h_instance_get_layer_generation(instance, i)));
                json_push(array, layer);
        }
        return array;
}

json_object *json_instance(const l4h_instance *instance)
{
        json_object *o = must(json_object_new_object());
        json_add(o, HOST_MEMBER_Name, json_text(l4h_instance_get_name(instance)));
        json_add(o, HOST_MEMBER_Description, json_text(l4h_instance_get_description(instance)));
        json_add(o, HOST_MEMBER_Port, number(l4h_instance_get_port(instance)));
        json_add(o, HOST_MEMBER_Address, json_text(l4h_instance_get_address(instance)));
        json_add(o, HOST_MEMBER_Arguments, texts(l4h_instance_get_arguments(instance)));
        json_add(o, HOST_MEMBER_Overlays, texts(l4h_instance_get_overlays(instance)));
        json_add(o, HOST_MEMBER_Enabled, boolean(l4h_instance_is_enabled(instance)));
        json_add(o, HOST_MEMBER_ActiveState, json_text(l4h_instance_get_active_state(instance)));
        json_add(o, HOST_MEMBER_SubState, json_text(l4h_instance_get_sub_state(instance)));
        json_add(o, HOST_MEMBER_Result, json_text(l4h_instance_get_result(instance)));
        json_add(o, HOST_MEMBER_Message, json_text(l4h_instance_get_message(instance)));
        json_add(o, HOST_MEMBER_Mounted, boolean(l4h_instance_is_mounted(instance)));
        json_add(o, HOST_MEMBER_Layers, layers(instance));
        json_add(o, HOST_MEMBER_Outdated, boolean(l4h_instance_is_outdated(instance)));
        json_add(o, HOST_MEMBER_Unit, json_text(l4h_instance_get_unit(instance)));
        json_add(o, HOST_MEMBER_MainPID, number((uint64_t)l4h_instance_get_main_pid(instance)));
        json_add(o, HOST_MEMBER_InvocationID, json_text(l4h_instance_get_invocation_id(instance)));
        json_add(o, HOST_MEMBER_NRestarts, number(l4h_instance_get_n_restarts(instance)));
        json_add(o, HOST_MEMBER_StartedAt, number(l4h_instance_get_started_at(instance)));
        return o;
}

static json_object *generations(const l4h_overlay *overlay)
{
        json_object *array = json_array();
        for (size_t i = 0; i < l4h_overlay_count_generations(overlay); i++) {
                l4h_generation generation = l4h_overlay_get_generation_at(overlay, i);
                json_object *o = must(json_object_new_object());
                json_add(o, HOST_MEMBER_Generation, number(generation.number));
                json_add(o, HOST_MEMBER_BuiltAt, number(generation.built_at));
                json_add(o, HOST_MEMBER_Size, number(generation.size));
                json_add(o, HOST_MEMBER_Digest, json_text(generation.digest));
                json_push(array, o);
        }
        return array;
}

json_object *json_overlay(const l4h_overlay *overlay)
{
        json_object *o = must(json_object_new_object());
        json_add(o, HOST_MEMBER_Id, number(l4h_overlay_get_id(overlay)));
        json_add(o, HOST_MEMBER_Name, json_text(l4h_overlay_get_name(overlay)));
        json_add(o, HOST_MEMBER_Description, json_text(l4h_overlay_get_description(overlay)));
        json_add(o, HOST_MEMBER_Kind, json_text(l4h_overlay_get_kind(overlay)));
        json_add(o, HOST_MEMBER_State, json_text(l4h_overlay_get_state(overlay)));
        json_add(o, HOST_MEMBER_Generation, number(l4h_overlay_get_generation(overlay)));
        json_add(o, HOST_MEMBER_Generations, generations(overlay));
        json_add(o, HOST_MEMBER_Size, number(l4h_overlay_get_size(overlay)));
        json_add(o, HOST_MEMBER_Files, number(l4h_overlay_get_files(overlay)));
        json_add(o, HOST_MEMBER_Digest, json_text(l4h_overlay_get_digest(overlay)));
        json_add(o, HOST_MEMBER_BuiltAt, number(l4h_overlay_get_built_at(overlay)));
        json_add(o, HOST_MEMBER_TimeLimit, number(l4h_overlay_get_time_limit(overlay)));
        json_add(o, HOST_MEMBER_SizeLimit, number(l4h_overlay_get_size_limit(overlay)));
        json_add(o, HOST_MEMBER_FileLimit, number(l4h_overlay_get_file_limit(overlay)));
        json_add(o, HOST_MEMBER_KeepGenerations, number(l4h_overlay_get_keep_generations(overlay)));
        json_add(o, HOST_MEMBER_LastJob, number(l4h_overlay_get_last_job(overlay)));
        json_add(o, HOST_MEMBER_UsedBy, texts(l4h_overlay_get_used_by(overlay)));
        return o;
}

static json_object *subject(const l4h_job *job)
{
        json_object *o = must(json_object_new_object());
        if (l4h_job_get_instance(job))
                json_add(o, "Instance", json_text(l4h_job_get_instance(job)));
        if (l4h_job_get_overlay(job))
                json_add(o, "Overlay", json_text(l4h_job_get_overlay(job)));
        return o;
}

json_object *json_job(const l4h_job *job)
{
        json_object *o = must(json_object_new_object()), *requesters = json_array();
        const uint32_t *uids;
        size_t n = l4h_job_get_requesters(job, &uids);
        for (size_t i = 0; i < n; i++)
                json_push(requesters, number(uids[i]));
        json_add(o, HOST_MEMBER_Id, number(l4h_job_get_id(job)));
        json_add(o, HOST_MEMBER_Kind, json_text(l4h_job_get_kind(job)));
        json_add(o, HOST_MEMBER_Subject, subject(job));
        json_add(o, HOST_MEMBER_State, json_text(l4h_job_get_state(job)));
        json_add(o, HOST_MEMBER_Result, json_text(l4h_job_get_result(job)));
        json_add(o, HOST_MEMBER_Message, json_text(l4h_job_get_message(job)));
        json_add(o, HOST_MEMBER_ExitStatus, must(json_object_new_int(l4h_job_get_exit_status(job))));
        json_add(o, HOST_MEMBER_Progress, fraction(l4h_job_get_progress(job)));
        json_add(o, HOST_MEMBER_ProgressText, json_text(l4h_job_get_progress_text(job)));
        json_add(o, HOST_MEMBER_Requesters, requesters);
        json_add(o, HOST_MEMBER_QueuedAt, number(l4h_job_get_queued_at(job)));
        json_add(o, HOST_MEMBER_StartedAt, number(l4h_job_get_started_at(job)));
        json_add(o, HOST_MEMBER_FinishedAt, number(l4h_job_get_finished_at(job)));
        json_add(o, HOST_MEMBER_Unit, json_text(l4h_job_get_unit(job)));
        return o;
}
