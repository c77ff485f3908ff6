/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay edit: its script in an editor, and back. */
#include "ctl.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file in a directory that nobody else can enter. */
typedef struct Draft {
        char *directory, *file;
} Draft;

static void draft_done(Draft *draft)
{
        free(draft->directory);
        free(draft->file);
}

static void draft_remove(const Draft *draft)
{
        (void)unlink(draft->file);
        if (rmdir(draft->directory) < 0) /* an editor may leave a backup */
                fprintf(stderr, "%s is left: %s.\n", draft->directory, strerror(errno));
}

/* Returns: EXIT_DONE, or EXIT_FAILED after a sentence. */
static int draft_write(Draft *draft, const char *name, const char *text)
{
        const char *parent = getenv("TMPDIR");
        (void)umask(0077); /* scripts may hold secrets; the editor's own files too then */
        draft->directory = format("%s/l4d2ctl-XXXXXX", parent && *parent ? parent : "/tmp");
        if (!mkdtemp(draft->directory)) {
                fprintf(stderr, "Cannot make %s: %s.\n", draft->directory, strerror(errno));
                return EXIT_FAILED;
        }
        draft->file = format("%s/%s.sh", draft->directory, name);
        FILE *stream = fopen(draft->file, "wxe");
        bool is_written = stream && fputs(text, stream) >= 0;
        if (stream && fclose(stream) != 0)
                is_written = false;
        if (is_written)
                return EXIT_DONE;
        fprintf(stderr, "Cannot write %s: %s.\n", draft->file, strerror(errno));
        draft_remove(draft);
        return EXIT_FAILED;
}

/* Runs the editor. Returns: EXIT_DONE, or EXIT_FAILED after a sentence. */
static int draft_edit(const Draft *draft)
{
        const char *editor = getenv("VISUAL");
        if (!editor || !*editor)
                editor = getenv("EDITOR");
        if (!editor || !*editor)
                editor = "editor";
        /* The name comes by the environment: whatever TMPDIR is, the shell does not read it. */
        _cleanup_free_ char *command = format("%s \"$L4D2CTL_DRAFT\"", editor);
        (void)setenv("L4D2CTL_DRAFT", draft->file, true);
        int r = system(command);
        if (r == 0)
                return EXIT_DONE;
        fprintf(stderr, "The editor '%s' failed, and the script stays as it was.\n", editor);
        return EXIT_FAILED;
}

/* Stores the new text, if the script is still the one that was edited. */
static int script_replace(Ctl *ctl, const char *name, const char *before, const char *after)
{
        _cleanup_free_ char *now = NULL;
        if (l4h_overlay_get_script(ctl->host, name, &now) < 0)
                return ctl_fail(ctl);
        if (strcmp(now, before) != 0) {
                fprintf(stderr, "The script of %s was changed by somebody else meanwhile.\n", name);
                return EXIT_FAILED;
        }
        return l4h_overlay_set_script(ctl->host, name, after) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}

static int edit(Ctl *ctl, const char *name, bool *ret_is_changed)
{
        _cleanup_free_ char *before = NULL, *after = NULL;
        _cleanup_(draft_done) Draft draft = {0};
        if (l4h_overlay_get_script(ctl->host, name, &before) < 0)
                return ctl_fail(ctl);
        int status = draft_write(&draft, name, before);
        if (status != EXIT_DONE)
                return status;
        status = draft_edit(&draft);
        if (status == EXIT_DONE)
                status = file_read(draft.file, &after);
        if (status != EXIT_DONE) {
                draft_remove(&draft);
                return status;
        }
        *ret_is_changed = strcmp(before, after) != 0;
        if (*ret_is_changed)
                status = script_replace(ctl, name, before, after);
        if (status == EXIT_DONE)
                draft_remove(&draft);
        else
                fprintf(stderr, "What you wrote is in %s.\n", draft.file);
        return status;
}

static int run(Ctl *ctl, char **arguments)
{
        const char *name = *arguments;
        bool is_changed = false;
        int status = edit(ctl, name, &is_changed);
        if (status != EXIT_DONE)
                return status;
        if (ctl->builds)
                return each_job(ctl, arguments, l4h_overlay_build);
        if (!ctl->is_quiet && is_changed)
                printf("The script of %s is stored; 'l4d2ctl overlay build %s' builds with it.\n", name,
                        name);
        else if (!ctl->is_quiet)
                printf("The script of %s is as it was.\n", name);
        return EXIT_DONE;
}

const Verb verb_overlay_edit = {
        .name = "overlay edit",
        .arguments = "NAME",
        .min = 1,
        .max = 1,
        .first = WORDS_OVERLAYS,
        .options = OPTION_BUILD | OPTION_WAIT,
        .may_ask = true,
        .help = "Edit its script",
        .details = "Opens the script in $VISUAL or $EDITOR, and stores it when it was changed.\n",
        .run = run,
};
