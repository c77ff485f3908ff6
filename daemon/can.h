/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Can: what this caller would be told, were it to make these calls, without ever prompting. */
#pragma once

#include "call.h"

#define CAN_MAX     256 /* pairs in one call */
#define CAN_TIMEOUT 10  /* seconds */

/* Handles the message of `call` (taken): answers when every pair has its word, or when that takes longer than
 * a caller waits. The questions to polkit are put one after another, and a user's calls are: together they
 * hold one place before polkit. */
int can_begin(Call *call);
