/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whoever deletes an old file of the journal empties it first, also under those who are reading it: they get
 * SIGBUS from the pages that are gone, and sd-journal leaves it to the program to live through that. */
#pragma once

/* Pages of the journal that are gone read as zeros from now on, which sd-journal takes for a damaged file. A
 * SIGBUS from anything else ends the program as ever. For the program's start. */
void journal_guard_install(void);
