// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Linux boot protocol, Documentation/arch/x86/boot.rst: the kernel's 32-bit
 * entry point, which needs no firmware.
 *
 *	0x010000	boot_params ("zero page")
 *	0x020000	command line
 *	0x0e0000	ACPI tables, in what the memory map calls reserved
 *	0x100000	the kernel; it starts here
 *	top of memory	initramfs, below it as far as it reaches
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm.h"

#define BOOT_PARAMS	0x10000
#define COMMAND_LINE	0x20000
#define KERNEL		0x100000
#define SECTOR		512

static FILE *open_image(const char *path, size_t *size)
{
	FILE *f = fopen(path, "re");
	long end;

	if (!f)
		die_errno("%s", path);
	end = fseek(f, 0, SEEK_END) ? -1 : ftell(f);
	if (end < 0 || fseek(f, 0, SEEK_SET))
		die_errno("%s", path);
	*size = end;
	return f;
}

static void read_image(FILE *f, const char *path, uint64_t gpa, size_t size)
{
	void *where = vm_memory(gpa, size);

	if (!where)
		die("%s does not fit into %llu MiB of memory", path,
		    (unsigned long long)(vm.ram_size / MIB));
	if (fread(where, 1, size, f) != size)
		die("%s cannot be read", path);
}

static void load_kernel(struct boot_params *params, const char *path)
{
	struct setup_header *header = &params->hdr;
	uint8_t setup[2 * SECTOR] = { };
	size_t size, skip, len;
	FILE *f = open_image(path, &size);

	if (fread(setup, 1, sizeof(setup), f) != sizeof(setup) ||
	    memcmp(setup + 0x202, "HdrS", 4))
		die("%s is not a bzImage", path);
	/* The header says itself where it ends */
	len = 0x202 + setup[0x201] - 0x1f1;
	if (len > sizeof(*header))
		len = sizeof(*header);
	memcpy(header, setup + 0x1f1, len);
	if (header->version < 0x020c || !(header->loadflags & LOADED_HIGH))
		die("%s: its boot protocol is too old", path);

	skip = ((header->setup_sects ? header->setup_sects : 4) + 1) * SECTOR;
	if (size <= skip || fseek(f, skip, SEEK_SET))
		die("%s is cut short", path);
	read_image(f, path, KERNEL, size - skip);
	fclose(f);
}

static void load_initrd(struct boot_params *params, const char *path)
{
	uint64_t gpa;
	size_t size;
	FILE *f = open_image(path, &size);

	if (size > vm.ram_size / 2)
		die("%s is too large for %llu MiB of memory", path,
		    (unsigned long long)(vm.ram_size / MIB));
	gpa = (vm.ram_size - size) & ~(MIB - 1);
	read_image(f, path, gpa, size);
	fclose(f);
	params->hdr.ramdisk_image = gpa;
	params->hdr.ramdisk_size = size;
}

static void add_memory(struct boot_params *params, uint64_t from, uint64_t to,
		       uint32_t type)
{
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry) {
		.addr = from,
		.size = to - from,
		.type = type,
	};
}

void boot_load(const struct options *opt)
{
	enum { RAM = 1, RESERVED = 2 };
	struct boot_params *params = vm_memory(BOOT_PARAMS, sizeof(*params));
	const size_t append_size = strlen(opt->append) + 1;

	if (append_size > 2048)
		die("--append: longer than 2047 characters");
	memcpy(vm_memory(COMMAND_LINE, append_size), opt->append, append_size);

	load_kernel(params, opt->kernel);
	if (opt->initrd)
		load_initrd(params, opt->initrd);
	params->hdr.type_of_loader = 0xff;
	params->hdr.cmd_line_ptr = COMMAND_LINE;
	params->acpi_rsdp_addr = acpi_write();
	add_memory(params, 0, 0x9fc00, RAM);
	add_memory(params, 0xe0000, 0x100000, RESERVED);
	add_memory(params, 0x100000, vm.ram_size, RAM);
}
