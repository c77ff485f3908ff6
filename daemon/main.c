/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* left4me-hostd: opens the host, connects to the bus, waits until systemd has told its states, takes the name
 * last, and runs the loop. */
#include "gate.h"
#include "host.h"
#include "instance.h"
#include "journal-guard.h"
#include "loop.h"
#include "message-sender.h"
#include "objects.h"
#include "reconcile.h"
#include "sd-autoptr.h"

#include "dbus/names.h"
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

/* The store is damaged, or of a later version: RestartPreventExitStatus= in the unit has it. */
#define EXIT_STORE 65

typedef struct Program {
        GMainLoop *loop;
        sd_event *event;
        sd_bus *bus;
        Host *host;
        Gate *gate;
        int result;
} Program;

static gboolean on_terminate(gpointer userdata)
{
        g_main_loop_quit(((Program *)userdata)->loop);
        return G_SOURCE_CONTINUE;
}

static void program_fail(Program *p, const char *what, int r)
{
        g_critical("%s: %s", what, g_strerror(-r));
        p->result = EXIT_FAILURE;
        g_main_loop_quit(p->loop);
}

/* Who loses the name, or the bus, has nothing to do any more; systemd starts the program again. */
static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        if (message_is_from(m, SENDER_LOCAL))
                program_fail(userdata, "The bus is gone", -ECONNRESET);
        return 0;
}

static int on_name_requested(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Program *p = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        uint32_t answer = 0;

        if (e || sd_bus_message_read(reply, "u", &answer) < 0 || answer != 1) {
                g_critical("Cannot own " HOST_BUS_NAME " on the bus: %s",
                        e ? e->message : "another program has it");
                p->result = EXIT_FAILURE;
                g_main_loop_quit(p->loop);
                return 0;
        }
        (void)sd_notify(0, "READY=1\nSTATUS=Serving " HOST_BUS_NAME);
        return 0;
}

static void on_mounts_changed(void *host)
{
        instance_mounts_changed(host);
}

/* systemd's states are known. */
static void on_systemd_ready(void *userdata)
{
        Program *p = userdata;
        int r = mounts_watch_new(on_mounts_changed, p->host, &p->host->mounts);

        if (r < 0) {
                program_fail(p, "Cannot watch the mount table", r);
                return;
        }
        reconcile(p->host);
        r = sd_bus_request_name_async(p->bus, NULL, HOST_BUS_NAME, 0, on_name_requested, p);
        if (r < 0)
                program_fail(p, "Cannot ask for the name on the bus", r);
}

static void on_unit_changed(const char *unit, const UnitState *state, void *userdata)
{
        host_unit_changed(unit, state, ((Program *)userdata)->host);
}

static int program_connect(Program *p)
{
        int r = sd_event_default(&p->event);

        if (r >= 0)
                r = sd_event_set_watchdog(p->event, true);
        if (r >= 0)
                r = sd_bus_open_system(&p->bus);
        if (r >= 0)
                r = sd_bus_attach_event(p->bus, p->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal_async(p->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                        "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL, p);
        if (r >= 0)
                r = gate_new(p->bus, p->host, &p->gate);
        if (r >= 0)
                r = objects_add(p->bus, p->gate, p->host);
        if (r >= 0)
                r = systemd1_new(p->bus, on_unit_changed, on_systemd_ready, p, &p->host->systemd);
        return r;
}

static int program_run(Program *p)
{
        const char *forced = g_getenv("LEFT4ME_LAYERS_WAY");
        LayersWay way = forced ? layers_way_from_string(forced) : LAYERS_WAY_INVALID;
        g_autofree char *message = NULL;
        int r;

        if (forced && way < 0) {
                g_critical("LEFT4ME_LAYERS_WAY is \"%s\", which is no way of mounting layers", forced);
                return EXIT_FAILURE;
        }
        r = host_new(way, &p->host, &message);
        if (r < 0) {
                if (!message)
                        message = g_strdup(g_strerror(-r));
                (void)sd_journal_print(LOG_CRIT, "%s", message);
                (void)sd_notifyf(0, "STATUS=%s", message);
                return r == -EBADMSG || r == -EPROTO ? EXIT_STORE : EXIT_FAILURE;
        }
        r = program_connect(p);
        if (r < 0) {
                g_critical("Cannot connect to the system bus: %s", g_strerror(-r));
                return EXIT_FAILURE;
        }
        loop_source_new(p->event);
        g_unix_signal_add(SIGTERM, on_terminate, p);
        g_unix_signal_add(SIGINT, on_terminate, p);
        g_main_loop_run(p->loop);
        (void)sd_notify(0, "STOPPING=1");
        /* What is on its way in systemd goes on there, and is taken up at the next start. The memory goes
         * with the process; only the bus's last messages and the store are worth an orderly end. The bus
         * knows of the end before systemd does: a call in between starts the next program, and is not lost.
         */
        (void)sd_bus_release_name(p->bus, HOST_BUS_NAME);
        sd_bus_flush(p->bus);
        store_close(g_steal_pointer(&p->host->store));
        return p->result;
}

int main(int argc, char *argv[])
{
        static Program program;

        setlocale(LC_ALL, "C.UTF-8");
        if (argc == 2 && g_str_equal(argv[1], "--version")) {
                puts("left4me-hostd " VERSION);
                return EXIT_SUCCESS;
        }
        if (argc > 1) {
                fprintf(stderr, "left4me-hostd: unknown argument \"%s\"; it takes none but --version\n",
                        argv[1]);
                return 2;
        }
        umask(0077);
        (void)signal(SIGPIPE, SIG_IGN); /* readers of logs may be gone at any time */
        journal_guard_install();
        program.loop = g_main_loop_new(NULL, FALSE);
        return program_run(&program);
}
