// SPDX-License-Identifier: GPL-2.0
/*
 * Where GPADLs stand: each in its channel's table by handle, and in its partition's, so that
 * a message that names a handle finds it whatever channel it is on.
 */
#include <linux/errno.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/xarray.h>

#include "compat.h"
#include "priv.h"

/*
 * Find a GPADL by its handle, and hold it. Takes no lock that another GPADL's map takes;
 * what is shared is the read side of the xarray.
 */
struct gpadl *gpadl_get(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct gpadl *g;

	guard(rcu)();
	g = xa_load(&chan->gpadls, handle);
	return g && refcount_inc_not_zero(&g->ref) ? g : NULL;
}

/**
 * gpadl_next() - Walk over the GPADLs of a channel
 * @chan: the channel
 * @handle: 0 at first; where to go on
 *
 * Context: process.
 * Return: a GPADL, to be put, of the smallest handle that is not below *@handle, which
 * is then set to one above; NULL if there is none.
 */
struct gpadl *gpadl_next(struct vmbus_gpadl_channel *chan, unsigned long *handle)
{
	struct gpadl *g;

	guard(rcu)();
	while (*handle <= U32_MAX) {
		g = xa_find(&chan->gpadls, handle, U32_MAX, XA_PRESENT);
		if (!g)
			return NULL;
		(*handle)++;
		if (refcount_inc_not_zero(&g->ref))
			return g;
	}
	return NULL;
}

/* Called with the xarray's lock held. Drops it to allocate; only rx_mutex holders insert. */
VISIBLE_IF_KUNIT int gpadl_store(struct xarray *xa, struct gpadl *g)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_store, xa, g);
	return xa_err(__xa_store(xa, g->handle, g, GFP_KERNEL_ACCOUNT));
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_store);

/*
 * GPADLs of one handle on several channels are a list, whose head stands in the
 * partition's xarray. It goes both ways: a guest can have one on each of its channels, and
 * one that dies leaves the list under spinlocks.
 */
static int handle_link(struct vmbus_partition *p, struct gpadl *g)
{
	struct gpadl *head;
	int ret = 0;

	xa_lock(&p->handles);
	head = xa_load(&p->handles, g->handle);
	if (head) {
		g->prev_same = head;
		g->next_same = head->next_same;
		if (g->next_same)
			g->next_same->prev_same = g;
		head->next_same = g;
	} else {
		ret = gpadl_store(&p->handles, g);
	}
	xa_unlock(&p->handles);
	return ret;
}

static void handle_unlink(struct vmbus_partition *p, struct gpadl *g)
{
	/* Inside the lock of a channel's table, which is of the same class. */
	xa_lock_nested(&p->handles, SINGLE_DEPTH_NESTING);
	if (g->prev_same)
		g->prev_same->next_same = g->next_same;
	else
		/* Storing over an entry allocates nothing; NULL erases it. */
		__xa_store(&p->handles, g->handle, g->next_same, GFP_NOWAIT);
	if (g->next_same)
		g->next_same->prev_same = g->prev_same;
	xa_unlock(&p->handles);
}

/* Put a GPADL into both tables. */
int gpadl_link(struct gpadl *g)
{
	struct vmbus_gpadl_channel *chan = g->chan;
	int ret;

	ret = handle_link(chan->p, g);
	if (ret)
		return ret;
	xa_lock(&chan->gpadls);
	ret = gpadl_store(&chan->gpadls, g);
	xa_unlock(&chan->gpadls);
	if (ret)
		handle_unlink(chan->p, g);
	return ret;
}

/* Take a GPADL out of both tables; called with the lock of its channel's table held. */
void gpadl_unlink(struct gpadl *g)
{
	__xa_erase(&g->chan->gpadls, g->handle);
	handle_unlink(g->chan->p, g);
}
