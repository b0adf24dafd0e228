/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Host side of VMBus GPADL mapping: what backends and channel layers include.
 *
 * A guest describes a buffer to its host by a GPADL, a Guest Physical Address
 * Descriptor List, and names it by a number, its handle. A backend maps that number
 * to a scatterlist of pinned guest pages, works on it, and unmaps it.
 *
 * The functions stand in two groups. A backend gets a channel from its channel
 * layer and calls vmbus_gpadl_map() and the other functions of the first group. A
 * channel layer (what connects this to a VMM, or to a hypervisor) makes partitions
 * and channels, passes on the guest's messages and collects the replies.
 *
 * All symbols are in the namespace VMBUS_GPADL:
 *
 *	MODULE_IMPORT_NS(VMBUS_GPADL_NS);
 */
#ifndef _VMBUS_GPADL_MAP_H
#define _VMBUS_GPADL_MAP_H

#include <linux/bits.h>
#include <linux/dma-direction.h>
#include <linux/scatterlist.h>
#include <linux/types.h>
#include <linux/vmbus_namespace.h>
#include <linux/vmbus_work.h>

struct vmbus_gpadl_channel;
struct vmbus_partition;
struct module;
struct seq_file;

/*
 * ---- For backends ----
 */

/**
 * define VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY - map for reading only
 *
 * Live migration and snapshots need not treat the pages as changed. Writing to them
 * is a bug of the backend: a page may be page cache of a file that the VMM has
 * opened for reading only.
 */
#define VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY	BIT(0)

/*
 * A mapping is what a map returns and an unmap takes: an object of its own, which no
 * handle stands for. A handle that is torn down and made anew names another GPADL; the
 * mapping of the first stays what it is until it is unmapped.
 */
struct vmbus_mapping;

int vmbus_gpadl_map(struct vmbus_gpadl_channel *chan, u32 flags, u32 handle,
		    struct vmbus_mapping **map);
void vmbus_gpadl_unmap(struct vmbus_mapping *map);

void vmbus_mapping_arm(struct vmbus_mapping *map, void *priv);
void *vmbus_mapping_priv(const struct vmbus_mapping *map);

struct vmbus_mapping *vmbus_mapping_find(struct vmbus_gpadl_channel *chan, u32 handle);
void vmbus_gpadl_unmap_all(struct vmbus_gpadl_channel *chan);

struct sg_table *vmbus_mapping_sgt(struct vmbus_mapping *map);
enum dma_data_direction vmbus_mapping_dma_dir(const struct vmbus_mapping *map);
void *vmbus_mapping_vmap(struct vmbus_mapping *map);
void vmbus_mapping_vunmap(struct vmbus_mapping *map);

int vmbus_gpadl_set_max_segment(struct vmbus_gpadl_channel *chan, unsigned int bytes);

/*
 * GPA-direct: the pages that a packet names (VMBUS_PACKET_GPA_DIRECT), for the time of one
 * request. The packet's header is u32 reserved, u32 range_cnt, and the ranges: what follows,
 * in the format of a GPADL's: u32 byte_count, u32 byte_offset, u64 pfn[].
 *
 *	open()		vmbus_gpa_pool_create()
 *	a packet	copy its header out of the ring, vmbus_gpa_map()
 *	-EAGAIN		leave the packet in the ring until a request has been unmapped; if
 *			that also carries answers (a network card's), copy it, and read on
 *	completion	vmbus_gpa_unmap(), from any context, then send the completion
 *	close()		vmbus_endpoint_drain(), vmbus_gpa_pool_destroy()
 *
 * Such a mapping has no handle, is not armed, and nobody asks for it back: the backend ends
 * it as soon as it can, and keeps it waiting for its device only, never for the guest. What
 * is to be kept for as long as the guest likes is a GPADL.
 */

/** define VMBUS_GPA_MAX_RANGES - ranges that a request has at most */
#define VMBUS_GPA_MAX_RANGES	32

int vmbus_gpa_pool_create(struct vmbus_gpadl_channel *chan, unsigned int nr_requests,
			  size_t max_bytes);
void vmbus_gpa_pool_destroy(struct vmbus_gpadl_channel *chan);

int vmbus_gpa_map(struct vmbus_gpadl_channel *chan, u32 flags, const void *ranges,
		  size_t len, unsigned int nr_ranges, struct vmbus_mapping **map);
int vmbus_gpa_map_nowait(struct vmbus_gpadl_channel *chan, u32 flags, const void *ranges,
			 size_t len, unsigned int nr_ranges, struct vmbus_mapping **map);
void vmbus_gpa_unmap(struct vmbus_mapping *map);

/* A part of what is mapped: packets can name bytes of a GPADL, and not pages. */
int vmbus_mapping_view(const struct vmbus_mapping *map, u64 offset, u32 len,
		       struct scatterlist *sgl, unsigned int max);

/*
 * ---- For channel layers ----
 */

/** define VMBUS_GPADL_MSG_MAX - longest VMBus message in bytes (HV_MESSAGE payload) */
#define VMBUS_GPADL_MSG_MAX	240

/** define VMBUS_GPADL_MAX_REPLY - longest reply that the queue takes, in bytes */
#define VMBUS_GPADL_MAX_REPLY	24

/**
 * define VMBUS_GPADL_RECEIVE_READ_ONLY - the GPADL_HEADER's buffer was created without
 * write access for the host
 */
#define VMBUS_GPADL_RECEIVE_READ_ONLY	BIT(0)

/** define VMBUS_GPA_REGION_READ_ONLY - the host may not write to the region */
#define VMBUS_GPA_REGION_READ_ONLY	BIT(0)

/**
 * define VMBUS_GPA_REGION_RESIDENT - pin the region's memory now, and until the region is
 * replaced or removed or the partition ends; a map of it pins and charges nothing
 */
#define VMBUS_GPA_REGION_RESIDENT	BIT(1)

/**
 * define VMBUS_GPA_REGIONS_RETIRE - change regions although pages of them are mapped
 *
 * For vmbus_partition_set_regions(). No new map finds what is not there any more; what is
 * mapped of it stays as it is until it is unmapped, and the backend is asked for it. A map that is
 * under way looks for its pages anew.
 */
#define VMBUS_GPA_REGIONS_RETIRE	BIT(0)

/** define VMBUS_GPA_REGION_SLOTS - a region's slot is a number below this */
#define VMBUS_GPA_REGION_SLOTS		512

/**
 * struct vmbus_gpa_region - a change of one region of guest memory
 * @slot: number of the region, chosen by the caller; each once in a call at most
 * @flags: VMBUS_GPA_REGION_*
 * @gpa: guest physical address of the first byte
 * @bytes: length in bytes; 0 removes the slot
 * @hva: address of the first byte in the address space that the partition is bound to
 *
 * @gpa, @bytes and @hva are multiples of PAGE_SIZE.
 */
struct vmbus_gpa_region {
	u32 slot;
	u32 flags;
	u64 gpa;
	u64 bytes;
	u64 hva;
};

/**
 * struct vmbus_partition_ops - what a partition asks of its channel layer
 * @owner: THIS_MODULE; it cannot be unloaded before the partition is gone
 * @wake: A reply is waiting, room for one has become free, or the partition is dead
 *	(see vmbus_partition_poll()); or what was revoked is not mapped any more.
 *	Called under spinlocks: it may wake a thread, but neither sleep nor call back.
 * @release: The partition is gone; nothing calls into the channel layer for it any
 *	more. Called from a work item, the last of all. Optional.
 */
struct vmbus_partition_ops {
	struct module *owner;
	void (*wake)(void *priv);
	void (*release)(void *priv);
};

/**
 * struct vmbus_gpadl_channel_ops - what a channel asks of its channel layer
 * @revoke: The mapping is revoked: make the backend unmap it soon. Called in the
 *	channel's order (see vmbus_gpadl_channel_queue_work()), once per mapping at
 *	most, and never before vmbus_mapping_arm(). @map is there until this returns;
 *	another thread may unmap it meanwhile (vmbus_mapping_priv() is NULL then).
 *	vmbus_gpadl_unmap() may be called from it.
 * @release: The channel is gone: no GPADL of it is left, and none of its work is
 *	queued or running. Called from a work item. Optional.
 */
struct vmbus_gpadl_channel_ops {
	void (*revoke)(struct vmbus_gpadl_channel *chan, struct vmbus_mapping *map);
	void (*release)(void *priv);
};

struct vmbus_partition *vmbus_partition_create(const struct vmbus_partition_ops *ops,
					       void *priv);
void vmbus_partition_put(struct vmbus_partition *p);
int vmbus_partition_set_regions(struct vmbus_partition *p,
				const struct vmbus_gpa_region *changes,
				unsigned int nr, u32 flags);
int vmbus_partition_receive(struct vmbus_partition *p, const void *msg, size_t len,
			    u32 flags);
int vmbus_partition_next_reply(struct vmbus_partition *p, void *buf, size_t len);

/**
 * struct vmbus_partition_reply - a reply that waits, as vmbus_partition_peek_reply() saw it
 * @id: which one it is
 * @len: bytes of @msg in use
 * @msg: a copy of the message
 */
struct vmbus_partition_reply {
	u64 id;
	u32 len;
	u8 msg[VMBUS_GPADL_MAX_REPLY];
};

/*
 * The same in two steps, for a channel layer that may fail to deliver it: the reply is in
 * the queue until it is taken, and goes with its channel.
 */
int vmbus_partition_peek_reply(struct vmbus_partition *p,
			       struct vmbus_partition_reply *reply);
void vmbus_partition_take_reply(struct vmbus_partition *p, u64 id);
void vmbus_partition_reset_start(struct vmbus_partition *p);
bool vmbus_partition_is_resetting(const struct vmbus_partition *p);
int vmbus_partition_reset(struct vmbus_partition *p);

/**
 * enum vmbus_partition_events - what vmbus_partition_poll() tells
 * @VMBUS_PARTITION_READABLE: a reply is waiting
 * @VMBUS_PARTITION_WRITABLE: vmbus_partition_receive() would not return -EAGAIN
 */
enum vmbus_partition_events {
	VMBUS_PARTITION_READABLE = BIT(0),
	VMBUS_PARTITION_WRITABLE = BIT(1),
};

unsigned int vmbus_partition_poll(struct vmbus_partition *p);

/*
 * Replies of the channel layer's own (OPENCHANNEL_RESULT) go through the same queue:
 * reserve before looking at the message, then queue or cancel exactly once.
 */
struct gpadl_reply;
struct gpadl_reply *vmbus_partition_reserve_reply(struct vmbus_partition *p);
void vmbus_partition_queue_reply(struct vmbus_gpadl_channel *chan, struct gpadl_reply *r,
				 const void *msg, size_t len);
void vmbus_partition_cancel_reply(struct vmbus_partition *p, struct gpadl_reply *r);

/* A mapping that the channel layer keeps for itself, on a channel of a backend's. */
void vmbus_mapping_arm_own(struct vmbus_mapping *map, void *priv);

/* A page of the VMM that the channel layer writes to itself (event flags). */
int vmbus_partition_pin_page(struct vmbus_partition *p, unsigned long hva,
			     struct page **page);
void vmbus_partition_unpin_page(struct vmbus_partition *p, struct page *page);

/* true if current->mm is the address space that the partition is bound to */
bool vmbus_partition_is_current(const struct vmbus_partition *p);

/* For a channel layer's show_fdinfo(): what there is, and what is waited for. */
int vmbus_partition_id(const struct vmbus_partition *p);
void vmbus_partition_show(struct vmbus_partition *p, struct seq_file *m);
void vmbus_gpadl_channel_show(struct vmbus_gpadl_channel *chan, struct seq_file *m);
void vmbus_gpadl_channel_show_revoked(struct vmbus_gpadl_channel *chan, const char *backend,
				      struct seq_file *m);

struct vmbus_gpadl_channel *
vmbus_gpadl_channel_create(struct vmbus_partition *p, u32 relid,
			   const struct vmbus_gpadl_channel_ops *ops, void *priv);
void *vmbus_gpadl_channel_priv(const struct vmbus_gpadl_channel *chan);
bool vmbus_gpadl_channel_is_orphaned(const struct vmbus_gpadl_channel *chan);
bool vmbus_gpadl_channel_queue_work(struct vmbus_gpadl_channel *chan,
				    struct vmbus_gpadl_work *work);
bool vmbus_gpadl_channel_is_busy(const struct vmbus_gpadl_channel *chan);
bool vmbus_gpadl_channel_owes(struct vmbus_gpadl_channel *chan);
void vmbus_gpadl_channel_rescind_start(struct vmbus_gpadl_channel *chan);
int vmbus_gpadl_channel_rescind(struct vmbus_gpadl_channel *chan);
void vmbus_gpadl_channel_relid_released(struct vmbus_gpadl_channel *chan);
void vmbus_gpadl_channel_unlink(struct vmbus_gpadl_channel *chan);
void vmbus_gpadl_channel_put(struct vmbus_gpadl_channel *chan);

#endif /* _VMBUS_GPADL_MAP_H */
