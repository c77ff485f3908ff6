/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* left4me-unpack: fills a generation from an archive. The daemon starts it in a transient unit as a sandbox
 * user, without network and without capabilities, where it sees the next generation, the current one and the
 * archive, and nothing else. The archive is hostile; so is whoever handed it over, who may change the file
 * while it is read.
 *
 * Names reach the kernel one component at a time, relative to a descriptor, and no link is ever followed.
 * What an archive should not hold is refused; nothing is left out or put right in silence. */
#pragma once

#include "daemon/tree/measure.h"
#include "daemon/tree/tree.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- source.c: the archive ---- */

typedef struct Source {
        int fd; /* the standard input. Read at places of our own: its offset is shared with the caller. */
        off_t size, offset;
        off_t taken;        /* read or passed over by now, what was read twice twice */
        gint64 begun, told; /* how far it is; CLOCK_MONOTONIC */
        uint8_t buffer[256 * 1024];
} Source;

/* Returns: 0 or negative errno; -ESPIPE when it is no regular file. */
int source_open(Source *source);
/* Reads up to `size` bytes at `offset`. Returns: how many there were, or negative errno. */
ssize_t source_read(const Source *source, void *buffer, size_t size, off_t offset);
/* For libarchive. Returns: see archive_read_set_callback(3). */
struct archive *source_archive_new(Source *source);

/* ---- target.c: the tree that is made ---- */

typedef struct Target {
        int fd;                  /* of its top */
        uint64_t bytes, entries; /* in it now: the lengths of files, and files, links and directories */
        uint64_t max_bytes, max_entries;
        char *path;   /* of the entry in hand, as the archive calls it */
        char *reason; /* why it ended there */
        int status;   /* the exit status that goes with it: of tree.h or measure.h */
} Target;

/* Write down why it ends. Return: negative errno. */
int target_refuse(Target *target, const char *format, ...) G_GNUC_PRINTF(2, 3);
int target_fail(Target *target, const char *what); /* errno says why */

/* Where an entry goes: below the top, `n` components, the last one its own name. */
typedef struct Place {
        char **components; /* strv */
        unsigned n;        /* 0: the top itself */
} Place;
/* Splits the name that an archive has. Absolute names and ".." are refused. */
int place_parse(Target *target, const char *name, Place *ret_place);
void place_clear(Place *place);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

/* Opens the directory of the first `n` components, making it on the way. Returns: a descriptor owned by the
 * caller, or negative errno. */
int target_open_directory(Target *target, const Place *place, unsigned n);
/* Makes a file, in place of one that is there. Returns: a descriptor for writing owned by the caller, or
 * negative errno. */
int target_make_file(Target *target, const Place *place, bool is_executable);
int target_make_link(Target *target, const Place *place, const char *to);
/* Gives an existing file one more name. */
int target_make_hard_link(Target *target, const Place *place, const char *existing);
/* Says that there will be so many entries or bytes more. */
int target_count(Target *target, uint64_t entries, uint64_t bytes);

/* ---- copy.c ---- */

/* Copies `size` bytes of a file, as far as it has so many, with its holes. */
int copy_data(Target *target, int from_fd, int to_fd, off_t size);
/* Copies everything in the directory at `path`. */
int copy_tree(Target *target, const char *path);

/* ---- archive.c, vpk.c: what the source can be ---- */

int archive_unpack(Target *target, Source *source);

/* Whether it begins as a VPK does, the game's own kind of archive, which it reads as it is. */
bool vpk_is_one(const Source *source);
/* Places it under left4dead2/addons/. `name` may be "": refused then. */
int vpk_place(Target *target, const Source *source, const char *name);
