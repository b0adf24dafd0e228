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

/**
 * gpadl_table_get() - Find a GPADL by its handle, and hold it
 * @chan: the channel
 * @handle: the handle
 *
 * Takes no lock that another GPADL's map takes; what is shared is the read side of the xarray.
 *
 * Context: any that may put it, see gpadl_put().
 * Return: the GPADL, to be put, in whatever state; NULL if there is none.
 */
struct gpadl *gpadl_table_get(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct gpadl *g;

	guard(rcu)();
	g = xa_load(&chan->gpadls, handle);
	return g && refcount_inc_not_zero(&g->ref) ? g : NULL;
}

/**
 * gpadl_table_next() - Walk over the GPADLs of a channel
 * @chan: the channel
 * @handle: 0 at first; where to go on
 *
 * Context: process.
 * Return: a GPADL, to be put, of the smallest handle that is not below *@handle, which
 * is then set to one above; NULL if there is none.
 */
struct gpadl *gpadl_table_next(struct vmbus_gpadl_channel *chan, unsigned long *handle)
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
VISIBLE_IF_KUNIT int gpadl_table_store(struct xarray *xa, struct gpadl *g)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_table_store, xa, g);
	return xa_err(__xa_store(xa, g->handle, g, GFP_KERNEL_ACCOUNT));
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_table_store);

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
		ret = gpadl_table_store(&p->handles, g);
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

/**
 * gpadl_table_move_last() - The teardown of a busy GPADL begins
 * @g: the GPADL, which stands in the tables: its handle is not free until that has ended
 *
 * Context: process; rx_mutex and its lock are held. Takes the lock of the partition's table.
 */
void gpadl_table_move_last(struct gpadl *g)
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

/**
 * gpadl_table_insert() - Put a GPADL into both tables
 * @g: the GPADL, ASSEMBLING; from now on it is found
 *
 * The tables' reference is the one that it was made with.
 *
 * Context: process, may sleep; rx_mutex is held.
 * Return: 0; -ENOMEM, and it is in neither.
 */
int gpadl_table_insert(struct gpadl *g)
{
	struct vmbus_gpadl_channel *chan = g->chan;
	int ret;

	ret = handle_link(chan->p, g);
	if (ret)
		return ret;
	xa_lock(&chan->gpadls);
	ret = gpadl_table_store(&chan->gpadls, g);
	xa_unlock(&chan->gpadls);
	if (ret)
		handle_unlink(chan->p, g);
	return ret;
}

/**
 * gpadl_table_remove() - Take a GPADL out of both tables
 * @g: the GPADL, DEAD; the tables' reference is the caller's now
 *
 * Context: its lock and that of its channel's table are held. Takes that of the partition's.
 */
void gpadl_table_remove(struct gpadl *g)
{
	__xa_erase(&g->chan->gpadls, g->handle);
	handle_unlink(g->chan->p, g);
}

/*
 * Called with the locks of both tables held: an unmap may be taking a GPADL out. What stands in a
 * table has the tables' reference. Nobody but us begins a teardown (rx_mutex). Of all that have
 * the handle, only the first can be ASSEMBLING, and the last is being torn down if any is: see
 * handle_link().
 */
static void handle_look(struct vmbus_partition *p, u32 handle, struct gpadl_handle_look *look)
{
	struct gpadl *first = xa_load(&p->handles, handle);

	if (look->here)
		refcount_inc(&look->here->ref);
	if (!first)
		return;
	look->elsewhere = first != look->here || !list_empty(&first->same);
	look->tearing_down = READ_ONCE(list_prev_entry(first, same)->tearing_down);
	/* A backend may be busy with it; but this state comes and goes under rx_mutex. */
	if (data_race(first->state) != GPADL_ASSEMBLING)
		return;
	refcount_inc(&first->ref);
	look->assembling = first;
}

/**
 * gpadl_table_look() - What is known of a handle in the whole partition
 * @chan: the channel in question
 * @handle: the handle
 *
 * Context: process; rx_mutex is held.
 * Return: that, for gpadl_table_look_end().
 */
struct gpadl_handle_look gpadl_table_look(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct vmbus_partition *p = chan->p;
	struct gpadl_handle_look look = {};

	lockdep_assert_held(&p->rx_mutex);
	/* Both at once: one that dies leaves both tables under both locks. */
	xa_lock(&chan->gpadls);
	xa_lock_nested(&p->handles, SINGLE_DEPTH_NESTING);
	look.here = xa_load(&chan->gpadls, handle);
	handle_look(p, handle, &look);
	xa_unlock(&p->handles);
	xa_unlock(&chan->gpadls);
	return look;
}

/**
 * gpadl_table_look_end() - Put what gpadl_table_look() has found
 * @look: that
 *
 * Context: process; rx_mutex is held.
 */
void gpadl_table_look_end(struct gpadl_handle_look *look)
{
	if (look->here)
		gpadl_put(look->here);
	if (look->assembling)
		gpadl_put(look->assembling);
}

/**
 * gpadl_table_get_assembling() - Find the GPADL that a BODY continues: it does not say on which
 *	channel
 * @p: the partition
 * @handle: the handle
 *
 * Context: process; rx_mutex is held.
 * Return: the GPADL, to be put; NULL if there is none.
 */
struct gpadl *gpadl_table_get_assembling(struct vmbus_partition *p, u32 handle)
{
	struct gpadl_handle_look look = {};

	lockdep_assert_held(&p->rx_mutex);
	xa_lock(&p->handles);
	handle_look(p, handle, &look);
	xa_unlock(&p->handles);
	return look.assembling;
}
