/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The scatterlist of a mapping.
 */
#ifndef _GPADL_SG_H
#define _GPADL_SG_H

#include <linux/mm.h>

#include "mapping.h"

struct gpadl_pin_ctx;
struct gpadl_pin_plan;

int gpadl_sg_make(struct vmbus_mapping *m, const struct gpadl_pin_plan *plan);
int gpadl_sg_pin(struct vmbus_mapping *m, struct gpadl_pin_ctx *pin);
int gpadl_sg_take_page(struct vmbus_mapping *m);

/**
 * gpadl_sg_free() - Undo gpadl_sg_make() or gpadl_sg_pin()
 * @m: the mapping
 *
 * Context: any but NMI.
 */
static inline void gpadl_sg_free(const struct vmbus_mapping *m)
{
	if (m->sgl != m->room.sgl)
		kvfree(m->sgl);
}

#endif /* _GPADL_SG_H */
