/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernel versions: the only file that asks which one it is.
 *
 * The code is written for 6.12. Each block says since when its subject is otherwise.
 */
#ifndef _GPADL_COMPAT_H
#define _GPADL_COMPAT_H

#include <linux/version.h>

/*
 * The namespace argument of EXPORT_SYMBOL_NS_GPL() and MODULE_IMPORT_NS() is a token up
 * to 6.12 and a string from 6.13 on (commit cdd30ebb1b9f).
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define VMBUS_GPADL_NS	VMBUS_GPADL
#else
#define VMBUS_GPADL_NS	"VMBUS_GPADL"
#endif

#endif /* _GPADL_COMPAT_H */
