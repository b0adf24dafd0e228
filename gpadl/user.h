/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a user has: partitions and channels that are not freed yet.
 */
#ifndef _GPADL_USER_H
#define _GPADL_USER_H

struct gpadl_user;

struct gpadl_user *gpadl_user_add_partition(void);
void gpadl_user_remove_partition(struct gpadl_user *user);
int gpadl_user_add_channel(struct gpadl_user *user);
void gpadl_user_remove_channel(struct gpadl_user *user);

#endif /* _GPADL_USER_H */
