/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers.h"
#include "beneath.h"
#include "util.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

/* Distributions and kernels differ in the defaults, so each is said. index=off: with it on, another order of
 * layers over the same upper is refused (ESTALE). The others off: only without them may a layer change while
 * nothing is mounted. */
static const struct {
        const char *key;
        const char *value;
} options[] = {
        {"index", "off"},
        {"metacopy", "off"},
        {"xino", "off"},
        {"redirect_dir", "nofollow"},
};

/* mount(2) cuts its options at one page (4095 bytes) without a word. */
#define OPTIONS_SIZE_MAX 4000

/* work/work/#temporary/whiteout is the deepest that the kernel leaves. */
#define WORK_LEVELS 3

#define SCRATCH ".layers-trial"

/* Room for "/proc/self/fd/" and any descriptor. */
typedef struct FdPath {
        char text[32];
} FdPath;

static FdPath fd_path(int fd)
{
        FdPath path;

        (void)g_snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
        return path;
}

static char *entry_path(int dir_fd, const char *name)
{
        return g_strdup_printf("/proc/self/fd/%d/%s", dir_fd, name);
}

static const char *const way_words[LAYERS_WAY_MAX] = {
        [LAYERS_WAY_DESCRIPTOR] = "descriptor",
        [LAYERS_WAY_LAYER_NAME] = "layer-name",
        [LAYERS_WAY_OPTIONS] = "options",
};

const char *layers_way_to_string(LayersWay way)
{
        return way >= 0 && way < LAYERS_WAY_MAX ? way_words[way] : NULL;
}

LayersWay layers_way_from_string(const char *word)
{
        for (int way = 0; way < LAYERS_WAY_MAX; way++)
                if (strcmp(way_words[way], word) == 0)
                        return (LayersWay)way;
        return LAYERS_WAY_INVALID;
}

/* What the kernel had to say about this context, each message a line "e text", "w text" or "i text".
 * Returns: allocated valid UTF-8 (the words may quote names), NULL when it said nothing. */
static char *context_read_words(int context_fd)
{
        g_autoptr(GString) words = g_string_new(NULL);
        char line[1024];
        ssize_t n;

        while ((n = read(context_fd, line, sizeof(line))) > 2) {
                if (words->len > 0)
                        g_string_append(words, "; ");
                g_string_append_len(words, line + 2, n - 2);
                if (words->str[words->len - 1] == '\n')
                        g_string_truncate(words, words->len - 1);
        }
        return words->len > 0 ? g_utf8_make_valid(words->str, (gssize)words->len) : NULL;
}

static int context_set_layer(int context_fd, LayersWay way, const char *key, int layer_fd)
{
        int r;

        if (way == LAYERS_WAY_DESCRIPTOR)
                r = fsconfig(context_fd, FSCONFIG_SET_FD, key, NULL, layer_fd);
        else
                r = fsconfig(context_fd, FSCONFIG_SET_STRING, key, fd_path(layer_fd).text, 0);
        return r < 0 ? -errno : 0;
}

static int context_create(int context_fd, LayersWay way, const LayersPlan *plan)
{
        int r;

        if (fsconfig(context_fd, FSCONFIG_SET_STRING, "source", plan->source, 0) < 0)
                return -errno;
        for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
                if (fsconfig(context_fd, FSCONFIG_SET_STRING, options[i].key, options[i].value, 0) < 0)
                        return -errno;
        r = context_set_layer(context_fd, way, "upperdir", plan->upper_fd);
        if (r >= 0)
                r = context_set_layer(context_fd, way, "workdir", plan->work_fd);
        for (size_t i = 0; i < plan->n_lower && r >= 0; i++)
                r = context_set_layer(context_fd, way, "lowerdir+", plan->lower_fds[i]);
        if (r >= 0 && fsconfig(context_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                r = -errno;
        return r;
}

static int context_attach(int context_fd, int target_fd)
{
        _cleanup_close_ int mount_fd =
                fsmount(context_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);

        if (mount_fd < 0)
                return -errno;
        if (move_mount(mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return -errno;
        return 0;
}

/* Many of overlayfs' reasons reach only the kernel's log. */
static int fail_mount(int r, char **ret_message, const char *source, const char *words)
{
        return fail(r, ret_message, "Cannot mount the layers of %s: %s; %s%s", source, g_strerror(-r),
                words ? "the kernel says: " : "the kernel's log may say why", words ?: "");
}

static int mount_with_context(LayersWay way, const LayersPlan *plan, int target_fd, char **ret_message)
{
        _cleanup_close_ int context_fd = fsopen("overlay", FSOPEN_CLOEXEC);
        g_autofree char *words = NULL;
        int r;

        if (context_fd < 0) {
                r = -errno;
                return fail(r, ret_message, "The kernel gives no overlayfs for %s: %s", plan->source,
                        g_strerror(-r));
        }
        r = context_create(context_fd, way, plan);
        if (r >= 0)
                r = context_attach(context_fd, target_fd);
        if (r >= 0)
                return 0;
        words = context_read_words(context_fd);
        return fail_mount(r, ret_message, plan->source, words);
}

static int mount_with_options(const LayersPlan *plan, int target_fd, char **ret_message)
{
        g_autoptr(GString) text = g_string_new(NULL);
        int r;

        /* The upper first: a cut must never drop it. */
        g_string_append_printf(
                text, "upperdir=%s,workdir=%s", fd_path(plan->upper_fd).text, fd_path(plan->work_fd).text);
        for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
                g_string_append_printf(text, ",%s=%s", options[i].key, options[i].value);
        for (size_t i = 0; i < plan->n_lower; i++)
                g_string_append_printf(
                        text, "%s%s", i == 0 ? ",lowerdir=" : ":", fd_path(plan->lower_fds[i]).text);
        if (text->len > OPTIONS_SIZE_MAX)
                return fail(-E2BIG, ret_message,
                        "%s has %zu layers, more than this kernel takes: use fewer overlays, or Linux 6.8 or "
                        "later",
                        plan->source, plan->n_lower);
        if (mount(plan->source, fd_path(target_fd).text, "overlay", MS_NOSUID | MS_NODEV, text->str) < 0) {
                r = -errno;
                return fail_mount(r, ret_message, plan->source, NULL);
        }
        return 0;
}

/* overlayfs falls back to a read-only mount when it cannot work in `work`, and only its log says so. */
static int check_writable(int parent_fd, const char *name, const char *source, char **ret_message)
{
        g_autofree char *path = entry_path(parent_fd, name);
        struct statvfs st;

        if (statvfs(path, &st) < 0) {
                int r = -errno;
                return fail(r, ret_message, "Cannot look at the new mount of %s: %s", source, g_strerror(-r));
        }
        if (st.f_flag & ST_RDONLY)
                return fail(-EROFS, ret_message,
                        "The kernel mounts the layers of %s read-only: its upper layer cannot be written, "
                        "see the kernel's log",
                        source);
        return 0;
}

int layers_mount(LayersWay way, const LayersPlan *plan, int parent_fd, const char *name, char **ret_message)
{
        _cleanup_close_ int target_fd = -1;
        int r;

        if (!beneath_is_component(name) || plan->n_lower == 0)
                return fail(
                        -EINVAL, ret_message, "%s has no layers, or no place to mount them", plan->source);
        r = layers_is_mounted(parent_fd, name);
        if (r > 0)
                return fail(-EBUSY, ret_message, "Something is mounted already where %s belongs: unmount it",
                        plan->source);
        if (r >= 0)
                r = target_fd = beneath_open(parent_fd, name, O_PATH | O_DIRECTORY, 0);
        if (r < 0)
                return fail(r, ret_message, "Cannot open the directory to mount %s on: %s", plan->source,
                        g_strerror(-r));
        if (way == LAYERS_WAY_OPTIONS)
                r = mount_with_options(plan, target_fd, ret_message);
        else
                r = mount_with_context(way, plan, target_fd, ret_message);
        if (r < 0)
                return r;
        r = check_writable(parent_fd, name, plan->source, ret_message);
        if (r < 0)
                (void)layers_unmount(parent_fd, name);
        return r;
}

int layers_unmount(int parent_fd, const char *name)
{
        g_autofree char *path = entry_path(parent_fd, name);

        if (!beneath_is_component(name))
                return -EINVAL;
        /* Through the parent: a descriptor of the mount's own root would keep it busy. */
        return umount2(path, UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

int layers_is_mounted(int parent_fd, const char *name)
{
        struct statx stx;

        if (!beneath_is_component(name))
                return -EINVAL;
        if (statx(parent_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!(stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
                return -EOPNOTSUPP;
        return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* Returns: the names one after the other, each ended by NUL, and their size in all; or negative errno. */
static ssize_t attributes_list(int fd, char **ret_names)
{
        FdPath path = fd_path(fd); /* flistxattr(2) refuses O_PATH */

        for (;;) {
                g_autofree char *names = NULL;
                ssize_t size = listxattr(path.text, NULL, 0);

                if (size < 0)
                        return -errno;
                names = g_malloc((size_t)size + 1);
                size = listxattr(path.text, names, (size_t)size + 1);
                if (size >= 0) {
                        *ret_names = g_steal_pointer(&names);
                        return size;
                }
                if (errno != ERANGE) /* it grew meanwhile */
                        return -errno;
        }
}

int layers_check_top(int layer_fd, char **ret_message)
{
        g_autofree char *names = NULL;
        ssize_t size = attributes_list(layer_fd, &names);

        if (size == -EOPNOTSUPP)
                return 0;
        if (size < 0)
                return fail((int)size, ret_message, "its attributes cannot be listed: %s",
                        g_strerror(-(int)size));
        for (const char *name = names; name < names + size; name += strlen(name) + 1) {
                g_autofree char *printable = NULL;

                if (!g_str_has_prefix(name, "user.fuseoverlayfs.") &&
                        strcmp(name, "user.containers.override_stat") != 0)
                        continue;
                printable = g_strescape(name, NULL);
                return fail(-EUCLEAN, ret_message,
                        "its top directory carries %s, as fuse-overlayfs leaves it: what was deleted there "
                        "would come back",
                        printable);
        }
        return 0;
}

int layers_renew_work(int dir_fd, char **ret_message)
{
        _cleanup_close_ int fd = -1;
        int r = beneath_remove(dir_fd, "work", WORK_LEVELS);

        if (r < 0)
                return fail(r, ret_message, "Cannot clear overlayfs' work directory: %s", g_strerror(-r));
        r = fd = beneath_make_dir(dir_fd, "work", 0, 0, 0700);
        if (r >= 0)
                r = beneath_open(dir_fd, "work", O_PATH | O_DIRECTORY, 0);
        return r < 0 ? fail(r, ret_message, "Cannot make overlayfs' work directory: %s", g_strerror(-r)) : r;
}

/* Whatever is left of a trial, a mount too when the daemon was killed in it. */
static int scratch_remove(int scratch_dir_fd)
{
        _cleanup_close_ int dir_fd = beneath_open(scratch_dir_fd, SCRATCH, O_PATH | O_DIRECTORY, 0);
        int r;

        if (dir_fd < 0)
                return dir_fd == -ENOENT ? 0 : dir_fd;
        r = layers_is_mounted(dir_fd, "merged");
        if (r > 0)
                r = layers_unmount(dir_fd, "merged");
        return r < 0 ? r : beneath_remove(scratch_dir_fd, SCRATCH, 1 + WORK_LEVELS);
}

static int trial_mount(int dir_fd, LayersWay way, char **ret_message)
{
        static const char *const names[] = {"first", "second", "upper", "merged"};
        _cleanup_close_ int first_fd = -1, second_fd = -1, upper_fd = -1, merged_fd = -1, work_fd = -1;
        int *fds[] = {&first_fd, &second_fd, &upper_fd, &merged_fd};
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                r = *fds[i] = beneath_make_dir(dir_fd, names[i], 0, 0, 0700);
                if (r < 0)
                        return fail(r, ret_message, "Cannot make a directory for a trial mount: %s",
                                g_strerror(-r));
        }
        r = work_fd = layers_renew_work(dir_fd, ret_message);
        if (r < 0)
                return r;
        r = layers_mount(way,
                &(LayersPlan){
                        .source = "left4me-trial",
                        .upper_fd = upper_fd,
                        .work_fd = work_fd,
                        .lower_fds = (int[]){first_fd, second_fd},
                        .n_lower = 2,
                },
                dir_fd, "merged", ret_message);
        if (r < 0)
                return r;
        r = layers_unmount(dir_fd, "merged");
        return r < 0 ? fail(r, ret_message, "Cannot unmount the trial mount: %s", g_strerror(-r)) : 0;
}

int layers_try(int scratch_dir_fd, LayersWay way, char **ret_message)
{
        _cleanup_close_ int dir_fd = -1;
        int r, removed;

        r = scratch_remove(scratch_dir_fd);
        if (r >= 0)
                r = dir_fd = beneath_make_dir(scratch_dir_fd, SCRATCH, 0, 0, 0700);
        if (r < 0)
                return fail(r, ret_message, "Cannot prepare a trial mount: %s", g_strerror(-r));
        r = trial_mount(dir_fd, way, ret_message);
        removed = scratch_remove(scratch_dir_fd);
        if (r >= 0 && removed < 0)
                return fail(removed, ret_message, "Cannot clean up after a trial mount: %s",
                        g_strerror(-removed));
        return r;
}

int layers_probe(int scratch_dir_fd, LayersWay *ret_way, char **ret_message)
{
        g_autoptr(GString) reasons = g_string_new(NULL);
        int r = -EOPNOTSUPP;

        for (int way = 0; way < LAYERS_WAY_MAX; way++) {
                g_autofree char *reason = NULL;

                r = layers_try(scratch_dir_fd, (LayersWay)way, &reason);
                if (r >= 0) {
                        *ret_way = (LayersWay)way;
                        return 0;
                }
                g_string_append_printf(reasons, "%s%s: %s", way > 0 ? "; " : "", way_words[way], reason);
        }
        return fail(r, ret_message, "No way to mount overlayfs works here (%s)", reasons->str);
}
