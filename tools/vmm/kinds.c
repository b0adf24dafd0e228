// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of devices that can be offered, as the command line names them:
 *
 *	--offer heartbeat
 *	--offer crc,requests=16
 *	--offer 6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90,instance=GUID,config=HEX
 *	--disk naa.6001405deadbeef1:1,subchannels=3
 *
 * All that is here to know of one is its GUIDs and its configuration, which the backend's
 * own header declares.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/vmbus_host_scsi.h>

#include "channel.h"
#include "vmbus_crc.h"
#include "vmm.h"

enum { GUID_TEXT = 36 };

/* The detail's name and its value, "requests" and "16"; see details() */
typedef void detail_fn(struct channel *channel, const char *name, const char *value);

/**
 * struct kind - devices of one interface type
 * @name: by which --offer knows it
 * @module: its backend
 * @if_type: GUID, as in the offer
 * @if_instance: GUID of a device of which a guest has only one; all zero: any will do
 * @config: to begin with; or NULL, if it has none
 * @config_size: its length in bytes
 * @detail: set what a detail of the option says; or NULL, if there are none
 */
struct kind {
	const char *name;
	const char *module;
	uint8_t if_type[16];
	uint8_t if_instance[16];
	const void *config;
	size_t config_size;
	detail_fn *detail;
};

static unsigned long parse_number(const char *name, const char *value, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (end == value || *end || n > max)
		die("%s=%s: a number up to %lu is wanted", name, value, max);
	return n;
}

/* The order in which the wire has the bytes that the text names */
static bool parse_guid(const char *text, uint8_t guid[16])
{
	static const uint8_t place[16] = {
		3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15
	};
	const char *p = text;
	unsigned int i;
	int used;

	if (strspn(text, "0123456789abcdefABCDEF-") != GUID_TEXT || text[GUID_TEXT])
		return false;
	for (i = 0; i < 16; i++, p += 2) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (*p++ != '-')
				return false;
		used = 0;
		if (sscanf(p, "%2hhx%n", &guid[place[i]], &used) != 1 || used != 2)
			return false;
	}
	return true;
}

static void crc_detail(struct channel *channel, const char *name, const char *value)
{
	struct vmbus_crc_config *config = channel->config;

	if (strcmp(name, "requests"))
		die("%s=%s: requests is wanted", name, value);
	config->max_requests = parse_number(name, value, UINT32_MAX);
}

static void scsi_detail(struct channel *channel, const char *name, const char *value)
{
	struct vmbus_host_scsi_config *config = channel->config;

	if (!strcmp(name, "subchannels"))
		config->subchannels = parse_number(name, value, UINT16_MAX);
	else if (!strcmp(name, "transfer"))
		config->max_transfer_bytes = parse_number(name, value, UINT32_MAX);
	else
		die("%s=%s: subchannels or transfer is wanted", name, value);
}

static const struct vmbus_crc_config crc_config = {
	.size = sizeof(crc_config),
	.max_requests = 64,
};

static const struct vmbus_host_scsi_config scsi_config = {
	.size = sizeof(scsi_config),
};

static const struct kind kinds[] = { {
	.name = "heartbeat",		/* of the integration components */
	.module = "vmbus_heartbeat",
	.if_type = {			/* 57164f39-9115-4e78-ab55-382f3bd5422d */
		0x39, 0x4f, 0x16, 0x57, 0x15, 0x91, 0x78, 0x4e,
		0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5, 0x42, 0x2d },
	.if_instance = {		/* fd149e91-82e0-4a7d-afa6-2a4166cbd7c0 */
		0x91, 0x9e, 0x14, 0xfd, 0xe0, 0x82, 0x7d, 0x4a,
		0xaf, 0xa6, 0x2a, 0x41, 0x66, 0xcb, 0xd7, 0xc0 },
}, {
	.name = "crc",
	.module = "vmbus_crc",
	.if_type = VMBUS_CRC_IF_TYPE,
	.config = &crc_config,
	.config_size = sizeof(crc_config),
	.detail = crc_detail,
} };

static const struct kind disk = {
	.name = "disk",
	.module = "vmbus_scsi",
	.if_type = VMBUS_HOST_SCSI_IF_TYPE,
	.config = &scsi_config,
	.config_size = sizeof(scsi_config),
	.detail = scsi_detail,
};

/* Any other: that of a GUID */
static struct kind other;
static detail_fn other_detail;

static const struct kind *find_kind(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	other.detail = other_detail;
	return parse_guid(name, other.if_type) ? &other : NULL;
}

static void *duplicate(const void *what, size_t size)
{
	void *p = malloc(size);

	if (!p)
		die("no memory");
	return memcpy(p, what, size);
}

/* The configuration of a type that is not known here, as it is */
static void other_detail(struct channel *channel, const char *name, const char *value)
{
	uint8_t config[4096];
	size_t size = 0;
	int used = 2;

	if (strcmp(name, "config"))
		die("%s=%s: config=HEX is wanted", name, value);
	for (; *value && size < sizeof(config); value += 2) {
		if (sscanf(value, "%2hhx%n", &config[size++], &used) != 1 || used != 2)
			break;
	}
	if (*value || size < sizeof(uint32_t))
		die("config=%s: 4 to 4096 bytes in hexadecimal are wanted", value);
	channel->config = duplicate(config, size);
}

/* A device of that kind. If nothing says which instance, the same one each time */
static struct channel *add(const struct kind *kind)
{
	static const uint8_t none[16];
	struct channel *channel = channel_new(NULL, 0);

	if (!channel)
		die("there are too many devices");
	memcpy(channel->if_type, kind->if_type, sizeof(channel->if_type));
	memcpy(channel->if_instance, kind->if_instance, sizeof(channel->if_instance));
	if (!memcmp(kind->if_instance, none, sizeof(none))) {
		memcpy(channel->if_instance, kind->if_type, sizeof(channel->if_instance));
		channel->if_instance[14] = 0xff;
		channel->if_instance[15] = channel->relid;
	}
	channel->module = kind->module;
	if (kind->config)
		channel->config = duplicate(kind->config, kind->config_size);
	return channel;
}

/* NAME=VALUE of an option, those after its first comma */
static void details(struct channel *channel, const struct kind *kind, char *rest)
{
	char *name, *value;

	while ((name = strsep(&rest, ","))) {
		value = strchr(name, '=');
		if (!value)
			die("'%s': NAME=VALUE is wanted", name);
		*value++ = '\0';
		if (!strcmp(name, "instance")) {
			if (!parse_guid(value, channel->if_instance))
				die("instance=%s: a GUID is wanted", value);
		} else if (kind->detail) {
			kind->detail(channel, name, value);
		} else {
			die("%s=%s: such a device has only an instance", name, value);
		}
	}
}

/* --offer */
void kind_offer(const char *what)
{
	char *rest = duplicate(what, strlen(what) + 1);
	const char *name = strsep(&rest, ",");
	const struct kind *kind = find_kind(name);

	if (!kind)
		die("--offer %s: heartbeat, crc or the GUID of an interface type is wanted",
		    what);
	details(add(kind), kind, rest);
}

/*
 * Linux reckons with one for each four processors beyond the first (its parameter
 * storvsc_vcpus_per_sub_channel), and sends a request by a channel that interrupts another
 * processor, if there is one. A guest of few has that woken for each request that it waits for.
 */
static uint16_t default_subchannels(void)
{
	return (vm.nr_cpus - 1) / 4;
}

/* --disk: the names that the target has in configfs */
void kind_offer_disk(const char *what)
{
	char *rest = duplicate(what, strlen(what) + 1);
	char *wwpn = strsep(&rest, ",");
	char *tag = strrchr(wwpn, ':');
	struct vmbus_host_scsi_config *config;
	struct channel *channel;

	if (!tag || tag == wwpn || tag - wwpn >= VMBUS_HOST_SCSI_WWPN_MAX)
		die("--disk %s: TARGET:PORTAL-GROUP is wanted, as in naa.6001405deadbeef1:1",
		    what);
	*tag++ = '\0';
	channel = add(&disk);
	config = channel->config;
	memcpy(config->wwpn, wwpn, strlen(wwpn));
	config->tpgt = parse_number("--disk: the portal group", tag, UINT16_MAX);
	config->subchannels = default_subchannels();
	details(channel, &disk, rest);
}
