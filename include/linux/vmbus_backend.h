/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel backends of VMBus channels: what they include.
 *
 * A backend serves the channels of one interface type (the GUID by which a guest's
 * driver knows its device). It registers a struct vmbus_backend; when a guest opens a
 * channel of that type, the backend's open() is called with the channel's host end,
 * the endpoint.
 *
 * All callbacks of one endpoint run one at a time, in the order of the events, in a
 * thread of the channel's own, which is one of the VMM's (a kernel thread if that was
 * killed): they may sleep, and keep only this channel waiting.
 * From open() on until close() returns, the backend may use the endpoint in threads of
 * its own as well.
 *
 *	MODULE_IMPORT_NS(VMBUS_HOST);
 *	MODULE_IMPORT_NS(VMBUS_GPADL);
 */
#ifndef _VMBUS_BACKEND_H
#define _VMBUS_BACKEND_H

#include <linux/list.h>
#include <linux/module.h>
#include <linux/types.h>
#include <linux/uuid.h>

#include "vmbus_gpadl_map.h"

struct vmbus_endpoint;

/**
 * struct vmbus_backend - serves the channels of one interface type
 * @owner: THIS_MODULE; it cannot be unloaded while a channel is open
 * @name: for people
 * @if_type: interface type GUID
 * @open: The guest opens a channel: the ring can be used now. An error refuses the open;
 *	then nothing else is called, and nothing may be left behind.
 * @close: The guest or the VMM closes the channel, or both are gone. Stop using the
 *	endpoint, and unmap every GPADL of it, before returning. The guest does not get
 *	its memory back until then.
 * @kick: The guest has signalled: there are packets in the ring, or there is room for a
 *	packet for which there was none. Read until vmbus_endpoint_recv() returns
 *	-EAGAIN: the guest signals only when it writes into an empty ring. Who reads
 *	less asks for another call with vmbus_endpoint_kick().
 * @revoke: The guest or the VMM wants the mapping back: unmap it soon, here or in another
 *	thread. Comes only for what was armed (vmbus_mapping_arm()), once, and not after
 *	close() has been called. The mapping is there until this returns; another thread
 *	may just unmap it (vmbus_mapping_priv() is NULL then). Optional for a backend that
 *	arms none.
 */
struct vmbus_backend {
	struct module *owner;
	const char *name;
	guid_t if_type;
	int (*open)(struct vmbus_endpoint *ep);
	void (*close)(struct vmbus_endpoint *ep);
	void (*kick)(struct vmbus_endpoint *ep);
	void (*revoke)(struct vmbus_endpoint *ep, struct vmbus_mapping *map);
	/* private: */
	struct list_head node;
};

/**
 * define MODULE_ALIAS_VMBUS_BACKEND - have the module loaded when a guest opens a channel
 * @if_type: interface type GUID as a string in lower case, without braces
 */
#define MODULE_ALIAS_VMBUS_BACKEND(if_type)	MODULE_ALIAS("vmbus-host-" if_type)

int vmbus_backend_register(struct vmbus_backend *backend);
void vmbus_backend_unregister(struct vmbus_backend *backend);

/** define VMBUS_USERDATA_SIZE - bytes that a guest gives along with an open */
#define VMBUS_USERDATA_SIZE	120

struct vmbus_gpadl_channel *vmbus_endpoint_channel(const struct vmbus_endpoint *ep);
u32 vmbus_endpoint_relid(const struct vmbus_endpoint *ep);
const guid_t *vmbus_endpoint_instance(const struct vmbus_endpoint *ep);
const u8 *vmbus_endpoint_userdata(const struct vmbus_endpoint *ep);
void vmbus_endpoint_set_data(struct vmbus_endpoint *ep, void *data);
void *vmbus_endpoint_data(const struct vmbus_endpoint *ep);

/* Packet types in use (enum vmbus_packet_type in hyperv.h has them all). */
#define VMBUS_PACKET_INBAND		6	/* data in the ring */
#define VMBUS_PACKET_XFER_PAGES		7	/* data in a GPADL, by ranges */
#define VMBUS_PACKET_GPA_DIRECT		9	/* data in pages it names */
#define VMBUS_PACKET_COMPLETION		11	/* answer to a packet */

/* The sender of the packet asks for a completion that carries its trans_id. */
#define VMBUS_PACKET_FLAG_COMPLETION	1

/**
 * struct vmbus_packet - describes a packet in a ring
 * @type: VMBUS_PACKET_*
 * @flags: VMBUS_PACKET_FLAG_*
 * @trans_id: transaction id; a completion has that of the packet it answers
 * @offset: bytes of the type's own header, at the start of the buffer; 0 for an in-band
 *	packet or a completion of a well-behaved guest
 * @len: bytes of payload, which follow it in the buffer; a multiple of 8 if received
 */
struct vmbus_packet {
	u16 type;
	u16 flags;
	u64 trans_id;
	u32 offset;
	u32 len;
};

void vmbus_endpoint_kick(struct vmbus_endpoint *ep);
int vmbus_endpoint_recv(struct vmbus_endpoint *ep, struct vmbus_packet *pkt, void *buf,
			size_t size);
int vmbus_endpoint_send(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			const void *buf);

#endif /* _VMBUS_BACKEND_H */
