// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI tables: the least that Linux wants (interrupt controllers, a way to power
 * off) and the VMBus device, by which it finds that there is a VMBus at all.
 */
#include <stdio.h>
#include <string.h>

#include "vmm.h"

#define TABLES		0xe0000
#define TABLES_SIZE	0x10000
#define LOCAL_APIC	0xfee00000u
#define IO_APIC		0xfec00000u

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __packed;

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t checksum_all;
	uint8_t reserved[3];
} __packed;

struct facs {
	char signature[4];
	uint32_t length;
	uint8_t zero[24];
	uint8_t version;
	uint8_t zero_too[31];
} __packed;

struct fadt {
	struct header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved;
	uint8_t profile;
	uint16_t sci_interrupt;
	uint32_t smi_command;		/* 0: ACPI mode is always on */
	uint8_t acpi_enable[4];
	uint32_t pm1a_event;
	uint32_t pm1b_event;
	uint32_t pm1a_control;
	uint32_t pm1b_control;
	uint32_t pm2_control;
	uint32_t pm_timer;
	uint32_t gpe[2];
	uint8_t pm1_event_len;
	uint8_t pm1_control_len;
	uint8_t pm2_control_len;
	uint8_t pm_timer_len;
	uint8_t gpe_len[2];
	uint8_t gpe1_base;
	uint8_t cst_control;
	uint16_t c2_latency;
	uint16_t c3_latency;
	uint16_t flush[2];
	uint8_t duty[2];
	uint8_t rtc[3];
	uint16_t boot_flags;
	uint8_t reserved2;
	uint32_t flags;
	uint8_t reset[15];
	uint8_t minor_version;
	uint64_t x_facs;
	uint64_t x_dsdt;
	uint8_t x_blocks[128];		/* 0: those above say it */
} __packed;

static_assert(sizeof(struct facs) == 64, "FACS");
static_assert(sizeof(struct fadt) == 276, "FADT of ACPI 6");

/*
 * Made of bytes so that building needs no ACPI compiler:
 *
 *	Name (\_S5, Package (4) { 5, 0, 0, 0 })
 *	Scope (\_SB) {
 *		Device (VMBS) {
 *			Name (_HID, "VMBus")
 *			Name (_UID, 0)
 *			Name (_STA, 15)
 *			Name (_CRS, ResourceTemplate () { IRQNoFlags () {5} })
 *		}
 *	}
 *
 * Compilers refuse this _HID, which has too few characters; guests look for it.
 */
static const uint8_t dsdt_code[] = {
	0x08, '\\', '_', 'S', '5', '_',			/* Name (\_S5 */
	0x12, 7, 4, 0x0a, 5, 0, 0, 0,			/*   Package (4) */
	0x10, 52, '\\', '_', 'S', 'B', '_',		/* Scope (\_SB) */
	0x5b, 0x82, 44, 'V', 'M', 'B', 'S',		/* Device (VMBS) */
	0x08, '_', 'H', 'I', 'D',			/* Name (_HID */
	0x0d, 'V', 'M', 'B', 'u', 's', 0,
	0x08, '_', 'U', 'I', 'D', 0,			/* Name (_UID */
	0x08, '_', 'S', 'T', 'A', 0x0a, 15,		/* Name (_STA */
	0x08, '_', 'C', 'R', 'S',			/* Name (_CRS */
	0x11, 8, 0x0a, 5,				/*   Buffer (5) */
	0x22, 1 << 5, 0, 0x79, 0,			/*   IRQ 5, end tag */
};

static uint64_t next_free;

static void *allocate(size_t size, uint64_t *gpa)
{
	*gpa = (next_free + 63) & ~63ull;
	next_free = *gpa + size;
	if (next_free > TABLES + TABLES_SIZE)
		die("the ACPI tables do not fit");
	return memset(vm_memory(*gpa, size), 0, size);
}

static uint8_t checksum(const void *p, size_t len)
{
	const uint8_t *bytes = p;
	uint8_t sum = 0;

	while (len--)
		sum -= *bytes++;
	return sum;
}

/* The last thing to do to a table */
static void finish(struct header *header, const char *signature, uint8_t revision,
		   size_t length)
{
	memcpy(header->signature, signature, 4);
	header->length = length;
	header->revision = revision;
	memcpy(header->oem_id, "GPADL ", 6);
	memcpy(header->oem_table_id, "VMM     ", 8);
	memcpy(header->creator_id, "VMM ", 4);
	header->checksum = 0;
	header->checksum = checksum(header, length);
}

static uint64_t write_dsdt(void)
{
	const size_t length = sizeof(struct header) + sizeof(dsdt_code);
	uint64_t gpa;
	struct header *header = allocate(length, &gpa);

	memcpy(header + 1, dsdt_code, sizeof(dsdt_code));
	finish(header, "DSDT", 2, length);
	return gpa;
}

static uint64_t write_facs(void)
{
	uint64_t gpa;
	struct facs *facs = allocate(sizeof(*facs), &gpa);

	memcpy(facs->signature, "FACS", 4);
	facs->length = sizeof(*facs);
	facs->version = 2;
	return gpa;
}

static uint64_t write_fadt(void)
{
	uint64_t gpa;
	struct fadt *fadt = allocate(sizeof(*fadt), &gpa);

	fadt->facs = write_facs();
	fadt->dsdt = write_dsdt();
	fadt->x_dsdt = fadt->dsdt;
	fadt->sci_interrupt = IRQ_SCI;
	fadt->pm1a_event = PORT_PM;
	fadt->pm1_event_len = 4;
	fadt->pm1a_control = PORT_PM + 4;
	fadt->pm1_control_len = 2;
	fadt->pm_timer = PORT_PM + 8;
	fadt->pm_timer_len = 4;
	fadt->c2_latency = 0xffff;	/* not there */
	fadt->c3_latency = 0xffff;
	/* Legacy devices, but no VGA, MSI or RTC alarm. Not "hardware-reduced":
	 * that would take the serial port's interrupt away.
	 */
	fadt->boot_flags = BIT(0) | BIT(2) | BIT(3) | BIT(5);
	/* WBINVD; C1; no power and sleep button; the timer has 32 bits */
	fadt->flags = BIT(0) | BIT(2) | BIT(4) | BIT(5) | BIT(8);
	finish(&fadt->header, "FACP", 6, sizeof(*fadt));
	return gpa;
}

static uint8_t *put(uint8_t *p, uint64_t value, size_t size)
{
	memcpy(p, &value, size);
	return p + size;
}

static uint8_t *put_override(uint8_t *p, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	p = put(p, 2 | 10 << 8, 2);	/* interrupt source override, 10 bytes */
	p = put(p, 0, 1);		/* ISA */
	p = put(p, irq, 1);
	p = put(p, gsi, 4);
	return put(p, flags, 2);
}

static uint64_t write_madt(void)
{
	uint64_t gpa;
	uint8_t *madt = allocate(sizeof(struct header) + 40 + 8 * MAX_CPUS, &gpa);
	uint8_t *p = madt + sizeof(struct header);
	unsigned int i;

	p = put(p, LOCAL_APIC, 4);
	p = put(p, 1, 4);			/* there is a PIC too */
	for (i = 0; i < vm.nr_cpus; i++) {
		p = put(p, 0 | 8 << 8, 2);	/* local APIC, 8 bytes */
		p = put(p, i, 1);		/* ACPI's id */
		p = put(p, i, 1);		/* APIC's id */
		p = put(p, 1, 4);		/* usable */
	}
	p = put(p, 1 | 12 << 8, 2);		/* IOAPIC, 12 bytes */
	p = put(p, vm.nr_cpus, 2);		/* id */
	p = put(p, IO_APIC, 4);
	p = put(p, 0, 4);			/* first GSI */
	p = put_override(p, 0, 2, 0);
	p = put_override(p, IRQ_SCI, IRQ_SCI, 0xd);	/* active high, level */
	finish((struct header *)madt, "APIC", 5, p - madt);
	return gpa;
}

/* Return: the guest physical address of the root pointer */
uint64_t acpi_write(void)
{
	const size_t xsdt_len = sizeof(struct header) + 2 * sizeof(uint64_t);
	struct header *xsdt;
	struct rsdp *rsdp;
	uint64_t gpa, xsdt_gpa, tables[2];

	next_free = TABLES;
	rsdp = allocate(sizeof(*rsdp), &gpa);
	tables[0] = write_fadt();
	tables[1] = write_madt();
	xsdt = allocate(xsdt_len, &xsdt_gpa);
	memcpy(xsdt + 1, tables, sizeof(tables));
	finish(xsdt, "XSDT", 1, xsdt_len);

	memcpy(rsdp->signature, "RSD PTR ", 8);
	memcpy(rsdp->oem_id, "GPADL ", 6);
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = xsdt_gpa;
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->checksum_all = checksum(rsdp, sizeof(*rsdp));
	return gpa;
}
