/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Look again at pages of resident regions that may have changed.
 */
#ifndef _GPADL_RELOOK_H
#define _GPADL_RELOOK_H

#include <linux/types.h>

struct gpadl_mem;
struct gpadl_region;
struct gpadl_region_table;
struct gpadl_pfn_list;

void gpadl_relook_failures(struct gpadl_region *region);
int gpadl_relook(struct gpadl_mem *mem, const struct gpadl_pfn_list *pfns,
		 const struct gpadl_region_table *table);
int gpadl_relook_region(struct gpadl_mem *mem, struct gpadl_region *region);

#endif /* _GPADL_RELOOK_H */
