// SPDX-License-Identifier: GPL-2.0
/*
 * Where GPADLs stand: each in its channel's table by handle, and in its partition's, so that
 * a message that names a handle finds it whatever channel it is on.
 */
#include <linux/errno.h>
#include <linux/list.h>
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
 * GPADLs of one handle on several channels are a ring, whose first one stands in the
 * partition's xarray. A guest can have one on each of its 2047 channels, so nothing walks
 * it: the newest is the first, and one whose teardown begins becomes the last. Hence only
 * the first can be ASSEMBLING, because no GPADL of a handle is made while another one is;
 * and if any is being torn down, the last is.
 */

/* Called with the lock of the table held: allocates nothing, as the handle is there. */
static void handle_set_first(struct vmbus_partition *p, u32 handle, struct gpadl *g)
{
	/* NULL erases it. */
	__xa_store(&p->handles, handle, g, GFP_NOWAIT);
}

static int handle_link(struct vmbus_partition *p, struct gpadl *g)
{
	struct gpadl *first;
	int ret = 0;

	xa_lock(&p->handles);
	first = xa_load(&p->handles, g->handle);
	if (first) {
		list_add_tail(&g->same, &first->same);
		handle_set_first(p, g->handle, g);
	} else {
		ret = gpadl_store(&p->handles, g);
	}
	xa_unlock(&p->handles);
	return ret;
}

static void handle_unlink(struct vmbus_partition *p, struct gpadl *g)
{
	bool alone;

	/* Inside the lock of a channel's table, which is of the same class. */
	xa_lock_nested(&p->handles, SINGLE_DEPTH_NESTING);
	alone = list_empty(&g->same);
	if (xa_load(&p->handles, g->handle) == g)
		handle_set_first(p, g->handle, alone ? NULL : list_next_entry(g, same));
	list_del_init(&g->same);
	xa_unlock(&p->handles);
}

/* The teardown of a busy GPADL begins: its handle is not free until it has ended. */
void gpadl_move_last(struct gpadl *g)
{
	struct vmbus_partition *p = g->chan->p;
	struct gpadl *first;

	xa_lock(&p->handles);
	first = xa_load(&p->handles, g->handle);
	/* In a ring, the first is the last if the next one is the first. */
	if (first == g)
		handle_set_first(p, g->handle, list_next_entry(g, same));
	else
		list_move_tail(&g->same, &first->same);
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
