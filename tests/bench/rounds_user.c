// SPDX-License-Identifier: GPL-2.0
/* How often each thing is measured. */
#include "bench_user.h"

__u32 rounds = 5;

__u32 rounds_for(__u32 pages)
{
	return rounds * (1 + 512 / pages);
}
