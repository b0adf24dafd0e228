/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_UACCESS_H
#define _HOST_UACCESS_H

#include <linux/types.h>

/* Bytes that were not copied; a test decides which have a memory error. */
unsigned long copy_mc_to_kernel(void *to, const void *from, unsigned int len);

#endif /* _HOST_UACCESS_H */
