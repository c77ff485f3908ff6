/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trash-work.h"
#include "beneath.h"
#include "fault.h"
#include "layers.h"
#include "paths.h"
#include "project-quota.h"
#include "staging.h"
#include "util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define UID_NOBODY 65534

static const char *const roots[] = {DIR_OVERLAYS, DIR_CACHE, DIR_INSTANCES, DIR_RUNTIME};

/* One tree to go: `name` in directory `parent` below the state directory, through the trash of `root`. */
typedef struct Tree {
        const char *root;
        char *parent, *name;
} Tree;

static void tree_clear(void *data)
{
        Tree *t = data;

        g_free(t->parent);
        g_free(t->name);
}

void trash_free(Trash *t)
{
        g_array_unref(t->trees);
        g_ptr_array_unref(t->directories);
        g_free(t->overlay);
        g_free(t->instance);
        g_free(t->layers);
        g_free(t->slot_user);
        g_ptr_array_unref(t->names);
        g_clear_pointer(&t->spared, g_array_unref);
        g_free(t->failure);
        g_free(t->failure_message);
        g_free(t->message);
        g_free(t);
}

static void add_tree(Trash *t, const char *root, char *parent, const char *name)
{
        Tree tree = {root, parent, g_strdup(name)};

        g_array_append_val(t->trees, tree);
}

void trash_add_cache(Trash *t, uint64_t overlay)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, overlay);

        add_tree(t, DIR_CACHE, g_strdup(DIR_CACHE), name);
}

void trash_add_overlay(Trash *t, uint64_t id)
{
        trash_add_cache(t, id);
        t->overlay = g_strdup_printf(DIR_OVERLAYS "/%" PRIu64, id);
        g_ptr_array_add(t->directories, g_strdup(t->overlay));
}

void trash_add_generation(Trash *t, uint64_t overlay, uint64_t number)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, number);

        add_tree(t, DIR_OVERLAYS, g_strdup_printf(DIR_OVERLAYS "/%" PRIu64, overlay), name);
}

void trash_add_instance(Trash *t, const char *name, bool whole)
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

Trash *trash_new(const Host *host, uint64_t job, unsigned slot)
{
        Trash *t = g_new0(Trash, 1);

        t->state_fd = host->state_fd;
        t->staging_fd = host->staging_fd;
        t->server_uid = host->server_uid;
        t->job = job;
        t->slot_user = g_strdup_printf(USER_SANDBOX_PREFIX "%u", slot);
        t->trees = g_array_new(FALSE, FALSE, sizeof(Tree));
        g_array_set_clear_func(t->trees, tree_clear);
        t->directories = g_ptr_array_new_with_free_func(g_free);
        t->names = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(t->names, g_strdup_printf("%" PRIu64, job));
        return t;
}

/* Opens <root>/.trash/<name>, made on the way where `make`. */
static int open_trash(Trash *t, const char *root, const char *name, bool make)
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
        return make ? beneath_make_dir(all_fd, name, 0, 0, 0700)
                    : beneath_open(all_fd, name, O_RDONLY | O_DIRECTORY, 0);
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
        names = beneath_list(fd, ".", &r);
        for (guint n = 0; names && n < names->len; n++)
                add_tree(t, DIR_OVERLAYS, g_strdup(t->overlay), names->pdata[n]);
        return r;
}

/* Of a generation that was never finished. */
static void lift_quota(int parent_fd, const Tree *tree)
{
        _cleanup_close_ int fd = -EBADF;

        if (!g_str_equal(tree->root, DIR_OVERLAYS))
                return;
        fd = beneath_open(parent_fd, tree->name, O_RDONLY | O_DIRECTORY, 0);
        if (fd >= 0)
                project_quota_lift(fd);
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
        trash_fd = open_trash(t, tree->root, t->names->pdata[0], true);
        if (trash_fd < 0)
                return fail(trash_fd, &t->message, "Cannot make a trash in " PATH_STATE "/%s: %s", tree->root,
                        g_strerror(-trash_fd));
        lift_quota(parent_fd, tree);
        /* An earlier turn may have moved it already. */
        if (renameat2(parent_fd, tree->name, trash_fd, tree->name, RENAME_NOREPLACE) < 0 && errno != ENOENT)
                return fail(-errno, &t->message, "Cannot move " PATH_STATE "/%s/%s to the trash: %s",
                        tree->parent, tree->name, g_strerror(errno));
        fault_point(FAULT_TRASH_MOVED);
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
        _cleanup_close_ int tree_fd = -EBADF;
        int r;

        /* Root's own, which the unit could not even open: one that was made and not given away when the
         * service was killed. */
        if (unlinkat(trash_fd, name, AT_REMOVEDIR) == 0)
                return 0;
        tree_fd = beneath_open(trash_fd, name, O_PATH | O_DIRECTORY, 0);
        if (tree_fd == -ENOTDIR || tree_fd == -ELOOP)
                return unlinkat(trash_fd, name, 0) < 0 ? -errno
                                                       : 0; /* no tree: a file or a link stood there */
        if (tree_fd < 0)
                return tree_fd;
        r = staging_attach(job_fd, to, tree_fd, userns_fd, false, &t->message);
        if (r >= 0)
                t->n_staged++;
        fault_point(FAULT_TRASH_ATTACHED);
        return r;
}

static int stage_root(Trash *t, const char *root, const char *name, int job_fd, int userns_fd)
{
        _cleanup_close_ int trash_fd = open_trash(t, root, name, false);
        g_autoptr(GPtrArray) names = NULL;
        int r = 0;

        if (trash_fd < 0)
                return trash_fd == -ENOENT ? 0 : trash_fd;
        names = beneath_list(trash_fd, ".", &r);
        for (guint n = 0; r >= 0 && n < names->len; n++)
                r = stage_tree(t, trash_fd, names->pdata[n], job_fd, userns_fd);
        return r;
}

static bool is_leftover(const Trash *t, const char *name)
{
        uint64_t job;

        if (!g_ascii_string_to_unsigned(name, 10, 1, t->newest, &job, NULL) ||
                g_ptr_array_find_with_equal_func(t->names, name, g_str_equal, NULL))
                return false;
        for (guint n = 0; n < t->spared->len; n++)
                if (g_array_index(t->spared, uint64_t, n) == job)
                        return false;
        return true;
}

/* Trash that jobs left which have ended. */
static int find_leftovers(Trash *t, const char *root)
{
        g_autofree char *path = g_strdup_printf("%s/" DIR_TRASH, root);
        _cleanup_close_ int fd = beneath_open(t->state_fd, path, O_RDONLY | O_DIRECTORY, 0);
        g_autoptr(GPtrArray) names = NULL;
        int r = 0;

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        names = beneath_list(fd, ".", &r);
        for (guint n = 0; names && n < names->len; n++)
                if (is_leftover(t, names->pdata[n]))
                        g_ptr_array_add(t->names, g_strdup(names->pdata[n]));
        return r;
}

static int stage_all(Trash *t)
{
        _cleanup_close_ int job_fd = -EBADF, userns_fd = -EBADF;
        int r = find_generations(t);

        for (size_t n = 0; t->spared && r >= 0 && n < G_N_ELEMENTS(roots); n++)
                r = find_leftovers(t, roots[n]);
        for (guint n = 0; r >= 0 && n < t->trees->len; n++)
                r = move_tree(t, &g_array_index(t->trees, Tree, n));
        if (r < 0)
                return r;
        r = staging_remove(t->staging_fd, t->names->pdata[0]); /* of an earlier turn */
        if (r < 0 && r != -ENOENT)
                return r;
        job_fd = beneath_make_dir(t->staging_fd, t->names->pdata[0], 0, 0, 0700);
        if (job_fd < 0)
                return job_fd;
        r = userns_fd = trash_userns(t);
        for (size_t n = 0; r >= 0 && n < G_N_ELEMENTS(roots); n++)
                for (guint k = 0; r >= 0 && k < t->names->len; k++)
                        r = stage_root(t, roots[n], t->names->pdata[k], job_fd, userns_fd);
        return MIN(r, 0);
}

void trash_stage(void *data)
{
        Trash *t = data;

        t->result = stage_all(t);
        fault_point(FAULT_TRASH_STAGED);
        if (t->result < 0 && !t->message)
                t->message =
                        g_strdup_printf("Cannot stage what is to be deleted: %s", g_strerror(-t->result));
}

/* The end */

static int remove_dir(Trash *t, const char *path)
{
        g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
        _cleanup_close_ int fd = beneath_open(t->state_fd, parent, O_RDONLY | O_DIRECTORY, 0);

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT || (errno == ENOTEMPTY && t->failure))
                return 0;
        return fail(-errno, &t->message, "Cannot remove " PATH_STATE "/%s: %s", path, g_strerror(errno));
}

/* The empty tops in one trash, then the trash. */
static int remove_trash(Trash *t, const char *root, const char *name)
{
        g_autofree char *path = g_strdup_printf("%s/" DIR_TRASH "/%s", root, name);
        _cleanup_close_ int trash_fd = open_trash(t, root, name, false);
        g_autoptr(GPtrArray) names = NULL;
        int r = 0;

        if (trash_fd < 0)
                return trash_fd == -ENOENT ? 0 : trash_fd;
        names = beneath_list(trash_fd, ".", &r);
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
                for (guint k = 0; r >= 0 && k < t->names->len; k++)
                        r = remove_trash(t, roots[n], t->names->pdata[k]);
        fault_point(FAULT_TRASH_TOPS_REMOVED);
        if (t->failure)
                return r;
        if (r >= 0)
                r = remove_work(t);
        if (r >= 0)
                r = remove_instance(t);
        for (guint n = 0; r >= 0 && n < t->directories->len; n++)
                r = remove_dir(t, t->directories->pdata[n]);
        return r;
}

void trash_remove(void *data)
{
        Trash *t = data;

        t->result = remove_all(t);
        fault_point(FAULT_TRASH_REMOVED);
        if (t->result < 0 && !t->message)
                t->message = g_strdup_printf("Cannot remove what was emptied: %s", g_strerror(-t->result));
}
