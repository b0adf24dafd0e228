// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's "edu" device: it reads memory into a buffer of its own and writes that buffer to
 * memory. What it copies from one mapping to another has been read and written by a
 * device, at the addresses of DMA entries: by way of the IOMMU, where the machine has one.
 *
 * See docs/specs/edu.rst in QEMU. The device addresses 28 bits, and takes 100 ms for each
 * transfer, however short.
 */
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>

#include "edu.h"

#define EDU_VENDOR		0x1234
#define EDU_DEVICE		0x11e8
#define EDU_DMA_BITS		28

#define EDU_REG_FROM		0x80
#define EDU_REG_TO		0x88
#define EDU_REG_COUNT		0x90
#define EDU_REG_COMMAND		0x98
#define EDU_COMMAND_RUN		BIT(0)
#define EDU_COMMAND_TO_MEMORY	BIT(1)

/*
 * Its buffer, as the device itself addresses it: 4096 bytes, but QEMU 7.2 ends itself when a
 * transfer reaches the last one.
 */
#define EDU_BUFFER		0x40000
#define EDU_TRANSFER_MAX	4095

#define EDU_POLL_US		1000
#define EDU_TIMEOUT_US		(10 * USEC_PER_SEC)

static struct {
	struct device *dev;	/* NULL: there is none */
	void __iomem *regs;
} edu;

static int edu_transfer(u64 from, u64 to, size_t len, u32 command)
{
	u32 value;

	lo_hi_writeq(from, edu.regs + EDU_REG_FROM);
	lo_hi_writeq(to, edu.regs + EDU_REG_TO);
	writel(len, edu.regs + EDU_REG_COUNT);
	writel(command | EDU_COMMAND_RUN, edu.regs + EDU_REG_COMMAND);
	return readl_poll_timeout(edu.regs + EDU_REG_COMMAND, value,
				  !(value & EDU_COMMAND_RUN), EDU_POLL_US, EDU_TIMEOUT_US);
}

static int edu_copy_bytes(dma_addr_t to, dma_addr_t from, size_t len)
{
	int ret;

	ret = edu_transfer(from, EDU_BUFFER, len, 0);
	if (ret)
		return ret;
	return edu_transfer(EDU_BUFFER, to, len, EDU_COMMAND_TO_MEMORY);
}

/* The DMA address of the byte at @offset; its entry has @left bytes from there on. */
static int edu_find(struct sg_table *sgt, size_t offset, dma_addr_t *addr, size_t *left)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (offset < sg_dma_len(sg)) {
			*addr = sg_dma_address(sg) + offset;
			*left = sg_dma_len(sg) - offset;
			return 0;
		}
		offset -= sg_dma_len(sg);
	}
	return -EINVAL;
}

/* Bytes @offset to @offset + @len of one list that is mapped for the device to another. */
int edu_copy(struct sg_table *to, struct sg_table *from, size_t offset, size_t len)
{
	dma_addr_t to_addr, from_addr;
	size_t to_left, from_left, n;
	int ret;

	for (; len; offset += n, len -= n) {
		ret = edu_find(to, offset, &to_addr, &to_left) ?:
		      edu_find(from, offset, &from_addr, &from_left);
		if (ret)
			return ret;
		n = min3(to_left, from_left, min_t(size_t, len, EDU_TRANSFER_MAX));
		ret = edu_copy_bytes(to_addr, from_addr, n);
		if (ret)
			return ret;
	}
	return 0;
}

int edu_map(struct sg_table *sgt, enum dma_data_direction dir, unsigned int max_segment)
{
	if (!edu.dev)
		return -ENODEV;
	dma_set_max_seg_size(edu.dev, max_segment);
	return dma_map_sgtable(edu.dev, sgt, dir, 0);
}

void edu_unmap(struct sg_table *sgt, enum dma_data_direction dir)
{
	dma_unmap_sgtable(edu.dev, sgt, dir, 0);
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	if (edu.dev)
		return -EBUSY;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	edu.regs = pcim_iomap(pdev, 0, 0);
	if (!edu.regs)
		return -ENOMEM;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(EDU_DMA_BITS));
	if (ret)
		return ret;
	pci_set_master(pdev);
	edu.dev = &pdev->dev;
	return 0;
}

static void edu_remove(struct pci_dev *pdev)
{
	pci_clear_master(pdev);
	edu.dev = NULL;
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ }
};

/* Not to be unbound by hand: what is mapped for the device would be forgotten. */
static struct pci_driver edu_driver = {
	.name = "vmbus_gpadl_test",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
	.driver.suppress_bind_attrs = true,
};

int edu_register(void)
{
	return pci_register_driver(&edu_driver);
}

void edu_unregister(void)
{
	pci_unregister_driver(&edu_driver);
}
