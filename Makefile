# SPDX-License-Identifier: GPL-2.0-only
#
# The front door: `make help`. What is built stands in Kbuild.

KDIR ?= /lib/modules/$(or $(KVER),$(shell uname -r))/build

.DEFAULT_GOAL := modules

include packaging/install.mk

modules modules_install clean: $(KDIR)/Makefile
	$(MAKE) -C $(KDIR) M=$(CURDIR) $@

$(KDIR)/Makefile:
	@echo "There are no kernel headers in $(KDIR)." >&2
	@echo "  next: install linux-headers for this kernel, or give KDIR=," >&2
	@echo "        for example: make KDIR=\$$(scripts/kernel.sh stock)/build" >&2
	@false

# Tests and demo bring their own kernels: nothing is loaded on this machine
demo:
	scripts/demo.sh

demo-disk:
	scripts/demo-disk.sh

# QEMU with the devices of tools/qemu, of Debian's source; QEMU_VERSION=7.2, 10.0 or newest
qemu:
	scripts/qemu-build.sh show $(QEMU_VERSION)

demo-qemu:
	QEMU_VERSION=$(QEMU_VERSION) scripts/demo-qemu.sh

# sg3-utils in a guest ask one disk by vmbus_scsi and by vhost-scsi
sg3:
	scripts/demo-qemu.sh sg3

bench-disk:
	scripts/bench-disk.sh

# fio in a nested guest, on three disks
bench-disk-nested:
	scripts/bench-disk.sh nested

check:
	scripts/check.sh

check-full:
	scripts/check.sh full

# One stage; scripts/check.sh has the list
static tools wire kunit selftest iommu proof model fault nested coverage:
	scripts/check.sh $@

fuzz:
	scripts/fuzz.sh $(SECONDS)

check-newest check-old check-arm64 check-fresh:
	scripts/check.sh $(@:check-%=%)

stress:
	STRESS_SECONDS=$(SECONDS) scripts/selftest.sh stress_test

bench:
	scripts/bench.sh

bench-wall:
	scripts/bench.sh wall

mutants:
	scripts/mutants.sh

# The kernel's own extension for Sphinx takes the comments out of the sources
htmldocs:
	@command -v sphinx-build >/dev/null && command -v dot >/dev/null || { \
		echo "sphinx-build or dot is missing" >&2; \
		echo "  next: apt-get install python3-sphinx graphviz" >&2; exit 1; }
	KSRC=$$(scripts/kernel.sh source) sphinx-build -q -W --keep-going -b html \
		Documentation out/html
	@echo "out/html/index.html"

distclean:
	rm -rf out

help:
	@echo "Everyday:"
	@echo "  make [KDIR=dir]   build the modules, against the running kernel if not told"
	@echo "  make clean"
	@echo
	@echo "Install (DESTDIR, PREFIX=/usr/local):"
	@echo "  make install      modules, headers for backends and VMMs, udev rule, tools, manual"
	@echo "  make uninstall    take all of it away"
	@echo "  make install-dkms the sources, for DKMS to build with each new kernel"
	@echo "  make deb          packages for Debian, in out/deb"
	@echo
	@echo "The whole of it, in virtual machines (nothing is loaded on this machine):"
	@echo "  make demo         boot a stock guest whose GPADLs the modules map"
	@echo "  make qemu         build QEMU with these devices; QEMU_VERSION=7.2, 10.0, newest"
	@echo "  make demo-qemu    that QEMU: disks come and go, resets, hot plug; it is killed"
	@echo "  make demo-disk    a disk for a stock guest: ext4, trim, hot plug; VMM killed, unplugged"
	@echo "  make sg3          sg3-utils in a guest ask one disk by vmbus_scsi and by vhost-scsi"
	@echo "  make check        every test; ends with 'N passed, N failed'"
	@echo
	@echo "One stage of make check:"
	@echo "  make static       compiler warnings, sparse, checkpatch, kernel-doc, ..."
	@echo "  make tools        gpadlctl: hostile text, under AddressSanitizer; JSON, manual"
	@echo "  make wire         the wire format in user space, under AddressSanitizer"
	@echo "  make kunit        KUnit on a kernel with KASAN, lockdep and kmemleak"
	@echo "  make selftest     the uAPI's tests on Debian's own kernel"
	@echo "  make iommu        a device does DMA on mappings, behind an IOMMU"
	@echo "  scripts/check.sh bench  is a map as fast as it was?"
	@echo
	@echo "More, that make check leaves out:"
	@echo "  make fuzz [SECONDS=n]  fuzz the wire format, the disk's protocol, the device, packets, rings"
	@echo "  make proof        prove with Frama-C that it keeps to its memory"
	@echo "  make model        check every interleaving of tests/model with Spin"
	@echo "  make fault        let fail what can, one after the other, in each operation"
	@echo "  make nested       stock guests: sub-channels by uio; panics while a backend hangs"
	@echo "  make stress [SECONDS=n]  everything at once; CONFIG=debug or kcsan: that kernel"
	@echo "  make bench        what a map costs, in instructions, beside the kernel's own way"
	@echo "  make bench-wall   the same in time (ACCEL=kvm, or MACHINE=1: on this machine)"
	@echo "  make bench-disk   what a request to a disk costs the host, beside vhost-scsi"
	@echo "  make bench-disk-nested  the same two and virtio-blk, by fio in a stock guest: half an hour"
	@echo "  make coverage     what of the modules the tests reach; what not, and why"
	@echo "  make mutants      put faults into the code; does a test find each? Takes hours"
	@echo "  make check-newest, make check-old  the newest kernel in the archive; Debian's 6.1"
	@echo "  make check-full   these, but for what only measures; ends with 'N passed, N failed'"
	@echo "  make check-arm64  not in it: builds for arm64, and KUnit there, emulated"
	@echo "  make check-fresh  nor this: make demo, make check on fresh Debian 12 and 13: two hours"
	@echo
	@echo "  make htmldocs     Documentation/ as HTML, in out/html"
	@echo "  make distclean    remove what these leave in out/"
	@echo
	@echo "Kernels are kept in ~/.cache/vmbus_gpadl_map. scripts/README tells the rest."

.PHONY: modules modules_install clean demo demo-disk sg3 bench-disk bench-disk-nested qemu \
	demo-qemu check check-full check-newest check-old check-arm64 check-fresh static tools wire kunit \
	selftest iommu fuzz proof model fault nested stress bench bench-wall coverage mutants htmldocs \
	distclean help
