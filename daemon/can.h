/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Can: what this caller would be told, were it to make these calls, without ever prompting. */
#pragma once

#include "call.h"

#define CAN_MAX 256 /* pairs in one call */

/* Handles the message of `call` (taken): answers when every pair has its word. The questions to polkit are
 * put one after another, so that one call never holds more than one place before polkit. */
int can_begin(Call *call);
