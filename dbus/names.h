/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every name that crosses the bus or lands in the journal. Daemon, client library and l4d2ctl include this
 * one file. */
#pragma once

#define HOST_BUS_NAME        "org.left4me.Host1"
#define HOST_PATH            "/org/left4me/Host1"
#define HOST_INSTANCE_PREFIX HOST_PATH "/instance"
#define HOST_OVERLAY_PREFIX  HOST_PATH "/overlay"
#define HOST_JOB_PREFIX      HOST_PATH "/job"

#define HOST_IFACE_MANAGER  HOST_BUS_NAME ".Manager"
#define HOST_IFACE_INSTANCE HOST_BUS_NAME ".Instance"
#define HOST_IFACE_OVERLAY  HOST_BUS_NAME ".Overlay"
#define HOST_IFACE_JOB      HOST_BUS_NAME ".Job"
#define HOST_ERROR_PREFIX   HOST_BUS_NAME ".Error."

#define HOST_ACTION_PREFIX "org.left4me.host1."

/* Units. The argument is the instance's name or the job's id. */
#define HOST_SERVER_UNIT_PREFIX  "left4me-server@"
#define HOST_MOUNT_UNIT_PREFIX   "left4me-mount@"
#define HOST_JOB_UNIT_PREFIX     "left4me-job-"
#define HOST_HOLDERS_UNIT_PREFIX "left4me-holders-"

/* The overlay that holds the installed game, always the lowest layer. */
#define HOST_GAME_OVERLAY "game"

/* Keys every method that changes something knows. */
#define HOST_OPTION_ON_BEHALF_OF "OnBehalfOf"
/* Keys of Overlay.Import, which no property shows. */
#define HOST_OPTION_REPLACE   "Replace"
#define HOST_OPTION_FILE_NAME "FileName"

/* Words of the bus that both sides know. */
#define HOST_OVERLAY_KIND_SCRIPT "script"
#define HOST_OVERLAY_KIND_FILES  "files"
#define HOST_JOB_DONE            "done" /* the State of a job that did what it was asked to do */
#define HOST_CAN_YES             "yes"  /* answers of Manager.Can */
#define HOST_CAN_CHALLENGE       "challenge"
#define HOST_CAN_NO              "no"

/* Keys of OpenLog, its formats, and what is in an object of JSON: the names of a line are journalctl's. */
#define HOST_OPTION_FORMAT     "Format"
#define HOST_OPTION_FOLLOW     "Follow"
#define HOST_OPTION_SINCE      "Since"
#define HOST_OPTION_UNTIL      "Until"
#define HOST_OPTION_LINES      "Lines"
#define HOST_OPTION_PRIORITY   "Priority"
#define HOST_OPTION_CURSOR     "Cursor"
#define HOST_LOG_CAT           "cat"
#define HOST_LOG_JSON          "json"
#define HOST_LOG_CURSOR        "__CURSOR"
#define HOST_LOG_TIME          "__REALTIME_TIMESTAMP"
#define HOST_LOG_PRIORITY      "PRIORITY"
#define HOST_LOG_MESSAGE       "MESSAGE"
#define HOST_LOG_MISSED_AFTER  "MISSED_AFTER"
#define HOST_LOG_MISSED_BEFORE "MISSED_BEFORE"

/* Fields of the audit trail in the journal. */
#define HOST_JOURNAL_CALL         "LEFT4ME_CALL"
#define HOST_JOURNAL_EVENT        "LEFT4ME_EVENT" /* accepted, refused, finished */
#define HOST_JOURNAL_UID          "LEFT4ME_UID"
#define HOST_JOURNAL_CALLER_UNIT  "LEFT4ME_CALLER_UNIT"
#define HOST_JOURNAL_ON_BEHALF_OF "LEFT4ME_ON_BEHALF_OF"
#define HOST_JOURNAL_ACTION       "LEFT4ME_ACTION"
#define HOST_JOURNAL_MEMBER       "LEFT4ME_MEMBER"
#define HOST_JOURNAL_OBJECT       "LEFT4ME_OBJECT"
#define HOST_JOURNAL_VERDICT      "LEFT4ME_VERDICT"
#define HOST_JOURNAL_OUTCOME      "LEFT4ME_OUTCOME"
#define HOST_JOURNAL_JOB          "LEFT4ME_JOB" /* on every line of a job's units too */
