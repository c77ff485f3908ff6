/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault points: named steps at which a test ends or halts the program. They are there only in a build with
 * the option fault-points, which tests/host makes; in every other one fault_point() is nothing.
 *
 * Root arms a point by a line "NAME ACTION [COUNT]" in /run/left4me/fault. The COUNTth time (default: the
 * first) that a thread comes to the point NAME, the file is removed, so that the next program goes on, and
 *
 *   kill   the program ends by SIGKILL
 *   stop   it halts by SIGSTOP, until whoever waits for that has ended the host or sends SIGCONT
 *   wait   the thread waits there until the file is there again, and removes it */
#pragma once

/* In the order of the work that they are part of. */
#define FAULT_POINTS(X)                                                                                      \
        /* every job: the queue, its steps, its end */                                                       \
        X(JOB_ASKED)                                                                                         \
        X(JOB_QUEUED)                                                                                        \
        X(JOB_BEGIN_INSIDE)                                                                                  \
        X(JOB_BEGUN)                                                                                         \
        X(JOB_PHASE_SAVED)                                                                                   \
        X(JOB_CANCEL_SAVED)                                                                                  \
        X(JOB_RESUMED)                                                                                       \
        X(JOB_REQUEUED)                                                                                      \
        X(JOB_END)                                                                                           \
        X(JOB_END_SAVED)                                                                                     \
        X(JOB_ANNOUNCED)                                                                                     \
        /* its unit, whichever it is */                                                                      \
        X(UNIT_ASKED)                                                                                        \
        X(UNIT_SENT)                                                                                         \
        X(UNIT_STARTED)                                                                                      \
        X(UNSTAGE)                                                                                           \
        X(UNSTAGED)                                                                                          \
        X(UNIT_ENDED)                                                                                        \
        X(UNIT_STOP_SENT)                                                                                    \
        X(UNIT_STOPPED)                                                                                      \
        X(UNIT_GONE)                                                                                         \
        /* what makes a generation */                                                                        \
        X(GENERATION_MADE)                                                                                   \
        X(STAGE_ATTACHED)                                                                                    \
        X(STAGE_ENDED)                                                                                       \
        X(FILL_ENDED)                                                                                        \
        X(WATCH_SAID)                                                                                        \
        X(SEAL_DISCARD)                                                                                      \
        X(SEAL_ENDED)                                                                                        \
        X(WIPE_NUMBERED)                                                                                     \
        X(PUBLISH_BEGIN)                                                                                     \
        X(PUBLISH_INSIDE)                                                                                    \
        X(PUBLISH_SAVED)                                                                                     \
        X(PUBLISH_COMMITTED)                                                                                 \
        X(PUBLISH_ANNOUNCED)                                                                                 \
        /* a deletion */                                                                                     \
        X(TRASH_FORGOTTEN)                                                                                   \
        X(TRASH_MOVED)                                                                                       \
        X(TRASH_ATTACHED)                                                                                    \
        X(TRASH_STAGED)                                                                                      \
        X(TRASH_TOPS_REMOVED)                                                                                \
        X(TRASH_REMOVED)                                                                                     \
        X(GONE_INSIDE)                                                                                       \
        X(GONE_SAVED)                                                                                        \
        X(GONE_FORGOTTEN)                                                                                    \
        /* an instance's start */                                                                            \
        X(START_SAVED)                                                                                       \
        X(START_ENABLED)                                                                                     \
        X(START_RESET)                                                                                       \
        X(START_SENT)                                                                                        \
        X(START_ENDED)                                                                                       \
        X(START_FAILED)                                                                                      \
        X(START_GIVEN_UP)                                                                                    \
        X(START_TAKEN_BACK)                                                                                  \
        /* its mount */                                                                                      \
        X(MOUNT_ASKED)                                                                                       \
        X(MOUNT_PORTS_ALLOWED)                                                                               \
        X(MOUNT_SAVED)                                                                                       \
        X(MOUNT_DIRECTORIES_MADE)                                                                            \
        X(MOUNT_WORK_MADE)                                                                                   \
        X(MOUNT_CONFIG_WRITTEN)                                                                              \
        X(MOUNT_LAYERS_OPENED)                                                                               \
        X(MOUNT_MOUNTED)                                                                                     \
        X(MOUNT_ENDED)                                                                                       \
        X(MOUNT_FINISHED)                                                                                    \
        X(UNMOUNT_BEGIN)                                                                                     \
        X(UNMOUNT_UNMOUNTED)                                                                                 \
        X(UNMOUNT_ENDED)                                                                                     \
        X(UNMOUNT_SAVED)                                                                                     \
        /* its stop and restart */                                                                           \
        X(STOP_SAVED)                                                                                        \
        X(STOP_DISABLED)                                                                                     \
        X(STOP_SENT)                                                                                         \
        X(STOP_ENDED)                                                                                        \
        X(STOP_RESET)                                                                                        \
        X(STOP_REFRESHED)                                                                                    \
        X(RESTART_STOPPED)                                                                                   \
        X(RESTART_RESET)                                                                                     \
        X(RESTART_SENT)                                                                                      \
        /* the program's own start */                                                                        \
        X(RECONCILE_BEGIN)                                                                                   \
        X(RECONCILE_SWEPT)                                                                                   \
        X(RECONCILE_ENDED)

#define FAULT_POINT(name) FAULT_##name,
typedef enum FaultPoint { FAULT_POINTS(FAULT_POINT) N_FAULT_POINTS } FaultPoint;
#undef FAULT_POINT

#ifdef WITH_FAULT_POINTS
void fault_point(FaultPoint point);
#else
static inline void fault_point(FaultPoint point)
{
}
#endif
