/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_VMBUS_HOST_H
#define _UAPI_LINUX_VMBUS_HOST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: /dev/vmbus-host
 *
 * One open file is one partition, that is, one guest. The VMM
 *
 * - makes it one with VMBUS_HOST_CREATE, the first ioctl: it binds the caller's
 *   address space, RLIMIT_MEMLOCK and CAP_IPC_LOCK for the file's whole life;
 * - tells where guest memory lies with VMBUS_HOST_SET_REGIONS;
 * - creates a channel for each device whose backend is in the kernel;
 * - write()s each VMBus channel message that the guest posts, one per call;
 * - read()s each message for the guest, one per call, and delivers it.
 *
 * The VMM keeps version negotiation, offers, UNLOAD and the channels that it
 * serves itself. The messages that belong here are OPENCHANNEL (5), CLOSECHANNEL
 * (7), GPADL_HEADER (8), GPADL_BODY (9), GPADL_TEARDOWN (11) and RELID_RELEASED
 * (13); those that come back are OPENCHANNEL_RESULT (6), GPADL_CREATED (10) and
 * GPADL_TORNDOWN (12).
 *
 * Each ioctl takes one structure that begins with its own size, as does every
 * structure that it points to. A kernel that knows more fields than the caller
 * takes those that are missing as zero; a kernel that knows fewer accepts the rest
 * if it is zero. The size is not part of the command number, so a command keeps
 * its number as it grows.
 *
 * What an errno of an ioctl means:
 *
 * - ENOTTY: there is no such command.
 * - E2BIG: the structure has fields, not zero, that this kernel does not know, or
 *   is longer than a page.
 * - EOPNOTSUPP: a flag or feature that this kernel does not know, or a reserved field that
 *   is not 0.
 * - EINVAL: a field has a value that can never be right, the structure is
 *   smaller than its first version, or VMBUS_HOST_CREATE has not been done.
 * - EIO: the caller's address space is not the one that did VMBUS_HOST_CREATE.
 * - EEXIST: the object is there already.
 * - ENOENT: the object named is not there.
 * - ENODEV: nobody in the kernel serves such a device, or it was unplugged.
 * - EBUSY: something mapped depends on what would be changed.
 * - ENOSPC: a limit of the partition is reached.
 * - ENOMEM: no memory, or the owner's RLIMIT_MEMLOCK would be exceeded.
 * - EFAULT: an address given cannot be used.
 * - EAGAIN: not now: the file is O_NONBLOCK, and there is nothing, or no room; the process
 *   may have no more threads (RLIMIT_NPROC, pids.max), or its user no more partitions or
 *   channels that are not gone yet.
 * - EINPROGRESS: a backend is to be waited for, and the file is O_NONBLOCK: the request
 *   stands, and VMBUS_HOST_EVENT_DONE will tell when it is done.
 * - EINTR: a signal came while waiting for an event.
 * - EBADF: a file descriptor given is not an eventfd.
 *
 * Which command returns which:
 *
 * - any: E2BIG, EOPNOTSUPP, EINVAL, EFAULT
 * - any but VMBUS_HOST_GET_VERSION: EIO
 * - VMBUS_HOST_CREATE: EBUSY, EAGAIN
 * - VMBUS_HOST_SET_REGIONS: EEXIST, ENOENT, EBUSY, ENOMEM
 * - VMBUS_HOST_CHANNEL_CREATE: EEXIST, ENOENT, ENODEV, ENOSPC, ENOMEM, EBADF, EAGAIN, and
 *   what the backend's own header says
 * - VMBUS_HOST_CHANNEL_MODIFY: ENOENT, ENOMEM, EBADF
 * - VMBUS_HOST_CHANNEL_RESCIND: ENOENT, EINPROGRESS
 * - VMBUS_HOST_CHANNEL_DESTROY: ENOENT, EINPROGRESS
 * - VMBUS_HOST_CHANNEL_UNPLUG: ENOENT
 * - VMBUS_HOST_RESET: EINPROGRESS
 * - VMBUS_HOST_NEXT_EVENT: EAGAIN, EINTR
 * - VMBUS_HOST_POST: what write() returns
 *
 * Where the kernel itself is short of memory, any command may return ENOMEM; it is named here
 * where RLIMIT_MEMLOCK decides. A number that is no command: ENOTTY.
 *
 * write() returns the length, or: EBADMSG (shorter than its fixed part or longer
 * than 240 bytes), EOPNOTSUPP (a message type that is not handled here), ENXIO
 * (no such channel here: it may be one of the VMM's own, which must answer),
 * ENOENT (a GPADL_BODY that continues nothing), EAGAIN (O_NONBLOCK, and the
 * replies were not read: answer the guest HV_STATUS_INSUFFICIENT_BUFFERS and it
 * will post the message again), EINTR, EINVAL (no VMBUS_HOST_CREATE yet), EFAULT.
 * On any error nothing has been changed.
 *
 * read() returns the length of exactly one message, or: EMSGSIZE (the buffer is
 * smaller than VMBUS_HOST_MSG_MAX; no message is lost), EAGAIN (O_NONBLOCK, and
 * none is waiting), EINTR, EINVAL (no VMBUS_HOST_CREATE yet), EFAULT (no message
 * is lost).
 *
 * poll(): EPOLLIN, a message can be read; EPOLLOUT, one can be written; EPOLLPRI,
 * VMBUS_HOST_NEXT_EVENT has an event; EPOLLERR, the file is not a partition yet.
 *
 * write(), read() and poll() work from any process that holds the file. A child
 * that inherits the file keeps the partition alive until it closes it too.
 */

/** define VMBUS_HOST_MSG_MAX - longest VMBus message (SynIC payload) in bytes */
#define VMBUS_HOST_MSG_MAX	240

#define VMBUS_HOST_IOC		0xBB

/**
 * struct vmbus_host_create - VMBUS_HOST_CREATE
 * @size: sizeof(struct vmbus_host_create)
 * @flags: must be 0
 *
 * Make this file a partition. EBUSY if it is one already.
 */
struct vmbus_host_create {
	__u32 size;
	__u32 flags;
};

#define VMBUS_HOST_CREATE	_IO(VMBUS_HOST_IOC, 0x00)

/** define VMBUS_HOST_REGION_READ_ONLY - the host may not write to the region */
#define VMBUS_HOST_REGION_READ_ONLY	(1U << 0)
/**
 * define VMBUS_HOST_REGION_RESIDENT - pin the region's memory now, and until it is
 * replaced or removed or the partition ends
 *
 * For writing, unless it is read-only as well. The owner is charged for all of it; a map
 * in it then neither pins nor charges, but for pages that the VMM has replaced there.
 */
#define VMBUS_HOST_REGION_RESIDENT	(1U << 1)

/** define VMBUS_HOST_REGION_SLOTS - a slot is a number below this */
#define VMBUS_HOST_REGION_SLOTS		512

/**
 * struct vmbus_host_region - one range of guest memory
 * @size: sizeof(struct vmbus_host_region)
 * @slot: number of the region, chosen by the VMM (as in KVM_SET_USER_MEMORY_REGION)
 * @flags: VMBUS_HOST_REGION_*
 * @__reserved: must be 0
 * @gpa: guest physical address of the first byte, a multiple of the page size
 * @bytes: length in bytes, a multiple of the page size; 0 removes the slot
 * @hva: address in the VMM of the first byte, a multiple of the page size
 */
struct vmbus_host_region {
	__u32 size;
	__u32 slot;
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 gpa;
	__aligned_u64 bytes;
	__aligned_u64 hva;
};

/**
 * define VMBUS_HOST_SET_REGIONS_RETIRE - change regions although pages of them are mapped
 *
 * For a memory listener, which cannot refuse a change. From then on no new map finds what
 * is not there any more. What is mapped of it stays pinned, as it is, until the backend
 * unmaps it; the backend is asked to, as for a channel that is rescinded.
 */
#define VMBUS_HOST_SET_REGIONS_RETIRE	(1U << 0)

/**
 * struct vmbus_host_set_regions - VMBUS_HOST_SET_REGIONS
 * @size: sizeof(struct vmbus_host_set_regions)
 * @flags: VMBUS_HOST_SET_REGIONS_RETIRE, or 0
 * @nr: number of entries, 1 to VMBUS_HOST_REGION_SLOTS; each slot once at most
 * @__reserved: must be 0
 * @regions: address of an array of &struct vmbus_host_region
 *
 * Add, replace and remove regions, all or none. An entry equal to what is there
 * is no change; of a resident region, what has changed in the VMM's memory since is
 * pinned anew. EBUSY if a page that is mapped would be at another address, or at none,
 * or become read-only: regions can be split, merged and overlaid around such pages.
 * EEXIST if two would overlap in guest physical addresses; ENOENT if a slot that is to be
 * removed is not there. If one is to be resident:
 * EFAULT if its memory cannot be pinned, to the last page; ENOMEM. Only a fatal signal ends
 * the wait for it. What two of these have in common is pinned and charged once.
 */
struct vmbus_host_set_regions {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 __reserved;
	__aligned_u64 regions;
};

#define VMBUS_HOST_SET_REGIONS	_IO(VMBUS_HOST_IOC, 0x01)

/**
 * struct vmbus_host_signals - how the guest and a channel signal each other
 * @size: sizeof(struct vmbus_host_signals)
 * @kick_fd: eventfd by which the guest signals the host (attach it to the
 *	channel's connection id with KVM_HYPERV_EVENTFD), or -1
 * @call_fd: eventfd by which the host interrupts the guest (attach it to the
 *	target virtual processor's SINT with KVM_IRQFD), or -1
 * @flag: number of the event flag to set, that is the relid; below 2048
 * @event_flags: address in the VMM of the 256 bytes of event flags of the SINT
 *	(in the page that the guest gave by HV_X64_MSR_SIEFP), a multiple of 8, all
 *	in one page of 4096 bytes; or 0. Only with @call_fd
 *
 * A SINT alone does not tell a guest which channel has work. With @event_flags
 * the kernel sets the bit itself and signals @call_fd only if it was clear.
 * Without, it signals @call_fd each time, and the VMM sets the flag and raises
 * the interrupt.
 */
struct vmbus_host_signals {
	__u32 size;
	__s32 kick_fd;
	__s32 call_fd;
	__u32 flag;
	__aligned_u64 event_flags;
};

/** define VMBUS_HOST_CONFIG_MAX - longest configuration of a device in bytes */
#define VMBUS_HOST_CONFIG_MAX	4096

/**
 * struct vmbus_host_offer - what VMBUS_HOST_CHANNEL_CREATE says of the channel's offer
 * @size: sizeof(struct vmbus_host_offer)
 * @flags: returned, for the flags of OFFERCHANNEL
 * @mmio_megabytes: returned, likewise
 * @user_defined: returned, likewise: the 120 bytes that begin with the pipe mode
 *
 * A property of the interface type, or of its configuration: the VMM copies it into
 * the message and needs to know nothing of it.
 */
struct vmbus_host_offer {
	__u32 size;
	__u16 flags;
	__u16 mmio_megabytes;
	__u8 user_defined[120];
};

/**
 * struct vmbus_host_channel_create - VMBUS_HOST_CHANNEL_CREATE
 * @size: sizeof(struct vmbus_host_channel_create)
 * @flags: must be 0
 * @relid: the channel's number in VMBus messages, 1 to 2047
 * @primary: 0: it is the primary channel of a new device; else the relid of the
 *	primary channel of the device that gets a sub-channel
 * @if_type: interface type GUID as in the offer (little endian fields): it
 *	selects the backend, which is loaded if it is not there
 * @if_instance: interface instance GUID as in the offer
 * @signals: address of a &struct vmbus_host_signals; 0: there are none
 * @config: address of the device's configuration, a structure that the backend's own
 *	header declares; it begins with its size, VMBUS_HOST_CONFIG_MAX at most. 0: there
 *	is none. Only with a primary channel
 * @offer: address of a &struct vmbus_host_offer, which is filled in; or 0
 * @index: number of the sub-channel, which the offer has as its sub-channel index,
 *	from 1 on; 0 for a primary channel
 * @__reserved: must be 0
 *
 * Create a device with its primary channel; or one more channel of a device, with the
 * GUIDs that the primary has. That is done when the backend has asked for it
 * (VMBUS_HOST_EVENT_OFFER_SUBCHANNELS), or before.
 *
 * EEXIST if the partition has a channel with this @relid, or the device one with this
 * @index; ENOENT if @primary is no primary channel; ENODEV if nobody serves @if_type, or
 * if the device of @primary was rescinded or unplugged; EINVAL if @index is more than the
 * backend wants, if the GUIDs are not those of the primary, or if the backend takes no
 * configuration; and what the backend says of its configuration.
 *
 * The channel has a thread of its own, which is one of the calling process: EAGAIN if
 * that may have no more, EINVAL if it has done unshare(CLONE_NEWPID), and may have none.
 */
struct vmbus_host_channel_create {
	__u32 size;
	__u32 flags;
	__u32 relid;
	__u32 primary;
	__u8 if_type[16];
	__u8 if_instance[16];
	__aligned_u64 signals;
	__aligned_u64 config;
	__aligned_u64 offer;
	__u32 index;
	__u32 __reserved;
};

#define VMBUS_HOST_CHANNEL_CREATE	_IO(VMBUS_HOST_IOC, 0x02)

/** define VMBUS_HOST_MODIFY_TARGET_VP - the guest has named another target processor */
#define VMBUS_HOST_MODIFY_TARGET_VP	(1U << 0)

/** define VMBUS_HOST_NO_TARGET_VP - by which a guest says that it wants no interrupts */
#define VMBUS_HOST_NO_TARGET_VP		0xffffffffU

/**
 * struct vmbus_host_channel_modify - VMBUS_HOST_CHANNEL_MODIFY
 * @size: sizeof(struct vmbus_host_channel_modify)
 * @flags: VMBUS_HOST_MODIFY_*
 * @relid: the channel
 * @target_vp: with VMBUS_HOST_MODIFY_TARGET_VP, that processor, which the backend is told;
 *	else 0
 * @signals: address of the &struct vmbus_host_signals that takes the place of the
 *	channel's present signals, all of them; 0: there are none any more
 *
 * For when the guest tells its target virtual processor (OPENCHANNEL,
 * MODIFYCHANNEL) or moves its event flags page. All or nothing. If the guest names
 * VMBUS_HOST_NO_TARGET_VP there may be no call_fd (EINVAL).
 *
 * OPENCHANNEL itself tells the backend its target: VMBUS_HOST_MODIFY_TARGET_VP is for
 * MODIFYCHANNEL.
 */
struct vmbus_host_channel_modify {
	__u32 size;
	__u32 flags;
	__u32 relid;
	__u32 target_vp;
	__aligned_u64 signals;
};

#define VMBUS_HOST_CHANNEL_MODIFY	_IO(VMBUS_HOST_IOC, 0x03)

/**
 * define VMBUS_HOST_WAIT - wait for the backends even though the file is O_NONBLOCK
 */
#define VMBUS_HOST_WAIT		(1U << 0)

/**
 * struct vmbus_host_channel - VMBUS_HOST_CHANNEL_RESCIND, VMBUS_HOST_CHANNEL_DESTROY,
 * VMBUS_HOST_CHANNEL_UNPLUG
 * @size: sizeof(struct vmbus_host_channel)
 * @flags: VMBUS_HOST_WAIT or 0; for VMBUS_HOST_CHANNEL_UNPLUG, 0
 * @relid: the channel
 * @__reserved: must be 0
 *
 * RESCIND closes the channel, takes its mapped GPADLs back from the backend and refuses
 * new maps. It is done when none is mapped any more, and only then may the VMM post
 * RESCIND_CHANNELOFFER: the guest frees the memory without a further word. The channel
 * goes on answering the guest until RELID_RELEASED or DESTROY.
 *
 * DESTROY does the same, takes the device from its backend, and then forgets the channel
 * and its GPADLs. When it is done, the guest gets no more replies for it, not even by a
 * read() that is under way, there are no more events of it but VMBUS_HOST_EVENT_DONE, and
 * the relid can be used again.
 *
 * With a primary channel, both do so with all channels of its device. Sub-channels are
 * closed first; for the guest, they are to be rescinded first, too.
 *
 * Both return 0 when that is done. If a backend is to be waited for, they wait, and only a
 * fatal signal ends that; or, if the file is O_NONBLOCK and @flags does not say
 * VMBUS_HOST_WAIT, they return EINPROGRESS, and VMBUS_HOST_EVENT_DONE comes once for all
 * such calls before it. Either way the request stands, and can be repeated.
 *
 * UNPLUG comes before RESCIND if the guest is to have time: some drivers lose what they have
 * under way when a device is rescinded. The backend has the guest let go of the device, by
 * the device's own protocol, while the channel still works; when it has,
 * VMBUS_HOST_EVENT_RESCIND comes. That takes as long as the guest likes, and maybe for ever:
 * RESCIND and DESTROY can be called at any time. If the backend knows no such thing, or the
 * channel is not open, the event comes at once. Only for primary channels: ENOENT.
 */
struct vmbus_host_channel {
	__u32 size;
	__u32 flags;
	__u32 relid;
	__u32 __reserved;
};

#define VMBUS_HOST_CHANNEL_RESCIND	_IO(VMBUS_HOST_IOC, 0x04)
#define VMBUS_HOST_CHANNEL_DESTROY	_IO(VMBUS_HOST_IOC, 0x05)
#define VMBUS_HOST_CHANNEL_UNPLUG	_IO(VMBUS_HOST_IOC, 0x0a)

/**
 * define VMBUS_HOST_POST_GPADL_READ_ONLY - the buffer that this GPADL_HEADER
 * describes was created without write access for the host
 */
#define VMBUS_HOST_POST_GPADL_READ_ONLY	(1U << 0)

/**
 * struct vmbus_host_post - VMBUS_HOST_POST
 * @size: sizeof(struct vmbus_host_post)
 * @flags: VMBUS_HOST_POST_*
 * @len: length of the message in bytes
 * @__reserved: must be 0
 * @msg: address of the message
 *
 * Like write(), with flags: same errnos, and 0 for success. It is for VMMs that
 * know more about a message than its bytes say.
 */
struct vmbus_host_post {
	__u32 size;
	__u32 flags;
	__u32 len;
	__u32 __reserved;
	__aligned_u64 msg;
};

#define VMBUS_HOST_POST		_IO(VMBUS_HOST_IOC, 0x06)

/**
 * struct vmbus_host_reset - VMBUS_HOST_RESET
 * @size: sizeof(struct vmbus_host_reset)
 * @flags: VMBUS_HOST_WAIT or 0
 *
 * The guest unloaded its VMBus driver (UNLOAD) or the machine was reset: close
 * every channel, take back and forget every GPADL and every reply that was not
 * read. Channels and regions stay, and events but for VMBUS_HOST_EVENT_OFFER_SUBCHANNELS.
 * It is done when nothing of that is mapped any more, whatever the guest opens and maps anew
 * meanwhile; 0, a wait or EINPROGRESS as for RESCIND. Post UNLOAD_RESPONSE when it is done.
 */
struct vmbus_host_reset {
	__u32 size;
	__u32 flags;
};

#define VMBUS_HOST_RESET	_IO(VMBUS_HOST_IOC, 0x07)

/**
 * enum vmbus_host_event_type - what the kernel asks or tells the VMM of its own accord
 * @VMBUS_HOST_EVENT_OFFER_SUBCHANNELS: the device of channel relid wants to have as many
 *	sub-channels as value says: create them and offer them to the guest
 * @VMBUS_HOST_EVENT_RESCIND: the device of channel relid is going: rescind and destroy its
 *	channels
 * @VMBUS_HOST_EVENT_DONE: what was asked for by the command in value, on channel relid (0:
 *	on all), and had returned EINPROGRESS, is done
 * @VMBUS_HOST_EVENT_BROKEN: the guest has spoilt a ring of channel relid, or has torn it down, or
 *	VMBUS_HOST_SET_REGIONS_RETIRE has taken its memory away: the channel is of no use
 *	any more until it opens the channel anew
 *
 * There will be others: what is not known is to be ignored.
 */
enum vmbus_host_event_type {
	VMBUS_HOST_EVENT_OFFER_SUBCHANNELS = 1,
	VMBUS_HOST_EVENT_RESCIND = 2,
	VMBUS_HOST_EVENT_DONE = 3,
	VMBUS_HOST_EVENT_BROKEN = 4,
};

/**
 * struct vmbus_host_event - VMBUS_HOST_NEXT_EVENT
 * @size: sizeof(struct vmbus_host_event)
 * @flags: must be 0
 * @type: returned, &enum vmbus_host_event_type
 * @relid: returned, the channel; 0 if it is of none
 * @value: returned; by @type
 * @__reserved: must be 0
 *
 * Fetch the next event; poll() says EPOLLPRI while there is one. An event that repeats
 * before it was fetched is one. Those of a channel go when it is destroyed, but for
 * VMBUS_HOST_EVENT_DONE; VMBUS_HOST_EVENT_OFFER_SUBCHANNELS goes when it is closed. EAGAIN if
 * there is none and the file is O_NONBLOCK.
 */
struct vmbus_host_event {
	__u32 size;
	__u32 flags;
	__u32 type;
	__u32 relid;
	__u32 value;
	__u32 __reserved;
};

#define VMBUS_HOST_NEXT_EVENT	_IO(VMBUS_HOST_IOC, 0x08)

/**
 * struct vmbus_host_version - VMBUS_HOST_GET_VERSION
 * @size: sizeof(struct vmbus_host_version)
 * @flags: must be 0
 * @version: returned, version of the modules: major << 16 | minor << 8 | patch
 * @__reserved: must be 0
 *
 * For log messages; works before VMBUS_HOST_CREATE too. Not for feature detection: a
 * command that is not there fails with ENOTTY, a flag with EOPNOTSUPP.
 */
struct vmbus_host_version {
	__u32 size;
	__u32 flags;
	__u32 version;
	__u32 __reserved;
};

#define VMBUS_HOST_GET_VERSION	_IO(VMBUS_HOST_IOC, 0x09)

#endif /* _UAPI_LINUX_VMBUS_HOST_H */
