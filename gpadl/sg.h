/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The scatterlist of a mapping.
 */
#ifndef _GPADL_SG_H
#define _GPADL_SG_H

struct gpadl_pin_plan;
struct gpadl_pfn_list;
struct page;
struct vmbus_mapping;

int gpadl_sg_make(struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
		  const struct gpadl_pin_plan *pins, struct page **pages,
		  unsigned int max_segment);
int gpadl_sg_make_short(struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
			struct page **pages, unsigned int max_segment);
void gpadl_sg_free(struct vmbus_mapping *m);

#endif /* _GPADL_SG_H */
