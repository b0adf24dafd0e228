/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel backends of VMBus channels: what they include.
 *
 * A backend serves the devices of one interface type (the GUID by which a guest's driver
 * knows its device). It registers a struct vmbus_backend; when a VMM creates a device of
 * that type, its probe() is called. A device has a primary channel, and sub-channels if
 * the backend asks for them; the host's end of each is an endpoint, which the guest opens
 * and closes any number of times.
 *
 *	CHANNEL_CREATE		probe(dev)		in the VMM's ioctl
 *	the guest opens		open(ep)	\
 *	the guest signals	kick(ep)	 |	in the channel's own order, one
 *	a GPADL is wanted back	revoke(ep)	 |	at a time
 *	the guest closes	close(ep)	/
 *	CHANNEL_DESTROY		remove(dev)		after the last close()
 *
 * A sub-channel is open only while its primary is: its open() comes after that of the
 * primary, its close() before. Callbacks of different channels of a device run at the
 * same time. While its sub-channels close, a primary is still open: its kick(), revoke() and
 * unplug() may come. So what sub-channels use of its mappings is used, and unmapped, under a lock
 * of the device. Where a channel is rescinded, released or reset, revoke() may come before close(),
 * or not.
 *
 * The callbacks of a channel run in a thread of its own, which is one of the VMM's (a kernel
 * thread if that was killed): they may sleep, and keep only this channel waiting (close() of
 * a sub-channel its primary's, too). That thread has the VMM's address space, but not its files: a
 * descriptor that a configuration names is looked up in probe(), and only there.
 *
 * From open() on until close() returns, the backend may use the endpoint in threads of its own as
 * well, which close() stops; what else completes later holds it: vmbus_endpoint_tryget().
 *
 *	MODULE_IMPORT_NS(VMBUS_HOST_NS);
 *	MODULE_IMPORT_NS(VMBUS_GPADL_NS);
 */
#ifndef _LINUX_VMBUS_BACKEND_H
#define _LINUX_VMBUS_BACKEND_H

#include <linux/device/driver.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <linux/uuid.h>
#include <linux/vmbus_packet.h>

#include "vmbus_gpadl_map.h"

struct vmbus_device;
struct vmbus_endpoint;

/** define VMBUS_USERDATA_SIZE - bytes that a guest gives along with an open */
#define VMBUS_USERDATA_SIZE	120
/** define VMBUS_OFFER_DATA_SIZE - bytes of an offer that are the device's own */
#define VMBUS_OFFER_DATA_SIZE	120

/* Flags of an offer (VMBUS_CHANNEL_* in hyperv.h) */
#define VMBUS_OFFER_ENUMERATE		0x0001	/* the guest makes a device of it */
#define VMBUS_OFFER_NAMED_PIPE_MODE	0x0010	/* user data begins with a pipe mode */
#define VMBUS_OFFER_TLNPI_PROVIDER	0x2000	/* a socket of hv_sock */

/*
 * All that a device may have. Not among them: 0x0002 and 0x0004, by which a channel says that
 * its rings, or its buffers, lie in memory that the host cannot read.
 */
#define VMBUS_OFFER_FLAGS \
	(VMBUS_OFFER_ENUMERATE | VMBUS_OFFER_NAMED_PIPE_MODE | VMBUS_OFFER_TLNPI_PROVIDER)

/* Pipe modes: packets carry a header that tells their length to the byte. */
#define VMBUS_OFFER_PIPE_BYTES		0
#define VMBUS_OFFER_PIPE_MESSAGES	4

/**
 * struct vmbus_offer - what the guest is told of a device
 * @flags: VMBUS_OFFER_*; the guest is told of no others
 * @mmio_megabytes: address space that the device wants to have
 * @user: the device's own; with VMBUS_OFFER_NAMED_PIPE_MODE, the first four bytes are the
 *	pipe mode, little endian
 *
 * The VMM gets it from CHANNEL_CREATE and puts it into OFFERCHANNEL.
 */
struct vmbus_offer {
	u16 flags;
	u16 mmio_megabytes;
	u8 user[VMBUS_OFFER_DATA_SIZE];
};

/**
 * struct vmbus_backend - serves the devices of one interface type
 * @owner: THIS_MODULE; it cannot be unloaded while there is a device
 * @name: shown in logs, fdinfo and debugfs: KBUILD_MODNAME, so that it can be looked up
 * @if_type: interface type GUID
 * @max_subchannels: sub-channels that a device may have at most
 * @offer: what the guest is told; probe() may change it for its device
 * @probe: The VMM creates a device. Check its configuration, a structure of the backend's
 *	own (vmbus_config_copy()), and take what it names: the caller is the VMM, so file
 *	descriptors in it are current's. An error is what the ioctl returns; then nothing
 *	else is called, and nothing may be left behind. Optional for a backend that has
 *	no configuration.
 * @remove: The device goes; all its channels are closed. Optional.
 * @open: The guest opens a channel: the ring can be used now. An error refuses the open;
 *	then nothing else is called, and nothing may be left behind.
 * @close: The guest or the VMM closes the channel, or both are gone. No new
 *	vmbus_endpoint_tryget() succeeds. Stop what can be stopped, wait for the rest with
 *	vmbus_endpoint_drain(), and unmap every GPADL of the channel before returning. The
 *	guest does not get its memory back until then.
 * @kick: There are packets in the ring, or there may be room for a packet for which there
 *	was none: each sender that got -EAGAIN is to try again. Read until
 *	vmbus_endpoint_peek() or vmbus_endpoint_recv() returns an error: -EAGAIN, there is no
 *	more; -EIO, there never will be; -EMSGSIZE, step over it (vmbus_endpoint_consume()) and
 *	go on. The guest signals only when it writes into an empty ring: a backend that reads
 *	less asks for another call with vmbus_endpoint_kick().
 * @revoke: The guest or the VMM wants the mapping back: unmap it soon, here or in another
 *	thread. Comes only for what was armed (vmbus_mapping_arm()), once, and not after
 *	close() has been called. The mapping is there until this returns; another thread
 *	may just unmap it (vmbus_mapping_priv() is NULL then). Why it comes, vmbus_gpadl_map()
 *	of the same handle tells, after the unmap: -ENOENT, it has been torn down;
 *	-ESHUTDOWN, the channel is rescinded; 0, its pages are elsewhere now (or it is a new
 *	GPADL of that number); -EFAULT, they are in no region; -EACCES, for writing, in one
 *	that is read-only now. Optional for a backend that arms none.
 * @retarget: The guest wants to have the channel's interrupts on another virtual
 *	processor, vmbus_endpoint_target_vp(): what goes with it may move. The interrupts
 *	themselves are the VMM's business. Optional.
 * @unplug: The VMM wants to take the device away, and the guest is to let go of it first.
 *	Say so to the guest, do not wait for it here, and call vmbus_device_rescind() when
 *	it has, in close() at the latest. For guests that lose track of what they have under
 *	way when a device goes at once. Comes for an open primary channel, once or several
 *	times. Optional: without it, vmbus_device_rescind() is called.
 * @show: Say in a few words what the channel is about and what it waits for (a disk's name,
 *	requests in flight, the age of the oldest), to show what is stuck: as
 *	snprintf(), into @buf of @size bytes, without a newline. Comes at any time, also while
 *	another callback runs or hangs, from the moment that vmbus_endpoint_set_data() has
 *	set something until it sets NULL. A close() that frees what show() looks at sets NULL
 *	first, and so does an open() that fails. Called with a spinlock held: it must not
 *	sleep. Optional.
 */
struct vmbus_backend {
	struct module *owner;
	const char *name;
	guid_t if_type;
	u16 max_subchannels;
	struct vmbus_offer offer;
	int (*probe)(struct vmbus_device *dev, const void *config, size_t len);
	void (*remove)(struct vmbus_device *dev);
	int (*open)(struct vmbus_endpoint *ep);
	void (*close)(struct vmbus_endpoint *ep);
	void (*kick)(struct vmbus_endpoint *ep);
	void (*revoke)(struct vmbus_endpoint *ep, struct vmbus_mapping *map);
	void (*retarget)(struct vmbus_endpoint *ep, u32 target_vp);
	void (*unplug)(struct vmbus_endpoint *ep);
	int (*show)(struct vmbus_endpoint *ep, char *buf, size_t size);
	/* private: */
	struct list_head node;
	struct list_head devices;
};

/**
 * define MODULE_ALIAS_VMBUS_BACKEND - have the module loaded when a VMM creates a device
 * @if_type: interface type GUID as a string in lower case, without braces
 */
#define MODULE_ALIAS_VMBUS_BACKEND(if_type)	MODULE_ALIAS("vmbus-host-" if_type)

int vmbus_backend_register(struct vmbus_backend *backend);
void vmbus_backend_unregister(struct vmbus_backend *backend);

/**
 * define module_vmbus_backend - init and exit of a module that is one backend, and no more
 * @backend: its &struct vmbus_backend
 */
#define module_vmbus_backend(backend)	\
	module_driver(backend, vmbus_backend_register, vmbus_backend_unregister)

int vmbus_config_copy(void *to, size_t size, size_t min_size, const void *config,
		      size_t len);

struct vmbus_offer *vmbus_device_offer(struct vmbus_device *dev);
const guid_t *vmbus_device_instance(const struct vmbus_device *dev);
u32 vmbus_device_relid(const struct vmbus_device *dev);
void vmbus_device_set_data(struct vmbus_device *dev, void *data);
void *vmbus_device_data(const struct vmbus_device *dev);
int vmbus_device_offer_subchannels(struct vmbus_device *dev, u32 count);
void vmbus_device_rescind(struct vmbus_device *dev);

/** define VMBUS_NO_TARGET - a guest that wants no interrupts for a channel says so */
#define VMBUS_NO_TARGET		0xffffffffu

struct vmbus_device *vmbus_endpoint_device(const struct vmbus_endpoint *ep);
u16 vmbus_endpoint_index(const struct vmbus_endpoint *ep);
u32 vmbus_endpoint_target_vp(const struct vmbus_endpoint *ep);
struct vmbus_gpadl_channel *vmbus_endpoint_channel(const struct vmbus_endpoint *ep);
u32 vmbus_endpoint_relid(const struct vmbus_endpoint *ep);
const guid_t *vmbus_endpoint_instance(const struct vmbus_endpoint *ep);
const u8 *vmbus_endpoint_userdata(const struct vmbus_endpoint *ep);
void vmbus_endpoint_set_data(struct vmbus_endpoint *ep, void *data);
void *vmbus_endpoint_data(const struct vmbus_endpoint *ep);

bool vmbus_endpoint_tryget(struct vmbus_endpoint *ep);
void vmbus_endpoint_put(struct vmbus_endpoint *ep);
void vmbus_endpoint_drain(struct vmbus_endpoint *ep);

/**
 * struct vmbus_completion - the answer to a request
 * @trans_id: that of the request
 * @buf: payload
 * @len: bytes of it
 * @done: called once it is sent, or dropped as the channel closes
 *
 * Usually part of the backend's own structure of a request: see vmbus_endpoint_complete().
 */
struct vmbus_completion {
	u64 trans_id;
	const void *buf;
	u16 len;
	void (*done)(struct vmbus_endpoint *ep, struct vmbus_completion *c);
	/* private: */
	struct llist_node node;
};

void vmbus_endpoint_complete(struct vmbus_endpoint *ep, struct vmbus_completion *c);
void vmbus_endpoint_complete_later(struct vmbus_endpoint *ep, struct vmbus_completion *c);
void vmbus_endpoint_wait_begin(struct vmbus_endpoint *ep);
void vmbus_endpoint_wait_end(struct vmbus_endpoint *ep);

void vmbus_endpoint_kick(struct vmbus_endpoint *ep);

/* Receiving: one context at a time. */
int vmbus_endpoint_peek(struct vmbus_endpoint *ep, struct vmbus_packet *pkt,
			struct kvec seg[2]);
int vmbus_endpoint_copy(struct vmbus_endpoint *ep, const struct kvec seg[2], size_t at,
			void *buf, size_t len);
void vmbus_endpoint_consume(struct vmbus_endpoint *ep);
int vmbus_endpoint_next(struct vmbus_endpoint *ep, struct vmbus_packet *pkt,
			struct kvec seg[2]);
void vmbus_endpoint_commit(struct vmbus_endpoint *ep);
int vmbus_endpoint_recv(struct vmbus_endpoint *ep, struct vmbus_packet *pkt, void *buf,
			size_t size);
void vmbus_endpoint_disable_kick(struct vmbus_endpoint *ep);
bool vmbus_endpoint_enable_kick(struct vmbus_endpoint *ep);

/* Sending: as many at a time as there are, from any context. */

/** define VMBUS_SEND_MORE - the guest need not see the packet yet: others follow */
#define VMBUS_SEND_MORE		0x1u

int vmbus_endpoint_sendv(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			 const struct kvec *v, unsigned int n, unsigned int flags);
int vmbus_endpoint_send(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			const void *buf);
int vmbus_endpoint_reserve(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			   size_t room);
int vmbus_endpoint_place(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			 const struct vmbus_packet *pkt, struct kvec seg[2]);
int vmbus_endpoint_placev(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			  const struct vmbus_packet *pkt, const struct kvec *v, unsigned int n);
int vmbus_endpoint_submit(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			  unsigned int flags);
void vmbus_endpoint_flush(struct vmbus_endpoint *ep);
ssize_t vmbus_endpoint_room(struct vmbus_endpoint *ep, size_t want);
size_t vmbus_endpoint_max_room(const struct vmbus_endpoint *ep);

#endif /* _LINUX_VMBUS_BACKEND_H */
