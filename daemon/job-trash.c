/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds that delete: prune, delete-overlay, reset-instance, delete-instance.
 *
 * Root renames each tree into <root>/.trash/<job>/, which only root can enter, a unit in the sandbox empties
 * it through an idmapped mount, and root removes the empty tops. Every step can be done again, so a job that
 * was cut off simply starts over. */
#include "beneath.h"
#include "instance.h"
#include "job-thread.h"
#include "job-unit.h"
#include "layers.h"
#include "overlay.h"
#include "paths.h"
#include "staging.h"
#include "util.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define UID_NOBODY       65534
#define EMPTY_TIME_LIMIT (UINT64_C(3600) * G_USEC_PER_SEC)

static const char *const roots[] = {DIR_OVERLAYS, DIR_CACHE, DIR_INSTANCES, DIR_RUNTIME};

/* One tree to go: `name` in directory `parent` below the state directory, through the trash of `root`. */
typedef struct Tree {
        const char *root;
        char *parent, *name;
} Tree;

typedef struct Trash {
        int state_fd, staging_fd;
        char *id;
        char *slot_user;
        uid_t server_uid;
        GArray *trees;          /* Tree */
        GPtrArray *directories; /* char *: root's own directories to remove in the end, deepest first */
        char *overlay;          /* the overlay's directory when all of it goes, or NULL */
        char *instance;         /* the instance when all of it goes, or NULL */
        char *layers;           /* the layers directory whose `work` goes too, or NULL */
        unsigned n_staged;
        int result;
        char *message;
} Trash;

static void tree_clear(void *data)
{
        Tree *t = data;

        g_free(t->parent);
        g_free(t->name);
}

static void trash_free(Trash *t)
{
        g_array_unref(t->trees);
        g_ptr_array_unref(t->directories);
        g_free(t->overlay);
        g_free(t->instance);
        g_free(t->layers);
        g_free(t->slot_user);
        g_free(t->id);
        g_free(t->message);
        g_free(t);
}

static void add_tree(Trash *t, const char *root, char *parent, const char *name)
{
        Tree tree = {root, parent, g_strdup(name)};

        g_array_append_val(t->trees, tree);
}

static void add_overlay(Trash *t, uint64_t id)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, id);

        add_tree(t, DIR_CACHE, g_strdup(DIR_CACHE), name);
        t->overlay = g_strdup_printf(DIR_OVERLAYS "/%s", name);
        g_ptr_array_add(t->directories, g_strdup(t->overlay));
}

static void add_generation(Trash *t, uint64_t overlay, uint64_t number)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, number);

        add_tree(t, DIR_OVERLAYS, g_strdup_printf(DIR_OVERLAYS "/%" PRIu64, overlay), name);
}

static void add_instance(Trash *t, const char *name, bool whole)
{
        t->layers = g_strdup_printf(DIR_RUNTIME "/%s/layers", name);
        add_tree(t, DIR_RUNTIME, g_strdup(t->layers), "upper");
        if (!whole)
                return;
        add_tree(t, DIR_INSTANCES, g_strdup_printf(DIR_INSTANCES "/%s", name), "config");
        g_ptr_array_add(t->directories, g_strdup(t->layers));
        g_ptr_array_add(t->directories, g_strdup_printf(DIR_RUNTIME "/%s/merged", name));
        g_ptr_array_add(t->directories, g_strdup_printf(DIR_RUNTIME "/%s", name));
        t->instance = g_strdup(name);
}

static Trash *trash_new(Job *job)
{
        Host *host = job->host;
        Trash *t = g_new0(Trash, 1);

        t->state_fd = host->state_fd;
        t->staging_fd = host->staging_fd;
        t->server_uid = host->server_uid;
        t->id = g_strdup(job->id);
        t->slot_user = g_strdup_printf(USER_SANDBOX_PREFIX "%d", job->row->slot);
        t->trees = g_array_new(FALSE, FALSE, sizeof(Tree));
        g_array_set_clear_func(t->trees, tree_clear);
        t->directories = g_ptr_array_new_with_free_func(g_free);
        return t;
}

/* The thread's half, first */

/* Opens <root>/.trash/<job>, made on the way where `make`. */
static int open_trash(Trash *t, const char *root, bool make)
{
        g_autofree char *path = g_strdup_printf("%s/" DIR_TRASH, root);
        _cleanup_close_ int all_fd = -EBADF, root_fd = -EBADF;

        root_fd = beneath_open(t->state_fd, root, O_RDONLY | O_DIRECTORY, 0);
        if (root_fd < 0)
                return root_fd;
        all_fd = make ? beneath_make_dir(root_fd, DIR_TRASH, 0, 0, 0700)
                      : beneath_open(root_fd, DIR_TRASH, O_RDONLY | O_DIRECTORY, 0);
        if (all_fd < 0)
                return all_fd;
        return make ? beneath_make_dir(all_fd, t->id, 0, 0, 0700)
                    : beneath_open(all_fd, t->id, O_RDONLY | O_DIRECTORY, 0);
}

/* Returns: the names in a directory of root's, or NULL with a negative errno. */
static GPtrArray *list_names(int dir_fd, int *ret_error)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

        if (!dir) {
                *ret_error = -errno;
                close_fd(&fd);
                return NULL;
        }
        for (struct dirent *e; (e = readdir(dir));)
                if (!g_str_equal(e->d_name, ".") && !g_str_equal(e->d_name, ".."))
                        g_ptr_array_add(names, g_strdup(e->d_name));
        closedir(dir);
        return g_steal_pointer(&names);
}

/* A whole overlay goes with every generation that has a directory, known or not. */
static int find_generations(Trash *t)
{
        _cleanup_close_ int fd = -EBADF;
        g_autoptr(GPtrArray) names = NULL;
        int r = 0;

        if (!t->overlay)
                return 0;
        fd = beneath_open(t->state_fd, t->overlay, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        names = list_names(fd, &r);
        for (guint n = 0; names && n < names->len; n++)
                add_tree(t, DIR_OVERLAYS, g_strdup(t->overlay), names->pdata[n]);
        return r;
}

static int move_tree(Trash *t, const Tree *tree)
{
        _cleanup_close_ int parent_fd = -EBADF, trash_fd = -EBADF;

        parent_fd = beneath_open(t->state_fd, tree->parent, O_RDONLY | O_DIRECTORY, 0);
        if (parent_fd == -ENOENT)
                return 0;
        if (parent_fd < 0)
                return fail(parent_fd, &t->message, "Cannot open " PATH_STATE "/%s: %s", tree->parent,
                        g_strerror(-parent_fd));
        trash_fd = open_trash(t, tree->root, true);
        if (trash_fd < 0)
                return fail(trash_fd, &t->message, "Cannot make a trash in " PATH_STATE "/%s: %s", tree->root,
                        g_strerror(-trash_fd));
        /* An earlier turn may have moved it already. */
        if (renameat2(parent_fd, tree->name, trash_fd, tree->name, RENAME_NOREPLACE) < 0 && errno != ENOENT)
                return fail(-errno, &t->message, "Cannot move " PATH_STATE "/%s/%s to the trash: %s",
                        tree->parent, tree->name, g_strerror(errno));
        return 0;
}

static int trash_userns(Trash *t)
{
        struct passwd buffer, *user = NULL;
        char strings[1024];

        if (getpwnam_r(t->slot_user, &buffer, strings, sizeof(strings), &user) != 0 || !user)
                return fail(-ESRCH, &t->message, "There is no user %s; run systemd-sysusers", t->slot_user);
        /* Whiteouts in an upper layer are root's. A file whose owner has no mapping could not even be
         * deleted. */
        return staging_userns_new((IdPair[]){{t->server_uid, user->pw_uid}, {0, UID_NOBODY}}, 2);
}

static int stage_tree(Trash *t, int trash_fd, const char *name, int job_fd, int userns_fd)
{
        g_autofree char *to = g_strdup_printf("%u", t->n_staged);
        _cleanup_close_ int tree_fd = beneath_open(trash_fd, name, O_PATH | O_DIRECTORY, 0);
        int r;

        if (tree_fd == -ENOTDIR || tree_fd == -ELOOP)
                return unlinkat(trash_fd, name, 0) < 0 ? -errno
                                                       : 0; /* no tree: a file or a link stood there */
        if (tree_fd < 0)
                return tree_fd;
        r = staging_attach(job_fd, to, tree_fd, userns_fd, false, &t->message);
        if (r >= 0)
                t->n_staged++;
        return r;
}

static int stage_root(Trash *t, const char *root, int job_fd, int userns_fd)
{
        _cleanup_close_ int trash_fd = open_trash(t, root, false);
        g_autoptr(GPtrArray) names = NULL;
        int r = 0;

        if (trash_fd < 0)
                return trash_fd == -ENOENT ? 0 : trash_fd;
        names = list_names(trash_fd, &r);
        for (guint n = 0; r >= 0 && n < names->len; n++)
                r = stage_tree(t, trash_fd, names->pdata[n], job_fd, userns_fd);
        return r;
}

static int stage_all(Trash *t)
{
        _cleanup_close_ int job_fd = -EBADF, userns_fd = -EBADF;
        int r = find_generations(t);

        for (guint n = 0; r >= 0 && n < t->trees->len; n++)
                r = move_tree(t, &g_array_index(t->trees, Tree, n));
        if (r < 0)
                return r;
        r = staging_remove(t->staging_fd, t->id); /* of an earlier turn */
        if (r < 0 && r != -ENOENT)
                return r;
        job_fd = beneath_make_dir(t->staging_fd, t->id, 0, 0, 0700);
        if (job_fd < 0)
                return job_fd;
        r = userns_fd = trash_userns(t);
        for (size_t n = 0; r >= 0 && n < G_N_ELEMENTS(roots); n++)
                r = stage_root(t, roots[n], job_fd, userns_fd);
        return MIN(r, 0);
}

static void stage_step(void *data)
{
        Trash *t = data;

        t->result = stage_all(t);
        if (t->result < 0 && !t->message)
                t->message =
                        g_strdup_printf("Cannot stage what is to be deleted: %s", g_strerror(-t->result));
}

/* The thread's half, last */

static int remove_dir(Trash *t, const char *path)
{
        g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
        _cleanup_close_ int fd = beneath_open(t->state_fd, parent, O_RDONLY | O_DIRECTORY, 0);

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        return fail(-errno, &t->message, "Cannot remove " PATH_STATE "/%s: %s", path, g_strerror(errno));
}

/* The empty tops in one trash, then the trash. */
static int remove_trash(Trash *t, const char *root)
{
        g_autofree char *path = g_strdup_printf("%s/" DIR_TRASH "/%s", root, t->id);
        _cleanup_close_ int trash_fd = open_trash(t, root, false);
        g_autoptr(GPtrArray) names = NULL;
        int r = 0;

        if (trash_fd < 0)
                return trash_fd == -ENOENT ? 0 : trash_fd;
        names = list_names(trash_fd, &r);
        for (guint n = 0; r >= 0 && n < names->len; n++) {
                g_autofree char *top = g_strconcat(path, "/", names->pdata[n], NULL);

                r = remove_dir(t, top);
        }
        return r < 0 ? r : remove_dir(t, path);
}

static int remove_work(Trash *t)
{
        _cleanup_close_ int layers_fd = -EBADF, work_fd = -EBADF;

        layers_fd = t->layers ? beneath_open(t->state_fd, t->layers, O_RDONLY | O_DIRECTORY, 0) : -ENOENT;
        if (layers_fd < 0)
                return layers_fd == -ENOENT ? 0 : layers_fd;
        work_fd = layers_renew_work(layers_fd, &t->message);
        if (work_fd < 0)
                return work_fd;
        return unlinkat(layers_fd, "work", AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* An instance's own directory has files of root's, beside the trees that are gone by now. */
static int remove_instance(Trash *t)
{
        _cleanup_close_ int fd = -EBADF;

        if (!t->instance)
                return 0;
        fd = beneath_open(t->state_fd, DIR_INSTANCES, O_RDONLY | O_DIRECTORY, 0);
        return fd < 0 ? fd : beneath_remove(fd, t->instance, 1);
}

static int remove_all(Trash *t)
{
        int r = 0;

        for (size_t n = 0; r >= 0 && n < G_N_ELEMENTS(roots); n++)
                r = remove_trash(t, roots[n]);
        if (r >= 0)
                r = remove_work(t);
        if (r >= 0)
                r = remove_instance(t);
        for (guint n = 0; r >= 0 && n < t->directories->len; n++)
                r = remove_dir(t, t->directories->pdata[n]);
        return r;
}

static void remove_step(void *data)
{
        Trash *t = data;

        t->result = remove_all(t);
        if (t->result < 0 && !t->message)
                t->message = g_strdup_printf("Cannot remove what was emptied: %s", g_strerror(-t->result));
}

/* The main thread's half */

/* The subject's row goes in the transaction that ends the job: a job that was done but for its end would be
 * taken up again, and find another subject with that name. */
static gboolean save_gone(Job *job, GError **error)
{
        Store *store = job->host->store;
        char *message = NULL;
        int r = store_begin(store, &message);

        if (r >= 0 && g_str_equal(job->row->kind, JOB_DELETE_OVERLAY))
                r = store_delete_overlay(store, job->row->overlay, &message);
        else if (r >= 0 && g_str_equal(job->row->kind, JOB_DELETE_INSTANCE))
                r = store_delete_instance(store, job->row->instance, &message);
        job_set_finished(job, "done", "success", 0, "");
        if (r >= 0)
                r = store_save_job(store, job->row, &message);
        if (r >= 0)
                r = store_commit(store, &message);
        else
                store_rollback(store);
        return r >= 0 || host_store_error(error, r, message);
}

static void on_removed(Job *job, void *data)
{
        Trash *t = data;
        Host *host = job->host;
        g_autoptr(GError) error = NULL;
        Overlay *overlay = overlay_by_id(host, job->row->overlay);
        Instance *instance = job->row->instance ? instance_find(host, job->row->instance, NULL) : NULL;

        if (t->result < 0)
                job_finish(job, "failed", "delete", 0, t->message);
        else if (!save_gone(job, &error))
                job_finish(job, "failed", "store", 0, error->message);
        else {
                if (instance && g_str_equal(job->row->kind, JOB_DELETE_INSTANCE))
                        instance_forget(instance);
                if (overlay && g_str_equal(job->row->kind, JOB_DELETE_OVERLAY))
                        overlay_forget(overlay);
                job_announce_finished(job);
        }
        trash_free(t);
}

static void on_empty_started(Job *job, void *userdata)
{
        job_unstage(job, "");
}

static void on_emptied(Job *job, const JobUnitResult *result, void *userdata)
{
        if (!result->is_success) {
                job_finish(job, "failed", result->result, result->exit_status, result->message);
                trash_free(userdata);
                return;
        }
        job_run_in_thread(job, remove_step, on_removed, userdata);
}

static void on_staged(Job *job, void *data)
{
        Trash *t = data;
        static const JobUnitHandlers handlers = {.started = on_empty_started, .gone = on_emptied};
        g_autofree SandboxBind *binds = g_new0(SandboxBind, t->n_staged);
        g_autoptr(GPtrArray) argv = g_ptr_array_new(), owned = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *description = g_strdup_printf(
                "Deletion (%s) of %s by job %s", job->row->kind, job->row->subject_name, job->id);

        if (t->result < 0) {
                job_unstage(job, "");
                job_finish(job, "failed", "delete", 0, t->message);
                trash_free(t);
                return;
        }
        if (t->n_staged == 0) {
                job_unstage(job, "");
                job_run_in_thread(job, remove_step, on_removed, t);
                return;
        }
        g_ptr_array_add(argv, (void *)PATH_TREE_PROGRAM);
        g_ptr_array_add(argv, (void *)"empty");
        for (unsigned n = 0; n < t->n_staged; n++) {
                char *source = g_strdup_printf(PATH_STAGING "/%s/%u", job->id, n);
                char *target = g_strdup_printf("/trees/%u", n);

                g_ptr_array_add(owned, source);
                g_ptr_array_add(owned, target);
                binds[n] = (SandboxBind){source, target, false};
                g_ptr_array_add(argv, target);
        }
        g_ptr_array_add(argv, NULL);
        job_unit_run(job, "empty",
                &(SandboxSpec){
                        .description = description,
                        .argv = (char *const *)argv->pdata,
                        .binds = binds,
                        .n_binds = t->n_staged,
                        .working_directory = "/",
                        .time_limit = EMPTY_TIME_LIMIT,
                        .stdout_fd = -1,
                },
                &handlers, t);
}

/* Takes the generations off the overlay first: from then on nothing can mount them. */
static gboolean forget_generations(Job *job, GError **error)
{
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        bool is_changed = false;
        char *message = NULL;
        int r;

        for (guint n = 0; overlay && n < job->row->generations->len; n++)
                for (guint k = 0; k < overlay->row->generations->len; k++) {
                        GenerationRow *g = overlay->row->generations->pdata[k];

                        if (g->number != g_array_index(job->row->generations, uint64_t, n))
                                continue;
                        g_ptr_array_remove_index(overlay->row->generations, k--);
                        is_changed = true;
                }
        if (!is_changed)
                return TRUE;
        r = store_save_overlay(job->host->store, overlay->row, &message);
        overlay_changed(overlay, "Generations");
        return r >= 0 || host_store_error(error, r, message);
}

static void add_job_trees(Job *job, Trash *t)
{
        const char *kind = job->row->kind;

        for (guint n = 0; n < job->row->generations->len; n++)
                add_generation(t, job->row->overlay, g_array_index(job->row->generations, uint64_t, n));
        if (g_str_equal(kind, JOB_DELETE_OVERLAY))
                add_overlay(t, job->row->overlay);
        else if (job->row->instance)
                add_instance(t, job->row->instance, g_str_equal(kind, JOB_DELETE_INSTANCE));
}

static void on_leftover_stopped(const char *result, const GError *error, void *userdata)
{
        Job *job = userdata;
        Trash *t = trash_new(job);
        g_autoptr(GError) store_error = NULL;

        add_job_trees(job, t);
        if (g_str_equal(job->row->kind, JOB_PRUNE) && !forget_generations(job, &store_error)) {
                job_finish(job, "failed", "store", 0, store_error->message);
                trash_free(t);
                return;
        }
        if (job_enter_phase(job, "trash"))
                job_run_in_thread(job, stage_step, on_staged, t);
        else
                trash_free(t);
}

static void on_leftover_unit(const char *result, const GError *error, void *userdata)
{
        Job *job = userdata;
        g_autofree char *unit = job_unit_make_name(job, "empty");

        systemd1_reset_failed(job->host->systemd, unit, on_leftover_stopped, job);
}

void job_trash_begin(Job *job)
{
        g_autofree char *unit = job_unit_make_name(job, "empty");

        /* One of an earlier turn may still be at work, and its name is taken until then. */
        systemd1_stop(job->host->systemd, unit, on_leftover_unit, job);
}
