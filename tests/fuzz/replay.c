// SPDX-License-Identifier: GPL-2.0
/*
 * Gives files to the fuzzer's entry, without the fuzzer: for the corpus in make check,
 * and for coverage.
 *
 *	replay FILE...
 */
#include "fuzz.h"

/* Longer than any input that the fuzzer makes. */
#define INPUT_MAX	(1024 * 1024)

static bool replay(const char *path)
{
	static u8 data[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t size;
	bool ok;

	if (!f)
		return false;
	size = fread(data, 1, sizeof(data), f);
	ok = !ferror(f);
	fclose(f);
	if (ok)
		fuzz_input(data, size);
	return ok;
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (replay(argv[i]))
			continue;
		printf("# cannot read %s\n", argv[i]);
		break;
	}
	printf("# %d inputs\n", i - 1);
	/* One that it does not agree on ends the program. */
	printf("%s 1 - corpus\n1..1\n", i == argc && argc > 1 ? "ok" : "not ok");
	return i != argc || argc == 1;
}
