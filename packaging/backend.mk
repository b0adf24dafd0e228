# SPDX-License-Identifier: GPL-2.0-only
#
# For the Kbuild file of a backend outside this tree:
#
#	obj-m += my_backend.o
#	include /usr/share/vmbus-gpadl/backend.mk
#
# The headers, and the symbols of the modules that are installed for the kernel that it is
# built against: those of DKMS, or of `make install`.

vmbus-gpadl-dir := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

ccflags-y += -I$(vmbus-gpadl-dir)/include -I$(vmbus-gpadl-dir)/include/uapi
KBUILD_EXTRA_SYMBOLS += $(firstword $(wildcard \
	/var/lib/dkms/vmbus-gpadl/kernel-$(KERNELRELEASE)-*/symvers/Module.symvers \
	$(vmbus-gpadl-dir)/symvers/$(KERNELRELEASE)/Module.symvers))
