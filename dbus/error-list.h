/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every error that org.left4me.Host1 answers with, in one list: X(CODE, bus name after
 * "org.left4me.Host1.Error.", errno for clients). The daemon makes its enum and both sides make their
 * sd_bus_error_map from it. */
#pragma once

#define HOST_ERROR_LIST(X)                                                                                   \
        X(NO_SUCH_INSTANCE, "NoSuchInstance", ENOENT)                                                        \
        X(NO_SUCH_OVERLAY, "NoSuchOverlay", ENOENT)                                                          \
        X(NO_SUCH_JOB, "NoSuchJob", ENOENT)                                                                  \
        X(NO_SUCH_GENERATION, "NoSuchGeneration", ENOENT)                                                    \
        X(NAME_TAKEN, "NameTaken", EEXIST)                                                                   \
        X(PORT_TAKEN, "PortTaken", EADDRINUSE)                                                               \
        X(INVALID_NAME, "InvalidName", EINVAL)                                                               \
        X(INVALID_SETTING, "InvalidSetting", EINVAL)                                                         \
        X(IN_USE, "InUse", EBUSY)                                                                            \
        X(BUSY, "Busy", EBUSY)                                                                               \
        X(NOT_READY, "NotReady", ENODATA)                                                                    \
        X(LAYER_REJECTED, "LayerRejected", EUCLEAN)                                                          \
        X(START_FAILED, "StartFailed", ECHILD)                                                               \
        X(STOP_FAILED, "StopFailed", ECHILD)                                                                 \
        X(STILL_STARTING, "StillStarting", EINPROGRESS)                                                      \
        X(STILL_STOPPING, "StillStopping", EINPROGRESS)                                                      \
        X(MOUNT_FAILED, "MountFailed", EIO)                                                                  \
        X(SANDBOX_UNAVAILABLE, "SandboxUnavailable", EOPNOTSUPP)                                             \
        X(AUTHORIZATION_UNAVAILABLE, "AuthorizationUnavailable", EACCES)                                     \
        X(CURSOR_GONE, "CursorGone", ESTALE)                                                                 \
        X(LIMIT_REACHED, "LimitReached", EDQUOT)                                                             \
        X(NO_SPACE, "NoSpace", ENOSPC)                                                                       \
        X(STORE_FAILED, "StoreFailed", EIO)                                                                  \
        X(SYSTEMD_FAILED, "SystemdFailed", EIO)
