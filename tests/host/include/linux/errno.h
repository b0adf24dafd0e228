/* SPDX-License-Identifier: GPL-2.0 */
/* The C library includes this one too. Frama-C's has no need of it, nor the file. */
#ifndef __FRAMAC__
#include_next <linux/errno.h>
#endif
#include <linux/types.h>
