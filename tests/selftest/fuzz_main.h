/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only test of a fuzzer, which has life(), and has defined XXX_SEED(), for those of
 * fuzz_seeds.h that are its own, and FUZZ_KIND, what else its struct fuzz_kind begins with.
 */

static const struct fuzz_seed seeds[] = {
#include "fuzz_seeds.h"
};

static const struct fuzz_kind kind = {
	.life = life,
	.seeds = seeds,
	.nr_seeds = ARRAY_SIZE(seeds),
	FUZZ_KIND
};

FIXTURE(fuzz) {
};

FIXTURE_SETUP(fuzz)
{
}

FIXTURE_TEARDOWN(fuzz)
{
}

TEST_F_TIMEOUT(fuzz, lives, 24 * 3600)
{
	EXPECT_EQ(0, fuzz_run(&kind));
}
