/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_VMBUS_HOST_SCSI_H
#define _UAPI_LINUX_VMBUS_HOST_SCSI_H

#include <linux/types.h>

/**
 * DOC: Synthetic SCSI
 *
 * The backend vmbus_scsi serves interface type ba6163d9-04a1-4d29-b605-72e2ffb1dc7f, the
 * controller that a guest's hv_storvsc (storvsc on Windows) drives. The disks behind it are
 * LUNs of a portal group of the kernel's SCSI target, which an operator configures in
 * /sys/kernel/config/target/vmbus/; a controller is one portal group. The VMM names it in
 * the configuration of VMBUS_HOST_CHANNEL_CREATE, which is a
 * &struct vmbus_host_scsi_config.
 *
 * LUNs may come and go while the guest runs. The VMM need not know of it.
 *
 * What CHANNEL_CREATE returns, besides what vmbus_host.h says of it:
 *
 * - ENOENT: there is no target @wwpn, or it has no portal group @tpgt.
 * - EBUSY: another device has that portal group, or one of its LUNs is just being linked to
 *   its backstore, or unlinked.
 * - ENOTUNIQ: it has a LUN that was linked while there was one of that number, as "lun_1"
 *   and "lun_0x1" are: none can be had before that one is unlinked.
 * - ENOTCONN: the portal group has no nexus; the operator makes one by writing the
 *   initiator's name to its file "nexus".
 * - EINVAL: there is no configuration, it is shorter than its first version, @wwpn is
 *   empty or does not end in its array, or a number is not in its range.
 * - EOPNOTSUPP: a flag that this kernel does not know.
 * - E2BIG: a field, not zero, that this kernel does not know.
 */

/* Interface type ba6163d9-04a1-4d29-b605-72e2ffb1dc7f, as 16 bytes of the wire */
#define VMBUS_HOST_SCSI_IF_TYPE							\
	{ 0xd9, 0x63, 0x61, 0xba, 0xa1, 0x04, 0x29, 0x4d,			\
	  0xb6, 0x05, 0x72, 0xe2, 0xff, 0xb1, 0xdc, 0x7f }

/** define VMBUS_HOST_SCSI_WWPN_MAX - room for a target's name and the byte 0 that ends it */
#define VMBUS_HOST_SCSI_WWPN_MAX	224

/** define VMBUS_HOST_SCSI_SUBCHANNELS_MAX - sub-channels that a controller may have */
#define VMBUS_HOST_SCSI_SUBCHANNELS_MAX	63

/** define VMBUS_HOST_SCSI_TRANSFER_MIN - lowest value of max_transfer_bytes but 0 */
#define VMBUS_HOST_SCSI_TRANSFER_MIN	(64U << 10)
/** define VMBUS_HOST_SCSI_TRANSFER_MAX - highest value of max_transfer_bytes */
#define VMBUS_HOST_SCSI_TRANSFER_MAX	(8U << 20)

/**
 * struct vmbus_host_scsi_config - configuration of a synthetic SCSI controller
 * @size: sizeof(struct vmbus_host_scsi_config)
 * @flags: must be 0
 * @wwpn: name of the target, its directory in target/vmbus/: a string
 * @tpgt: number of the portal group: N of its directory tpgt_N
 * @subchannels: sub-channels that the guest may ask for,
 *	VMBUS_HOST_SCSI_SUBCHANNELS_MAX at most; it asks for one less than it has
 *	processors if it can have that many. The VMM creates and offers them when
 *	VMBUS_HOST_EVENT_OFFER_SUBCHANNELS says so
 * @max_transfer_bytes: the longest transfer that the guest is told to ask for, a multiple
 *	of 4096 from VMBUS_HOST_SCSI_TRANSFER_MIN to VMBUS_HOST_SCSI_TRANSFER_MAX; 0: 1 MiB
 */
struct vmbus_host_scsi_config {
	__u32 size;
	__u32 flags;
	char wwpn[VMBUS_HOST_SCSI_WWPN_MAX];
	__u16 tpgt;
	__u16 subchannels;
	__u32 max_transfer_bytes;
};

#endif /* _UAPI_LINUX_VMBUS_HOST_SCSI_H */
