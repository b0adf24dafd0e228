// SPDX-License-Identifier: GPL-2.0
/*
 * The channels of a disk that tools/vmm offers, its code as it is: how many there are. No guest
 * runs; see loop_guest.h.
 */
#include <linux/vmbus_host_scsi.h>

#include "../../tools/vmm/channel.h"
#include "loop_guest.h"
#include "kselftest_harness.h"

/* What --disk makes of it for a machine of so many processors */
static unsigned int subchannels_of(const char *disk, unsigned int processors)
{
	const struct vmbus_host_scsi_config *config;
	struct channel *channel = NULL, *last = NULL;

	vm.nr_cpus = processors;
	kind_offer_disk(disk);
	while ((channel = channel_next(channel)))
		last = channel;
	config = last->config;
	return config->subchannels;
}

/* One for each four processors beyond the first, as Linux reckons with */
TEST(a_disk_has_few_subchannels)
{
	static const char disk[] = "naa.6001405000000001:1";

	EXPECT_EQ(0, subchannels_of(disk, 1));
	EXPECT_EQ(0, subchannels_of(disk, 2));
	EXPECT_EQ(0, subchannels_of(disk, 4));
	EXPECT_EQ(1, subchannels_of(disk, 5));
	EXPECT_EQ(1, subchannels_of(disk, 8));
	EXPECT_EQ(2, subchannels_of(disk, 9));
	EXPECT_EQ(3, subchannels_of(disk, 16));
	EXPECT_EQ(7, subchannels_of("naa.6001405000000001:1,subchannels=7", 2));
}

TEST_HARNESS_MAIN
