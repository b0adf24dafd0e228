/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernel versions in the SCSI target, as gpadl/compat.h has it for the
 * rest.
 */
#ifndef _VMBUS_SCSI_COMPAT_H
#define _VMBUS_SCSI_COMPAT_H

#include <linux/version.h>
#include <scsi/scsi_proto.h>

/* Names of commands of 6 bytes, as Linux 7 has them. Goes with 6.12. */
#ifndef RESERVE_6
#define RESERVE_6	RESERVE
#define RELEASE_6	RELEASE
#endif

/*
 * Commands are handed to a work item of the target core's, never worked on by the channel's
 * thread: there one backstore that hangs would stop all that share the channel. Until 6.6 the
 * name says which it is. Since then a fabric says what it can do, and the backstore's attribute
 * submit_type decides.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define COMPAT_TARGET_SUBMIT
#define compat_target_submit	target_queue_submission
#else
#define COMPAT_TARGET_SUBMIT							\
	.default_submit_type = TARGET_QUEUE_SUBMIT,				\
	.direct_submit_supp = 1,
#define compat_target_submit	target_submit
#endif

/*
 * Is there fabric_post_unlink()? It came with a fix that stable kernels got at different times:
 * Kbuild looks into the header. 6.1.192, 6.12.117 and 7.3 have it; Debian's 6.1.0-50 does
 * not, and earlier 6.12 may not. Goes with 6.12.
 */
#ifdef COMPAT_TARGET_HAS_POST_UNLINK
#define COMPAT_POST_UNLINK	1
#define COMPAT_TARGET_POST_UNLINK(_fn)	.fabric_post_unlink = (_fn),
#else
#define COMPAT_POST_UNLINK	0
#define COMPAT_TARGET_POST_UNLINK(_fn)
#endif

#endif /* _VMBUS_SCSI_COMPAT_H */
