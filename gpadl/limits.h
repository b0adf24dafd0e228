/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Limits of a partition and of a user, as they are in force now.
 */
#ifndef _GPADL_LIMITS_H
#define _GPADL_LIMITS_H

unsigned int gpadl_max_gpadls(void);
unsigned int gpadl_max_pages(void);	/* 4 KiB pages that all GPADLs describe */
unsigned int gpadl_max_channels(void);
unsigned int gpadl_max_request_pages(void);	/* that requests in flight have pinned */
unsigned int gpadl_max_user_partitions(void);	/* not freed yet, of one user */
unsigned int gpadl_max_user_channels(void);	/* of all these */

#endif /* _GPADL_LIMITS_H */
