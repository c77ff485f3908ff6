/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names that stand in paths of objects. sd_bus_path_decode() takes many paths for one name (`_66a`,
 * `fa`), bytes that are no text, and a name that ends early at a `_00`; here a name has one path. */
#pragma once

#include <stdbool.h>

/* Returns: the name below the prefix, owned; NULL when the path has another prefix or is no name's encoding.
 */
char *object_path_decode(const char *path, const char *prefix);

/* Returns: whether the path may be looked at any further. One below the prefixes of instances, overlays and
 * jobs must be a name's encoding; there need be no such object. */
bool object_path_is_sound(const char *path);
