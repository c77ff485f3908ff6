/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-follow.h"
#include "journal-internal.h"

#include <errno.h>
#include <glib-unix.h>

#define BACK      1000         /* lines that are there already */
#define TURN      128          /* lines */
#define TURN_SIZE (256 * 1024) /* bytes */
#define POLL      2            /* seconds, where the kernel does not tell of changes */

struct JournalFollower {
        JournalLines *which;
        bool only_printed;
        sd_journal *journal;
        JournalListener listener;
        JournalEnded ended;   /* NULL while there is no end in sight */
        guint turn;           /* source of the loop, 0: none */
        bool must_reopen;     /* once it has read to its end: there are other files */
        bool is_trying_again; /* after an error */
        bool stands_at_line;  /* that was not told yet */
        bool is_gap;          /* before the next line */
        /* Everything up to this entry has been told, also when it is somebody else's; NULL: none. */
        char *position;
        /* The journal's last entry when this turn was due: the position when the turn finds nothing. A line
         * that it finds may be behind that. */
        char *tail;
};

/* The watch; it stands while there are followers. */
static struct {
        sd_journal *journal;
        guint source, poll; /* of the loop, 0: none */
        GPtrArray *followers;
} watch;

static gboolean on_turn(gpointer userdata);

/* Calls are answered first: reading has a lower priority. */
static void take_up(JournalFollower *f)
{
        if (!f->turn && f->journal)
                f->turn = g_idle_add(on_turn, f);
}

static char *watch_find_tail(void)
{
        char *cursor = NULL;

        if (sd_journal_seek_tail(watch.journal) < 0 || sd_journal_previous(watch.journal) <= 0 ||
                sd_journal_get_cursor(watch.journal, &cursor) < 0)
                return NULL;
        return cursor;
}

static void watch_look(void)
{
        int r = sd_journal_process(watch.journal);
        g_autofree char *tail = r == SD_JOURNAL_INVALIDATE ? NULL : watch_find_tail();

        if (r < 0)
                g_warning("Cannot tell what is new in the journal: %s", g_strerror(-r));
        for (guint n = 0; n < watch.followers->len; n++) {
                JournalFollower *f = watch.followers->pdata[n];

                f->must_reopen = f->must_reopen || r == SD_JOURNAL_INVALIDATE;
                g_free(f->tail);
                f->tail = f->must_reopen ? NULL : g_strdup(tail);
                take_up(f);
        }
}

/* Whether the journal has this entry still. It may be in a file that the watch was not told of yet. */
static bool watch_has(const char *cursor)
{
        if (journal_seek_entry(watch.journal, cursor))
                return true;
        watch_look();
        return journal_seek_entry(watch.journal, cursor);
}

static gboolean on_change(gint fd, GIOCondition condition, gpointer userdata)
{
        watch_look();
        return G_SOURCE_CONTINUE;
}

static gboolean on_poll(gpointer userdata)
{
        watch_look();
        return G_SOURCE_CONTINUE;
}

static void watch_leave(JournalFollower *f)
{
        if (!watch.followers)
                return;
        g_ptr_array_remove_fast(watch.followers, f);
        if (watch.followers->len > 0)
                return;
        g_clear_handle_id(&watch.source, g_source_remove);
        g_clear_handle_id(&watch.poll, g_source_remove);
        g_clear_pointer(&watch.journal, sd_journal_close);
        g_clear_pointer(&watch.followers, g_ptr_array_unref);
}

static int watch_begin(void)
{
        int fd = 0, events = 0;
        int r = sd_journal_open(&watch.journal, SD_JOURNAL_LOCAL_ONLY);

        if (r >= 0)
                r = fd = sd_journal_get_fd(watch.journal);
        if (r >= 0)
                r = events = sd_journal_get_events(watch.journal);
        if (r < 0)
                return r;
        watch.source = g_unix_fd_add(fd, (GIOCondition)events, on_change, NULL);
        if (sd_journal_reliable_fd(watch.journal) == 0)
                watch.poll = g_timeout_add_seconds(POLL, on_poll, NULL);
        return 0;
}

static int watch_join(JournalFollower *f)
{
        int r = 0;

        if (!watch.followers) {
                watch.followers = g_ptr_array_new();
                r = watch_begin();
        }
        g_ptr_array_add(watch.followers, f);
        return r;
}

void journal_follower_free(JournalFollower *f)
{
        if (!f)
                return;
        watch_leave(f);
        g_clear_handle_id(&f->turn, g_source_remove);
        g_clear_pointer(&f->journal, sd_journal_close);
        journal_lines_free(f->which);
        g_free(f->position);
        g_free(f->tail);
        g_free(f);
}

/* Returns: 1 when there is more to read. */
static int read_turn(JournalFollower *f, GPtrArray *lines)
{
        size_t size = 0;

        for (unsigned n = 0; n < TURN && size < TURN_SIZE; n++) {
                int r = f->stands_at_line ? 1 : sd_journal_next(f->journal);
                JournalLine *line;

                f->stands_at_line = false;
                if (r <= 0)
                        return r;
                line = journal_is_since(f->journal, f->which) ? journal_take_line(f->journal) : NULL;
                if (!line)
                        continue;
                size += g_bytes_get_size(line->text);
                g_ptr_array_add(lines, line);
        }
        return 1;
}

/* Old files are deleted first: while what was read before is there, nothing behind it is gone. Else
 * sd-journal may have passed over a file in silence. */
static bool is_complete(const JournalFollower *f, const GPtrArray *lines)
{
        const char *first = lines->len ? ((JournalLine *)lines->pdata[0])->cursor : NULL;
        const char *anchor = f->is_gap ? first : f->position;

        return !anchor || watch_has(anchor);
}

static void tell(JournalFollower *f, GPtrArray *lines)
{
        for (guint n = 0; n < lines->len; n++) {
                JournalLine *line = g_steal_pointer(&lines->pdata[n]);

                g_free(f->position);
                f->position = g_strdup(line->cursor);
                f->listener.line(line, f->is_gap, f->listener.userdata);
                f->is_gap = false;
        }
}

/* Opens the journal as it is now, behind the position. */
static int reopen(JournalFollower *f)
{
        g_autoptr(sd_journal) journal = NULL;
        int r = journal_open_lines(f->which, f->only_printed, &journal);

        f->must_reopen = false;
        if (r >= 0)
                r = f->position ? sd_journal_seek_cursor(journal, f->position)
                                : sd_journal_seek_realtime_usec(journal, f->which->since);
        if (r >= 0 && f->position) {
                r = sd_journal_next(journal);
                f->stands_at_line = r > 0 && sd_journal_test_cursor(journal, f->position) <= 0;
                f->is_gap = f->is_gap || !watch_has(f->position);
        }
        if (r < 0)
                return r;
        sd_journal_close(f->journal);
        f->journal = g_steal_pointer(&journal);
        return 1;
}

static int take_turn(JournalFollower *f)
{
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func((GDestroyNotify)journal_line_free);
        g_autofree char *tail = g_steal_pointer(&f->tail); /* another may come while this looks */
        int r = read_turn(f, lines);
        bool is_good = r >= 0 && is_complete(f, lines);

        if (is_good) {
                tell(f, lines);
                f->is_trying_again = false;
        }
        if (is_good && r == 0 && lines->len == 0 && !f->must_reopen && tail) {
                g_free(f->position);
                f->position = g_steal_pointer(&tail);
        }
        if ((is_good && r == 1) || (is_good && !f->must_reopen))
                return r;
        /* A file that was deleted while it was opened or read may be what is wrong. */
        if (r < 0 && f->is_trying_again)
                return r;
        f->is_trying_again = r < 0;
        r = reopen(f);
        if (r >= 0 || f->is_trying_again)
                return r;
        f->is_trying_again = true;
        return reopen(f);
}

static gboolean on_turn(gpointer userdata)
{
        JournalFollower *f = userdata;
        int r = take_turn(f);

        if (r <= 0)
                f->turn = 0;
        if (r < 0) {
                g_warning("Cannot read the journal's lines of %s: %s", f->which->units[0], g_strerror(-r));
                g_clear_pointer(&f->journal, sd_journal_close);
        }
        if (r <= 0 && f->ended)
                f->ended(f->listener.userdata);
        else if (f->listener.rest)
                f->listener.rest(r, f->listener.userdata);
        return r > 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* To the last lines, or to the first where they are few. */
static int seek_back(sd_journal *journal)
{
        int r = sd_journal_seek_tail(journal);

        if (r >= 0)
                r = sd_journal_previous_skip(journal, BACK);
        return r < 0 || r == BACK ? r : sd_journal_seek_head(journal);
}

static int seek_behind(JournalFollower *f, const char *cursor)
{
        int r;

        if (!*cursor)
                return sd_journal_seek_realtime_usec(f->journal, f->which->since);
        f->position = g_strdup(cursor);
        r = sd_journal_seek_cursor(f->journal, cursor);
        if (r >= 0)
                r = sd_journal_next(f->journal);
        if (r >= 0 && (r == 0 || sd_journal_test_cursor(f->journal, cursor) <= 0))
                r = -ESTALE;
        return r;
}

/* `cursor`: NULL for what is printed. */
static int follow(const JournalLines *which, const char *cursor, const JournalListener *listener,
        JournalFollower **ret_follower)
{
        JournalFollower *f = g_new0(JournalFollower, 1);
        int r = watch_join(f); /* first, so that nothing is missed */

        f->which = journal_lines_new(g_strdupv(which->units), which->since);
        f->only_printed = !cursor;
        f->listener = *listener;
        if (r >= 0)
                r = journal_open_lines(which, f->only_printed, &f->journal);
        if (r >= 0)
                r = cursor ? seek_behind(f, cursor) : seek_back(f->journal);
        if (r < 0) {
                journal_follower_free(f);
                return r;
        }
        take_up(f);
        *ret_follower = f;
        return 0;
}

int journal_follow(const JournalLines *which, const char *cursor, const JournalListener *listener,
        JournalFollower **ret_follower)
{
        return follow(which, cursor, listener, ret_follower);
}

int journal_follow_printed(
        const JournalLines *which, const JournalListener *listener, JournalFollower **ret_follower)
{
        return follow(which, NULL, listener, ret_follower);
}

void journal_follower_look(JournalFollower *f)
{
        take_up(f);
}

void journal_follower_refresh(JournalFollower *f)
{
        f->must_reopen = true;
        g_clear_pointer(&f->tail, g_free);
        take_up(f);
}

void journal_follower_finish(JournalFollower *f, JournalEnded ended)
{
        f->ended = ended;
        if (f->journal)
                journal_follower_refresh(f);
        else
                ended(f->listener.userdata);
}
