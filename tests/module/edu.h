/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QEMU's "edu" device, which does DMA for the tests of tests/iommu.
 *
 * The caller serialises all of these. Functions return -ENODEV if the machine has no such
 * device.
 */
#ifndef _EDU_H
#define _EDU_H

#include <linux/dma-direction.h>
#include <linux/types.h>

struct sg_table;

int edu_register(void);
void edu_unregister(void);

int edu_map(struct sg_table *sgt, enum dma_data_direction dir, unsigned int max_segment);
void edu_unmap(struct sg_table *sgt, enum dma_data_direction dir);
int edu_copy(struct sg_table *to, struct sg_table *from, size_t offset, size_t len);

#endif /* _EDU_H */
