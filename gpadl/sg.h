/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The scatterlist of a mapping.
 */
#ifndef _GPADL_SG_H
#define _GPADL_SG_H

struct gpadl_pin_ctx;
struct gpadl_pin_plan;
struct vmbus_mapping;

int gpadl_sg_make(struct vmbus_mapping *m, const struct gpadl_pin_plan *plan);
int gpadl_sg_pin(struct vmbus_mapping *m, struct gpadl_pin_ctx *pin);
void gpadl_sg_free(struct vmbus_mapping *m);

#endif /* _GPADL_SG_H */
