// SPDX-License-Identifier: GPL-2.0-only
/* Options, and the order in which things are set up. See vmm.h for the rest. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm.h"

static const char usage[] =
"Usage: vmm --kernel bzImage [options]\n"
"Boot a Linux guest on KVM with a VMBus whose devices are in the host's kernel.\n"
"The guest's console is standard input and output.\n"
"\n"
"  --kernel FILE         bzImage\n"
"  --initrd FILE         initramfs\n"
"  --append STRING       kernel command line (console=ttyS0)\n"
"  --memory MIB          guest memory, 64 to 3072 (512)\n"
"  --memory-kind KIND    what it is made of: anon, shmem, thp or hugetlb (anon)\n"
"  --cpus N              virtual processors, 1 to 16 (1)\n"
"  --vmbus-version M.N   refuse newer VMBus versions: 3.0, 4.0, 4.1, 5.0 to 5.3 (5.3)\n"
"  --offer DEVICE        offer the guest a device, as often as there are to be devices:\n"
"                            heartbeat\n"
"                            crc[,requests=N]\n"
"                            GUID[,config=HEX], any interface type, its configuration\n"
"                        each with ,instance=GUID or without (heartbeat, if nothing is said)\n"
"  --disk WWPN:TAG[,subchannels=N][,transfer=BYTES][,instance=GUID]\n"
"                        offer a SCSI controller: that portal group of that target in\n"
"                        /sys/kernel/config/target/vmbus; with N sub-channels, if\n"
"                        the guest wants them (one for each four processors beyond the first)\n"
"  --control FILE        a FIFO that commands come from, a line each: 'unplug N' takes the\n"
"                        N-th device away from the guest, 'rescind N' without waiting\n"
"                        for the guest to let go, 'plug N' offers it again\n"
"  --trace FILE          write each VMBus message there in words, - for standard error\n"
"  --device FILE         (/dev/vmbus-host)\n"
"  --help\n"
"\n"
"Exit status: 0 the guest powered off, 1 something failed, 2 the guest reset itself.\n";

static const struct option option_names[] = {
	{ "kernel", required_argument, NULL, 'k' },
	{ "initrd", required_argument, NULL, 'i' },
	{ "append", required_argument, NULL, 'a' },
	{ "memory", required_argument, NULL, 'm' },
	{ "memory-kind", required_argument, NULL, 'M' },
	{ "cpus", required_argument, NULL, 'c' },
	{ "vmbus-version", required_argument, NULL, 'v' },
	{ "offer", required_argument, NULL, 'o' },
	{ "disk", required_argument, NULL, 'D' },
	{ "control", required_argument, NULL, 'C' },
	{ "trace", required_argument, NULL, 't' },
	{ "device", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static uint64_t parse_number(const char *name, const char *arg, uint64_t min,
			     uint64_t max)
{
	char *end;
	unsigned long long n = strtoull(arg, &end, 10);

	if (end == arg || *end || n < min || n > max)
		die("--%s %s: a number from %llu to %llu is wanted", name, arg,
		    (unsigned long long)min, (unsigned long long)max);
	return n;
}

static uint32_t parse_version(const char *arg)
{
	unsigned int major, minor;
	char rest;

	if (sscanf(arg, "%u.%u%c", &major, &minor, &rest) != 2 || major > 0xff ||
	    minor > 0xff)
		die("--vmbus-version %s: something like 5.3 is wanted", arg);
	return major << 16 | minor;
}

static void add_offer(struct options *opt, const char *what, bool is_disk)
{
	if (opt->nr_offers == MAX_DEVICES)
		die("there are more than %u devices", MAX_DEVICES);
	opt->is_disk[opt->nr_offers] = is_disk;
	opt->offers[opt->nr_offers++] = what;
}

/* What one option says; @c is its letter in option_names */
static void set_option(struct options *opt, int c, const char *arg)
{
	switch (c) {
	case 'k':
		opt->kernel = arg;
		break;
	case 'i':
		opt->initrd = arg;
		break;
	case 'a':
		opt->append = arg;
		break;
	case 'm':
		opt->memory = MIB * parse_number("memory", arg, 64, MAX_MEMORY / MIB);
		break;
	case 'M':
		opt->memory_kind = arg;
		break;
	case 'c':
		opt->cpus = parse_number("cpus", arg, 1, MAX_CPUS);
		break;
	case 'v':
		opt->vmbus_version = parse_version(arg);
		break;
	case 'o':
	case 'D':
		add_offer(opt, arg, c == 'D');
		break;
	case 'C':
		opt->control = arg;
		break;
	case 't':
		opt->trace = arg;
		break;
	case 'd':
		opt->device = arg;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		exit(VMM_FAILED);
	}
}

static struct options parse_options(int argc, char **argv)
{
	struct options opt = {
		.append = "console=ttyS0",
		.memory_kind = "anon",
		.device = "/dev/vmbus-host",
		.memory = 512 * MIB,
		.cpus = 1,
		.vmbus_version = 5 << 16 | 3,
	};
	int c;

	while ((c = getopt_long(argc, argv, "", option_names, NULL)) != -1)
		set_option(&opt, c, optarg);
	if (optind != argc)
		die("what is '%s'? See vmm --help", argv[optind]);
	if (!opt.nr_offers)
		add_offer(&opt, "heartbeat", false);
	if (!opt.kernel)
		die("there is no --kernel. See vmm --help");
	return opt;
}

int main(int argc, char **argv)
{
	struct options opt = parse_options(argc, argv);
	unsigned int i;

	signal(SIGPIPE, SIG_IGN);	/* a console that nobody reads is no reason */
	if (opt.trace)
		trace_open(opt.trace);
	vm_create(opt.memory, opt.memory_kind, opt.cpus);
	for (i = 0; i < vm.nr_cpus; i++)
		cpu_create(i);
	vm_connect_cpus();
	boot_load(&opt);
	vmbus_init(&opt);
	devices_init();
	for (i = 0; i < vm.nr_cpus; i++)
		cpu_start(i);
	/* Whichever thread sees the guest's end calls exit() */
	for (i = 0; i < vm.nr_cpus; i++)
		pthread_join(vm.cpus[i].thread, NULL);
	return VMM_FAILED;
}
