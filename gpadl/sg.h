/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The scatterlist of a mapping.
 */
#ifndef _GPADL_SG_H
#define _GPADL_SG_H

struct gpadl_mapping;
struct gpadl_pins;
struct gpadl_wire;
struct page;

int gpadl_sg_make(struct gpadl_mapping *m, const struct gpadl_wire *w,
		  const struct gpadl_pins *pins, struct page **pages);
void gpadl_sg_free(struct gpadl_mapping *m);

#endif /* _GPADL_SG_H */
