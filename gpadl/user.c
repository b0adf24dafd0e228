// SPDX-License-Identifier: GPL-2.0
/*
 * What a user has: partitions and channels that are not freed yet.
 *
 * A partition outlives its VMM for as long as a backend keeps something of it mapped, and
 * so do its channels, which need no thread any more then. A user that kills one VMM after
 * the other would have more and more of them: RLIMIT_NPROC and pids.max bound what is
 * alive, these counts what is left.
 *
 * A user is the user id, as the host sees it, of the process that makes the partition.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/hashtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "limits.h"
#include "user.h"

/**
 * struct gpadl_user - a user with a partition
 * @node: in the table
 * @uid: user id
 * @nr_partitions: partitions that are not freed; the user is there as long as it has one
 * @nr_channels: channels of these that are not freed
 */
struct gpadl_user {
	struct hlist_node node;
	kuid_t uid;
	unsigned int nr_partitions;
	unsigned int nr_channels;
};

/* Protects the table and what is in it; innermost. */
static DEFINE_SPINLOCK(users_lock);
static DEFINE_HASHTABLE(users, 6);

static struct gpadl_user *user_find(kuid_t uid)
{
	struct gpadl_user *user;

	lockdep_assert_held(&users_lock);
	hash_for_each_possible(users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/* Count a partition of the current user; @fresh becomes that user if there is none. */
static struct gpadl_user *user_add_partition(struct gpadl_user *fresh)
{
	struct gpadl_user *user;

	spin_lock(&users_lock);
	user = user_find(fresh->uid);
	if (!user) {
		hash_add(users, &fresh->node, __kuid_val(fresh->uid));
		user = fresh;
	}
	if (user->nr_partitions < gpadl_max_user_partitions())
		user->nr_partitions++;
	else
		user = ERR_PTR(-EAGAIN);
	spin_unlock(&users_lock);
	return user;
}

/*
 * Whoever made the user namespaces answers for the ids in them: subordinate ids would multiply
 * the limits by as many. Those that root has made are containers: their ids are users.
 */
static kuid_t user_that_counts(void)
{
	struct user_namespace *ns;
	kuid_t uid = current_uid();

	for (ns = current_user_ns(); ns != &init_user_ns; ns = ns->parent)
		if (!uid_eq(ns->owner, GLOBAL_ROOT_UID))
			uid = ns->owner;
	return uid;
}

/**
 * gpadl_user_add_partition() - The current user makes a partition
 *
 * Context: process, may sleep.
 * Return: the user, for gpadl_user_remove_partition(); or ERR_PTR of -EAGAIN (it has too
 * many) or -ENOMEM.
 */
struct gpadl_user *gpadl_user_add_partition(void)
{
	struct gpadl_user *fresh, *user;

	/* Before it is known to be needed: nothing is allocated under the lock. */
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->uid = user_that_counts();
	user = user_add_partition(fresh);
	if (user != fresh)
		kfree(fresh);
	return user;
}

/**
 * gpadl_user_remove_partition() - A partition is freed
 * @user: what gpadl_user_add_partition() returned
 *
 * Context: process.
 */
void gpadl_user_remove_partition(struct gpadl_user *user)
{
	bool last;

	spin_lock(&users_lock);
	last = !--user->nr_partitions;
	if (last)
		hash_del(&user->node);
	spin_unlock(&users_lock);
	if (!last)
		return;
	WARN_ON_ONCE(user->nr_channels);
	kfree(user);
}

/**
 * gpadl_user_add_channel() - A channel of a user's partition is made
 * @user: the user
 *
 * Context: process.
 * Return: 0; -EAGAIN if it has too many.
 */
int gpadl_user_add_channel(struct gpadl_user *user)
{
	int ret = 0;

	spin_lock(&users_lock);
	if (user->nr_channels < gpadl_max_user_channels())
		user->nr_channels++;
	else
		ret = -EAGAIN;
	spin_unlock(&users_lock);
	return ret;
}

/**
 * gpadl_user_remove_channel() - A channel of a user's partition is freed
 * @user: the user
 *
 * Context: process.
 */
void gpadl_user_remove_channel(struct gpadl_user *user)
{
	spin_lock(&users_lock);
	user->nr_channels--;
	spin_unlock(&users_lock);
}
