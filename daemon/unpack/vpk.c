/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VPK begins with this magic number, its version, and the size of the tree that follows the header; all
 * little-endian. Version 2 has four sizes more. */
#include "daemon/util.h"
#include "unpack.h"

#include <string.h>

#define VPK_MAGIC 0x55aa1234
#define ADDONS    "left4dead2/addons"

typedef struct Header {
        uint32_t magic, version, tree_size;
} Header;

static bool read_header(const Source *source, Header *ret_header)
{
        uint32_t words[3];

        if (source_read(source, words, sizeof(words), 0) != sizeof(words))
                return false;
        *ret_header =
                (Header){GUINT32_FROM_LE(words[0]), GUINT32_FROM_LE(words[1]), GUINT32_FROM_LE(words[2])};
        return true;
}

bool vpk_is_one(const Source *source)
{
        Header header;

        return read_header(source, &header) && header.magic == VPK_MAGIC;
}

int vpk_place(Target *t, const Source *source, const char *name)
{
        g_autofree char *path = g_strdup_printf(ADDONS "/%s", name);
        _cleanup_close_ int fd = -EBADF;
        g_auto(Place) place = {};
        Header header = {};
        int r;

        g_free(t->path);
        t->path = g_strdup(*name ? name : ADDONS);
        if (!read_header(source, &header) || header.version < 1 || header.version > 2)
                return target_refuse(t, "is a VPK of version %u; 1 and 2 are known", header.version);
        if ((off_t)header.tree_size + (header.version == 1 ? 12 : 28) > source->size)
                return target_refuse(t, "is a VPK that is cut off");
        if (!*name)
                return target_refuse(t, "a VPK is placed under its own name: say it with FileName");
        r = place_parse(t, path, &place);
        if (r < 0)
                return r;
        fd = target_make_file(t, &place, false);
        return fd < 0 ? fd : copy_data(t, source->fd, fd, source->size);
}
