// SPDX-License-Identifier: GPL-2.0
/*
 * Host side of the heartbeat integration component: is the guest alive?
 *
 * The host offers versions, the guest picks one of each kind; then the host sends a
 * number every two seconds, and the guest answers with the next one. The guest's side
 * is drivers/hv/hv_util.c. Messages are in-band packets without completion:
 *
 *	struct heartbeat_msg = pipe header | message header | negotiation or heartbeat
 *
 * The sample maps no GPADL of its own: the rings are all that it needs. It shows the rest
 * of a backend's life: open, kick, work of its own, close.
 *
 * What is no right answer is counted, and ignored; a guest that sends too much of it, or
 * spoils its ring, is not listened to any more: so kick() always comes to an end.
 *
 * In /sys/kernel/debug/vmbus_heartbeat/<n>, n being the smallest number free when the
 * channel was opened, there is what happened.
 */
#include <linux/build_bug.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/uuid.h>
#include <linux/vmbus_backend.h>
#include <linux/workqueue.h>

#define HEARTBEAT_PERIOD	(2 * HZ)
#define HEARTBEAT_MAX_BAD	100

/* ---- The messages ---- */

#define ICMSGTYPE_NEGOTIATE	0
#define ICMSGTYPE_HEARTBEAT	1

#define ICMSGHDRFLAG_TRANSACTION	1
#define ICMSGHDRFLAG_REQUEST		2
#define ICMSGHDRFLAG_RESPONSE		4

/* pipe_header.flags of a packet with data */
#define PIPE_FLAG_DATA	1

struct ic_version {
	__le16 major;
	__le16 minor;
};

/* What the host offers, the best first; the guest picks one of each. */
struct negotiation {
	__le16 nr_framework;
	__le16 nr_message;
	__le32 reserved;
	struct ic_version version[4];
};

struct heartbeat {
	__le64 seq;
	__le32 reserved[8];
};

struct heartbeat_msg {
	/* struct vmbuspipe_hdr */
	__le32 pipe_flags;
	__le32 pipe_len;
	/* struct icmsg_hdr */
	struct ic_version framework;
	__le16 type;
	struct ic_version message;
	__le16 len;
	__le32 status;
	u8 trans_id;
	u8 flags;
	u8 reserved[2];
	union {
		struct negotiation negotiation;
		struct heartbeat heartbeat;
	};
} __packed;

#define MSG_HEADERS	offsetof(struct heartbeat_msg, heartbeat)
static_assert(MSG_HEADERS == 28);

static const struct ic_version offered[] = {
	{ .major = cpu_to_le16(3) },
	{ .major = cpu_to_le16(1) },
};

/* ---- One open channel ---- */

enum monitor_state {
	MONITOR_NEGOTIATING,	/* the guest has to pick versions */
	MONITOR_BEATING,
	MONITOR_REFUSED,	/* the guest has picked none */
	MONITOR_BROKEN,		/* the guest has sent too much nonsense */
};

/**
 * struct monitor - what is known of one guest
 * @ep: its channel
 * @id: name of its file in debugfs
 * @file: that file
 * @beat: sends
 * @lock: protects all below; the callbacks, @beat and readers of @file take it
 * @state: &enum monitor_state
 * @framework: picked by the guest
 * @message: picked by the guest
 * @trans_id: of the last message sent
 * @sent: heartbeats sent; also the sequence number of the next
 * @answer: number in the last right answer, one more than that sent
 * @answered: right answers
 * @skipped: beats not sent because the ring was full
 * @bad: packets that were no right answer
 * @buf: the packet being looked at
 */
struct monitor {
	struct vmbus_endpoint *ep;
	int id;
	struct dentry *file;
	struct delayed_work beat;
	spinlock_t lock;
	enum monitor_state state;
	struct ic_version framework;
	struct ic_version message;
	u8 trans_id;
	u64 sent;
	u64 answer;
	u64 answered;
	u64 skipped;
	u64 bad;
	u8 buf[256] __aligned(8);
};

static DEFINE_IDA(monitor_ids);
/* close() waits for its items, and may run where memory is being reclaimed. */
static struct workqueue_struct *monitor_wq;
static struct dentry *monitor_debugfs;

/* ---- To the guest ---- */

static int monitor_send(struct monitor *m, struct heartbeat_msg *msg, u16 type,
			size_t len)
{
	struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_INBAND,
		.len = MSG_HEADERS + len,
	};

	msg->pipe_flags = cpu_to_le32(PIPE_FLAG_DATA);
	msg->pipe_len = cpu_to_le32(pkt.len - offsetof(struct heartbeat_msg, framework));
	msg->type = cpu_to_le16(type);
	msg->len = cpu_to_le16(len);
	msg->trans_id = ++m->trans_id;
	msg->flags = ICMSGHDRFLAG_TRANSACTION | ICMSGHDRFLAG_REQUEST;
	return vmbus_endpoint_send(m->ep, &pkt, msg);
}

static int monitor_negotiate(struct monitor *m)
{
	struct heartbeat_msg msg = {
		.negotiation = {
			.nr_framework = cpu_to_le16(ARRAY_SIZE(offered)),
			.nr_message = cpu_to_le16(ARRAY_SIZE(offered)),
		},
	};

	memcpy(&msg.negotiation.version[0], offered, sizeof(offered));
	memcpy(&msg.negotiation.version[ARRAY_SIZE(offered)], offered, sizeof(offered));
	return monitor_send(m, &msg, ICMSGTYPE_NEGOTIATE, sizeof(msg.negotiation));
}

static void monitor_send_beat(struct monitor *m)
{
	struct heartbeat_msg msg = {
		.framework = m->framework,
		.message = m->message,
		.heartbeat.seq = cpu_to_le64(m->sent),
	};
	int ret;

	ret = monitor_send(m, &msg, ICMSGTYPE_HEARTBEAT, sizeof(msg.heartbeat));
	if (!ret)
		m->sent++;
	else if (ret == -EAGAIN)
		m->skipped++;
	else
		m->state = MONITOR_BROKEN;
}

static void monitor_beat(struct work_struct *work)
{
	struct monitor *m = container_of(to_delayed_work(work), struct monitor, beat);

	spin_lock(&m->lock);
	if (m->state == MONITOR_BEATING) {
		monitor_send_beat(m);
		queue_delayed_work(monitor_wq, &m->beat, HEARTBEAT_PERIOD);
	}
	spin_unlock(&m->lock);
}

/* ---- From the guest ---- */

static bool version_is_offered(struct ic_version v)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offered); i++)
		if (v.major == offered[i].major && v.minor == offered[i].minor)
			return true;
	return false;
}

/* The guest's pick: one version of each kind; or 0 and 0 if it wants none. */
static bool monitor_got_versions(struct monitor *m, const struct heartbeat_msg *msg)
{
	const struct negotiation *picked = &msg->negotiation;

	if (m->state != MONITOR_NEGOTIATING)
		return false;
	if (le16_to_cpu(picked->nr_framework) != 1 ||
	    le16_to_cpu(picked->nr_message) != 1) {
		m->state = MONITOR_REFUSED;
		return true;
	}
	if (!version_is_offered(picked->version[0]) ||
	    !version_is_offered(picked->version[1]))
		return false;
	m->framework = picked->version[0];
	m->message = picked->version[1];
	m->state = MONITOR_BEATING;
	queue_delayed_work(monitor_wq, &m->beat, 0);
	return true;
}

static bool monitor_got_beat(struct monitor *m, const struct heartbeat_msg *msg)
{
	u64 answer = le64_to_cpu(msg->heartbeat.seq);

	/* Late is right, too; but each once, in order, and not before it was due. */
	if (answer <= m->answer || answer > m->sent)
		return false;
	m->answer = answer;
	m->answered++;
	return true;
}

static bool monitor_got(struct monitor *m, const struct vmbus_packet *pkt)
{
	const struct heartbeat_msg *msg = (const void *)(m->buf + pkt->offset);

	if (pkt->type != VMBUS_PACKET_INBAND || pkt->len < MSG_HEADERS ||
	    !(msg->flags & ICMSGHDRFLAG_RESPONSE))
		return false;
	switch (le16_to_cpu(msg->type)) {
	case ICMSGTYPE_NEGOTIATE:
		return pkt->len >= MSG_HEADERS + sizeof(msg->negotiation) &&
		       monitor_got_versions(m, msg);
	case ICMSGTYPE_HEARTBEAT:
		return pkt->len >= MSG_HEADERS + sizeof(msg->heartbeat) &&
		       monitor_got_beat(m, msg);
	default:
		return false;
	}
}

/* ---- debugfs ---- */

static int monitor_show(struct seq_file *s, void *unused)
{
	static const char * const states[] = {
		[MONITOR_NEGOTIATING] = "negotiating",
		[MONITOR_BEATING] = "beating",
		[MONITOR_REFUSED] = "refused",
		[MONITOR_BROKEN] = "broken",
	};
	struct monitor *m = s->private;

	spin_lock(&m->lock);
	seq_printf(s, "relid: %u\n", vmbus_endpoint_relid(m->ep));
	seq_printf(s, "state: %s\n", states[m->state]);
	seq_printf(s, "framework: %u.%u\n", le16_to_cpu(m->framework.major),
		   le16_to_cpu(m->framework.minor));
	seq_printf(s, "message: %u.%u\n", le16_to_cpu(m->message.major),
		   le16_to_cpu(m->message.minor));
	seq_printf(s, "sent: %llu\n", m->sent);
	seq_printf(s, "answered: %llu\n", m->answered);
	seq_printf(s, "skipped: %llu\n", m->skipped);
	seq_printf(s, "bad: %llu\n", m->bad);
	spin_unlock(&m->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(monitor);

static void monitor_debugfs_add(struct monitor *m)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", m->id);
	m->file = debugfs_create_file(name, 0400, monitor_debugfs, m, &monitor_fops);
}

/* ---- The backend ---- */

static struct monitor *monitor_alloc(struct vmbus_endpoint *ep)
{
	struct monitor *m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);

	if (!m)
		return NULL;
	m->id = ida_alloc(&monitor_ids, GFP_KERNEL);
	if (m->id < 0) {
		kfree(m);
		return NULL;
	}
	m->ep = ep;
	spin_lock_init(&m->lock);
	INIT_DELAYED_WORK(&m->beat, monitor_beat);
	return m;
}

static void monitor_free(struct monitor *m)
{
	ida_free(&monitor_ids, m->id);
	kfree(m);
}

static int heartbeat_open(struct vmbus_endpoint *ep)
{
	struct monitor *m = monitor_alloc(ep);
	int ret;

	if (!m)
		return -ENOMEM;
	ret = monitor_negotiate(m);
	if (ret) {
		monitor_free(m);
		return ret;
	}
	vmbus_endpoint_set_data(ep, m);
	monitor_debugfs_add(m);
	return 0;
}

static void heartbeat_close(struct vmbus_endpoint *ep)
{
	struct monitor *m = vmbus_endpoint_data(ep);

	debugfs_remove(m->file);
	cancel_delayed_work_sync(&m->beat);
	monitor_free(m);
}

static void heartbeat_kick(struct vmbus_endpoint *ep)
{
	struct monitor *m = vmbus_endpoint_data(ep);
	struct vmbus_packet pkt;
	int ret;

	spin_lock(&m->lock);
	while (m->state != MONITOR_BROKEN) {
		ret = vmbus_endpoint_recv(ep, &pkt, m->buf, sizeof(m->buf));
		if (ret == -EAGAIN)
			break;
		if (ret || (!monitor_got(m, &pkt) && ++m->bad == HEARTBEAT_MAX_BAD))
			m->state = MONITOR_BROKEN;
	}
	spin_unlock(&m->lock);
}

static struct vmbus_backend heartbeat_backend = {
	.owner = THIS_MODULE,
	.name = KBUILD_MODNAME,
	.if_type = GUID_INIT(0x57164f39, 0x9115, 0x4e78,
			     0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5, 0x42, 0x2d),
	.offer = {
		.flags = VMBUS_OFFER_NAMED_PIPE_MODE,
		.user = { VMBUS_OFFER_PIPE_MESSAGES },
	},
	.open = heartbeat_open,
	.close = heartbeat_close,
	.kick = heartbeat_kick,
};

static int __init heartbeat_init(void)
{
	int ret;

	monitor_wq = alloc_workqueue("vmbus_heartbeat", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!monitor_wq)
		return -ENOMEM;
	monitor_debugfs = debugfs_create_dir("vmbus_heartbeat", NULL);
	ret = vmbus_backend_register(&heartbeat_backend);
	if (ret) {
		debugfs_remove_recursive(monitor_debugfs);
		destroy_workqueue(monitor_wq);
	}
	return ret;
}

static void __exit heartbeat_exit(void)
{
	vmbus_backend_unregister(&heartbeat_backend);
	debugfs_remove_recursive(monitor_debugfs);
	destroy_workqueue(monitor_wq);
}

module_init(heartbeat_init);
module_exit(heartbeat_exit);

MODULE_DESCRIPTION("Host side of the VMBus heartbeat integration component");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_ALIAS_VMBUS_BACKEND("57164f39-9115-4e78-ab55-382f3bd5422d");
