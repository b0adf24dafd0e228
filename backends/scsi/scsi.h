/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A synthetic SCSI controller in front of the kernel's SCSI target.
 *
 *	struct vscsi_tpg	a portal group, from mkdir to rmdir of its directory; fabric.c
 *	struct vscsi_device	a controller, probe() .. remove(): it has one portal group, and
 *				a session of the target's with it; main.c, device.c
 *	struct vscsi_channel	open() .. close(): a ring, and the requests under way on it;
 *				channel.c
 *	struct vscsi_request	a packet, from kick() until its answer is sent; answer.c, request.c
 *	struct vscsi_tmr	a logical unit that is being reset; tmr.c
 *
 * The way of a request:
 *
 *	kick()			the packet is copied out of the ring, and only then looked at
 *	vscsi_execute()		the guest's pages are mapped
 *	vscsi_submit_ready()	when those behind it in the ring are mapped too:
 *	target core		target_init_cmd(), target_submit_prep(), target_submit()
 *	execute_cmd()		the backstore's or the target core's own; before it one of ours, if
 *				there is something that they take for granted: guard.c, reserve.c
 *	write_pending()		data that is to be copied comes from the guest's pages
 *	queue_data_in()		... or goes there
 *	release_cmd()		the pages are unmapped, the answer is made and sent
 *
 * A request holds the endpoint, and so its channel and its device, from before it is taken
 * out of the ring until after its answer is sent. close() waits for all of them.
 *
 * Locks: tpgs_lock and tpg.lock are never held together; tpg.lock > device.lock >
 * channel.lock. The last two are spinlocks of process context.
 */
#ifndef _VMBUS_SCSI_SCSI_H
#define _VMBUS_SCSI_SCSI_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/vmbus_backend.h>
#include <linux/vmbus_host_scsi.h>
#include <linux/workqueue.h>
#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#include "vstor.h"

/* Requests on a channel, those whose answer finds no room included */
#define VSCSI_MAX_REQUESTS	512u
/*
 * Logical units that a device resets at a time. Each keeps an item of the kernel's shared work
 * queue, of which a processor runs some hundred, for as long as the backstore takes.
 */
#define VSCSI_MAX_TMRS		8
/* The most data that a command has copied which is not so long as its blocks */
#define VSCSI_COPY_BYTES	(256u << 10)
/*
 * Pages with copies of a channel's data at a time, in bytes, unless one request of a logical unit
 * has more; where pages are large, 16 of them
 */
#define VSCSI_COPY_PAGES	max_t(u32, VSCSI_COPY_BYTES, 16 * PAGE_SIZE)

struct vscsi_device;

/**
 * struct vscsi_lun - a logical unit, as guests name them
 * @linked: the target core's; NULL if there is none. Read without tpg.lock
 * @going: the target core's, while it is being unlinked
 * @backstore: of either
 * @block_size: in bytes; 0 if it takes no scatterlist but the target core's own. Read without
 *	tpg.lock
 * @resetting: a reset of ours is in the target core. Set under tpg.lock
 */
struct vscsi_lun {
	struct se_lun *linked;
	struct se_lun *going;
	struct se_device *backstore;
	u32 block_size;
	bool resetting;
};

/**
 * struct vscsi_tpg - a portal group
 * @se_tpg: the target core's
 * @node: in the list of all
 * @wwpn: name of the target that it belongs to
 * @tag: its number
 * @lock: protects what follows
 * @initiator: name of the nexus; empty if there is none
 * @dev: the device that has it; NULL if none does
 * @taker: the task that makes the session of @dev, holding @lock. Read without @lock
 * @nr_links: links to backstores, of any number, that are neither being made nor removed
 * @luns: logical units that are there. Read without @lock
 * @nr_luns: how many. Read without @lock
 * @lun: each of them
 * @reservations: guests may reserve logical units. Without @lock
 */
struct vscsi_tpg {
	struct se_portal_group se_tpg;
	struct list_head node;
	const char *wwpn;
	u16 tag;
	struct mutex lock;
	char initiator[TRANSPORT_IQN_LEN];
	struct vscsi_device *dev;
	struct task_struct *taker;
	unsigned int nr_links;
	struct vstor_luns luns;
	unsigned int nr_luns;
	struct vscsi_lun lun[VSTOR_LUNS];
	bool reservations;
};

/**
 * struct vscsi_device - a controller
 * @dev: the device
 * @tpg: its portal group
 * @sess: the target's session
 * @vstor: the protocol; the primary channel changes it
 * @started: the guest has sent a request block since it initialised the controller
 * @rescan: the guest is to be told to look for logical units
 * @unplugging: the VMM wants to take it away: the guest is to find no logical unit
 * @unplugged: it is rescinded for that reason
 * @heard: when the guest has sent its last request block, if @unplugging; in jiffies
 * @pause: the longest from one to the next since then, in jiffies
 * @unplug_work: looks whether the guest has let go, if @unplugging
 * @nr_tmrs: logical units that are being reset
 * @lock: protects @channels
 * @channels: those that are open, or closing with requests under way; the primary channel is
 *	the first
 */
struct vscsi_device {
	struct vmbus_device *dev;
	struct vscsi_tpg *tpg;
	struct se_session *sess;
	struct vstor vstor;
	bool started;
	bool rescan;
	bool unplugging;
	bool unplugged;
	unsigned long heard;
	long pause;
	struct delayed_work unplug_work;
	atomic_t nr_tmrs;
	spinlock_t lock;
	struct list_head channels;
};

/**
 * struct vscsi_use - what a logical unit has of a channel
 * @commands: that are under way
 * @copy_bytes: pages with copies of their data, in bytes
 */
struct vscsi_use {
	u32 commands;
	u32 copy_bytes;
};

/**
 * struct vscsi_channel - an open channel
 * @ep: its endpoint
 * @dev: its device
 * @node: in device.channels
 * @pool: requests of its own, as many as there can be commands
 * @free: those that are free; for the work of the channel alone
 * @freed: those that have become free since, in any context
 * @header_max: room of @header
 * @header: copy of the type header of the packet that is being received, and of its payload
 * @packet: that payload, in @header, zeroes behind it
 * @ready: requests whose pages are mapped, the oldest first; they go to the target when kick()
 *	has read what there is. For the work of the channel alone, in kick()
 * @ready_end: where the next is added to that
 * @nr_ready: how many
 * @nr_taken: requests that there ever were; for the work of the channel alone
 * @lock: protects what follows
 * @nr_gone: requests that are gone. Read without @lock
 * @copy_bytes: pages with copies of their data, in bytes
 * @max_commands: commands that can be under way at the target at a time
 * @nr_commands: those that are, beyond it or not. Read without @lock
 * @max_spare: as many more can be, of those that cannot be told "later"
 * @nr_spare: those of them that are
 * @commands: these
 * @use: what each logical unit has of them; an entry for any number that a packet can name
 * @stalled: receiving goes on when a request is gone
 */
struct vscsi_channel {
	struct vmbus_endpoint *ep;
	struct vscsi_device *dev;
	struct list_head node;
	struct vscsi_request *pool;
	struct llist_node *free;
	struct llist_head freed;
	size_t header_max;
	void *header;
	struct vstor_packet *packet;
	struct llist_node *ready;
	struct llist_node **ready_end;
	unsigned int nr_ready;
	unsigned int nr_taken;
	spinlock_t lock;
	unsigned int nr_gone;
	u32 copy_bytes;
	unsigned int max_commands;
	unsigned int nr_commands;
	unsigned int max_spare;
	unsigned int nr_spare;
	struct hlist_head commands;
	struct vscsi_use use[U8_MAX + 1];
	bool stalled;
};

/**
 * struct vscsi_request - a packet of the guest's that wants an answer
 * @answer: what the endpoint sends, once it is done
 * @free: in channel.free or channel.freed, while it is none; or in channel.ready
 * @pooled: it is the channel's own
 * @chan: the channel that it came on, of which it holds the endpoint
 * @desc: description of the packet
 * @packet: payload of the answer
 * @command: what the packet says, if it is a request block
 * @map: the guest's pages; NULL if there are none
 * @copied: the target works on other pages, which are copied from or to those of @map
 * @bounce: these, if they are data of blocks; else, and if NULL, the target core's own
 * @bounce_nents: entries of that
 * @copy_bytes: what the request has of channel.copy_bytes
 * @admitted: it is in channel.commands
 * @spare: it is one of channel.nr_spare
 * @command_node: where it is in that
 * @since: since when, in jiffies; of a reset, when it began
 * @ended: nobody works on it any more. Its answer is queued in the same RCU read side
 * @aborted: a reset has ended it
 * @absent: its logical unit went while it was being submitted
 * @nr_tmrs: logical units that it waits for, if it is a reset; and one while they are begun
 * @next_lun: the next logical unit that it resets. Protected by channel.lock
 * @end_lun: the first that it does not
 * @again: it is given to the target again if it ends with a unit attention, or is aborted by
 *	another guest's reset
 * @attentions: how often that has happened
 * @execute: what the target core does, if @cmd does something before
 * @callback: what it has to do at the end, of a COMPARE AND WRITE that has not begun
 * @reservation_work: calls @execute, if that is about reservations
 * @cmd: the target core's
 * @sense: sense data
 */
struct vscsi_request {
	struct vmbus_completion answer;
	struct llist_node free;
	bool pooled;
	struct vscsi_channel *chan;
	struct vmbus_packet desc;
	struct vstor_packet packet;
	struct vstor_command command;
	struct vmbus_mapping *map;
	struct scatterlist *bounce;
	unsigned int bounce_nents;
	bool copied;
	bool ended;
	bool aborted;
	bool absent;
	bool again;
	bool admitted;
	bool spare;
	u32 copy_bytes;
	struct hlist_node command_node;
	unsigned long since;
	atomic_t nr_tmrs;
	u16 next_lun;
	u16 end_lun;
	u8 attentions;
	sense_reason_t (*execute)(struct se_cmd *cmd);
	sense_reason_t (*callback)(struct se_cmd *cmd, bool success, int *post_ret);
	struct work_struct reservation_work;
	struct se_cmd cmd;
	u8 sense[TRANSPORT_SENSE_BUFFER];
};

static inline struct vscsi_request *vscsi_to_request(struct se_cmd *cmd)
{
	return container_of(cmd, struct vscsi_request, cmd);
}

/* fabric.c */
int vscsi_fabric_register(void);
void vscsi_fabric_unregister(void);
int vscsi_tpg_bind(struct vscsi_device *dev, const char *wwpn, u16 tag);
void vscsi_tpg_unbind(struct vscsi_device *dev);

/* device.c */
extern struct workqueue_struct *vscsi_wq;
void vscsi_device_ready(struct vscsi_device *dev);
void vscsi_device_started(struct vscsi_device *dev);
void vscsi_device_luns_changed(struct vscsi_device *dev);
bool vscsi_luns_share(const struct vscsi_device *dev);
const struct vstor_luns *vscsi_device_luns(const struct vscsi_device *dev);
void vscsi_device_add_channel(struct vscsi_device *dev, struct vscsi_channel *chan);
void vscsi_device_del_channel(struct vscsi_device *dev, struct vscsi_channel *chan);

/* unplug.c */
void vscsi_unplug_init(struct vscsi_device *dev);
void vscsi_unplug(struct vmbus_endpoint *ep);
void vscsi_unplug_close(struct vscsi_device *dev);

/* channel.c */
int vscsi_channel_open(struct vmbus_endpoint *ep);
void vscsi_channel_close(struct vmbus_endpoint *ep);
void vscsi_channel_kick(struct vmbus_endpoint *ep);
int vscsi_channel_show(struct vmbus_endpoint *ep, char *buf, size_t size);

/* answer.c */
int vscsi_requests_create(struct vscsi_channel *chan, unsigned int nr);
void vscsi_requests_destroy(struct vscsi_channel *chan);
struct vscsi_request *vscsi_request_alloc(struct vscsi_channel *chan);
void vscsi_request_cancel(struct vscsi_request *r);
unsigned int vscsi_channel_requests(const struct vscsi_channel *chan);
bool vscsi_request_admit(struct vscsi_request *r);
bool vscsi_device_has_commands(struct vscsi_device *dev, u8 lun, unsigned long until);
bool vscsi_request_charge(struct vscsi_request *r, u32 bytes);
void vscsi_request_done(struct vscsi_request *r);
void vscsi_request_done_later(struct vscsi_request *r);

/* request.c */
int vscsi_execute(struct vscsi_request *r);
void vscsi_submit_ready(struct vscsi_channel *chan);
int vscsi_write_pending(struct se_cmd *cmd);
int vscsi_queue_data_in(struct se_cmd *cmd);
int vscsi_queue_status(struct se_cmd *cmd);
void vscsi_aborted_task(struct se_cmd *cmd);
void vscsi_request_released(struct se_cmd *cmd);

/* data.c */
int vscsi_map(struct vscsi_request *r, bool nowait);
void vscsi_unmap(struct vscsi_request *r);
int vscsi_bounce(struct vscsi_request *r);
void vscsi_unbounce(struct vscsi_request *r);
bool vscsi_is_aligned(const struct vscsi_request *r, u32 block);
size_t vscsi_copy_to_guest(struct vscsi_request *r, struct scatterlist *sgl,
			   unsigned int nents, size_t len);
bool vscsi_copy_from_guest(struct vscsi_request *r, struct scatterlist *sgl,
			   unsigned int nents, size_t len);

/* guard.c */
sense_reason_t vscsi_guard(struct vscsi_request *r);

/* reserve.c */
int vscsi_reserve_module_init(void);
void vscsi_reserve_module_exit(void);
bool vscsi_is_reservation(const struct se_cmd *cmd);
sense_reason_t vscsi_reservation_prepare(struct vscsi_request *r);
void vscsi_reservations_hold(const struct se_device *backstore);
void vscsi_reservations_release(const struct se_device *backstore);

/* tmr.c */
bool vscsi_backstore_is_unheard(struct se_device *backstore, unsigned int most);
void vscsi_reset(struct vscsi_request *r, bool all, const struct vstor_packet *answer);
void vscsi_queue_tm_rsp(struct se_cmd *cmd);
void vscsi_tmr_released(struct se_cmd *cmd);

#endif /* _VMBUS_SCSI_SCSI_H */
