/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The symbol namespaces of vmbus_gpadl.ko and vmbus_host.ko. What uses them says
 *
 *	MODULE_IMPORT_NS(VMBUS_GPADL_NS);
 *	MODULE_IMPORT_NS(VMBUS_HOST_NS);
 *
 * whatever the kernel: a namespace is a token before Linux 6.13, and a string since. Both go with
 * 6.12: then the strings stand where these names do.
 */
#ifndef _VMBUS_NAMESPACE_H
#define _VMBUS_NAMESPACE_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define VMBUS_GPADL_NS	VMBUS_GPADL
#define VMBUS_HOST_NS	VMBUS_HOST
#else
#define VMBUS_GPADL_NS	"VMBUS_GPADL"
#define VMBUS_HOST_NS	"VMBUS_HOST"
#endif

#endif /* _VMBUS_NAMESPACE_H */
