/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether IPAddressDeny= filters on this host. systemd fails open where BPF is missing, so it is tried once
 * at every start, with the sandbox's own properties. */
#pragma once

#include "host.h"

#define FILTER_TEST_UNIT "left4me-filter-test.service"

/* Sets host->filter in the end, announces Features, and lets waiting builds go on. */
void filter_test_begin(Host *host);
/* From the systemd side. */
void filter_test_notice(Host *host, const UnitState *state);
