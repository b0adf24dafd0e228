// SPDX-License-Identifier: GPL-2.0-only
/*
 * The few devices that Linux cannot do without: a 16550A serial port, the clock's
 * registers, ACPI's power management block and the reset line of the keyboard
 * controller. A port where nothing is reads as all ones.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vmm.h"

#define PORT_SERIAL	0x3f8
#define PORT_RTC	0x70
#define PORT_KEYBOARD	0x64

/* ACPI's timer, ticks per second */
#define PM_TIMER_HZ	3579545ull

/* All that is below */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	bool empty_pending;		/* "transmitter empty" was not read yet */
	bool received;			/* the guest has not read @rbr yet */
	uint8_t rbr;
} serial;

static pthread_cond_t serial_was_read = PTHREAD_COND_INITIALIZER;

static struct {
	uint16_t enable;
} pm;

static uint8_t rtc_index;

enum { THR = 0, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };
enum { IER_RECEIVED = 1, IER_EMPTY = 2, LCR_DIVISOR = 0x80, FCR_ON = 1 };
enum { IIR_NONE = 1, IIR_EMPTY = 2, IIR_RECEIVED = 4, IIR_FIFO = 0xc0 };

static uint8_t serial_interrupt(void)
{
	if (serial.received && serial.ier & IER_RECEIVED)
		return IIR_RECEIVED;
	if (serial.empty_pending && serial.ier & IER_EMPTY)
		return IIR_EMPTY;
	return IIR_NONE;
}

static void serial_update(void)
{
	vm_irq(IRQ_SERIAL, serial_interrupt() != IIR_NONE);
}

/* Standard input, a character at a time */
static void *serial_thread(void *unused)
{
	uint8_t c;

	while (read(STDIN_FILENO, &c, 1) == 1) {
		pthread_mutex_lock(&lock);
		while (serial.received)
			pthread_cond_wait(&serial_was_read, &lock);
		serial.rbr = c;
		serial.received = true;
		serial_update();
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static uint8_t serial_receive(void)
{
	serial.received = false;
	serial_update();
	pthread_cond_signal(&serial_was_read);
	return serial.rbr;
}

static void serial_send(uint8_t c)
{
	/* Where the output goes nowhere the guest need not care */
	if (write(STDOUT_FILENO, &c, 1) < 0)
		return;
}

static void serial_out(unsigned int reg, uint8_t value)
{
	bool divisor = serial.lcr & LCR_DIVISOR;

	switch (reg) {
	case THR:
		if (divisor) {
			serial.dll = value;
			break;
		}
		serial_send(value);
		serial.empty_pending = true;
		break;
	case IER:
		if (divisor) {
			serial.dlm = value;
			break;
		}
		if (!(serial.ier & IER_EMPTY) && value & IER_EMPTY)
			serial.empty_pending = true;
		serial.ier = value & 0xf;
		break;
	case FCR:
		serial.fcr = value;
		break;
	case LCR:
		serial.lcr = value;
		break;
	case MCR:
		serial.mcr = value;
		break;
	case SCR:
		serial.scr = value;
		break;
	}
	serial_update();
}

static uint8_t serial_identify(void)
{
	uint8_t why = serial_interrupt();

	if (why == IIR_EMPTY) {
		serial.empty_pending = false;	/* this read clears it */
		serial_update();
	}
	return why | (serial.fcr & FCR_ON ? IIR_FIFO : 0);
}

static uint8_t serial_in(unsigned int reg)
{
	bool divisor = serial.lcr & LCR_DIVISOR;

	switch (reg) {
	case THR:
		return divisor ? serial.dll : serial_receive();
	case IER:
		return divisor ? serial.dlm : serial.ier;
	case FCR:
		return serial_identify();
	case LCR:
		return serial.lcr;
	case MCR:
		return serial.mcr;
	case LSR:
		return 0x60 | serial.received;	/* always ready to send */
	case MSR:
		return 0xb0;			/* somebody is there */
	default:
		return serial.scr;
	}
}

static uint8_t bcd(int n)
{
	return n / 10 % 10 << 4 | n % 10;
}

/* Without a clock Linux waits for one, for seconds */
static uint8_t rtc_in(uint8_t reg)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	switch (reg) {
	case 0x00: return bcd(tm.tm_sec);
	case 0x02: return bcd(tm.tm_min);
	case 0x04: return bcd(tm.tm_hour);
	case 0x06: return bcd(tm.tm_wday + 1);
	case 0x07: return bcd(tm.tm_mday);
	case 0x08: return bcd(tm.tm_mon + 1);
	case 0x09: return bcd(tm.tm_year);
	case 0x0a: return 0x26;			/* running, not being updated */
	case 0x0b: return 0x02;			/* BCD, 24 hours */
	case 0x0d: return 0x80;			/* the battery is fine */
	case 0x32: return bcd((tm.tm_year + 1900) / 100);
	default: return 0;
	}
}

static uint32_t pm_timer(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * PM_TIMER_HZ + now.tv_nsec * PM_TIMER_HZ / 1000000000;
}

static uint32_t pm_in(unsigned int reg)
{
	switch (reg) {
	case 0:					/* status and enable */
		return (uint32_t)pm.enable << 16;
	case 2:
		return pm.enable;
	case 4:					/* control: ACPI mode is on */
		return 1;
	case 8:
		return pm_timer();
	default:
		return 0;
	}
}

static void pm_out(unsigned int reg, unsigned int size, uint32_t value)
{
	enum { SLEEP = BIT(13) };

	if (reg == 0 && size == 4)
		pm.enable = value >> 16;
	else if (reg == 2)
		pm.enable = value;
	else if (reg == 4 && value & SLEEP && (value >> 10 & 7) == 5)
		exit(VMM_POWERED_OFF);		/* _S5 of the DSDT */
}

void port_out(uint16_t port, unsigned int size, uint32_t value)
{
	pthread_mutex_lock(&lock);
	if (port >= PORT_SERIAL && port < PORT_SERIAL + 8)
		serial_out(port - PORT_SERIAL, value);
	else if (port >= PORT_PM && port < PORT_PM + 12)
		pm_out(port - PORT_PM, size, value);
	else if (port == PORT_RTC)
		rtc_index = value & 0x7f;
	else if (port == PORT_KEYBOARD && (value & 0xff) == 0xfe)
		exit(VMM_RESET);
	pthread_mutex_unlock(&lock);
}

uint32_t port_in(uint16_t port, unsigned int size)
{
	uint32_t value = ~0u;

	(void)size;
	pthread_mutex_lock(&lock);
	if (port >= PORT_SERIAL && port < PORT_SERIAL + 8)
		value = serial_in(port - PORT_SERIAL);
	else if (port >= PORT_PM && port < PORT_PM + 12)
		value = pm_in(port - PORT_PM);
	else if (port == PORT_RTC + 1)
		value = rtc_in(rtc_index);
	else if (port == PORT_KEYBOARD)
		value = 0;			/* not busy */
	pthread_mutex_unlock(&lock);
	return value;
}

void devices_init(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, serial_thread, NULL);
	if (errno)
		die_errno("a thread for the console");
}
