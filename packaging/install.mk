# SPDX-License-Identifier: GPL-2.0-only
#
# make install, make uninstall, make install-dkms, make deb. DESTDIR goes before every
# path; PREFIX is /usr/local if not told.

PREFIX ?= /usr/local
VERSION := $(shell cat VERSION)
INSTALL ?= install
# The kernel that KDIR is of
KERNELRELEASE_OF_KDIR = $(shell $(MAKE) -s -C $(KDIR) kernelrelease)

share := $(DESTDIR)$(PREFIX)/share/vmbus-gpadl
man := $(DESTDIR)$(PREFIX)/share/man
modules_dir := updates/vmbus-gpadl

# Whoever compiles a VMM
install-uapi:
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/include/linux $(DESTDIR)$(PREFIX)/share/pkgconfig
	$(INSTALL) -m 644 include/uapi/linux/*.h $(DESTDIR)$(PREFIX)/include/linux/
	sed 's,@PREFIX@,$(PREFIX),; s,@VERSION@,$(VERSION),' packaging/vmbus-gpadl.pc.in \
		> $(DESTDIR)$(PREFIX)/share/pkgconfig/vmbus-gpadl.pc

# Whoever compiles a backend
install-kernel-headers:
	$(INSTALL) -d $(share)/include/linux $(share)/include/uapi/linux
	$(INSTALL) -m 644 vmbus_gpadl_map.h $(share)/include/
	$(INSTALL) -m 644 include/linux/*.h $(share)/include/linux/
	$(INSTALL) -m 644 include/uapi/linux/*.h $(share)/include/uapi/linux/
	$(INSTALL) -m 644 packaging/backend.mk $(share)/

# Whoever runs it
install-host:
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/lib/udev/rules.d \
		$(DESTDIR)$(PREFIX)/lib/modules-load.d $(man)/man4
	$(INSTALL) -m 644 packaging/60-vmbus-gpadl.rules $(DESTDIR)$(PREFIX)/lib/udev/rules.d/
	$(INSTALL) -m 644 packaging/modules-load.conf \
		$(DESTDIR)$(PREFIX)/lib/modules-load.d/vmbus-gpadl.conf
	$(INSTALL) -m 644 packaging/vmbus-host.4 $(man)/man4/

install-tools:
	$(MAKE) -C tools/gpadlctl install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

install-modules: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=$(modules_dir) \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) modules_install
	$(INSTALL) -d $(share)/symvers/$(KERNELRELEASE_OF_KDIR)
	$(INSTALL) -m 644 Module.symvers $(share)/symvers/$(KERNELRELEASE_OF_KDIR)/

install: install-modules install-uapi install-kernel-headers install-host install-tools
	@echo
	@echo "Installed for Linux $(KERNELRELEASE_OF_KDIR). Now, or at the next boot:"
	@echo "  modprobe vmbus_host && udevadm control --reload && udevadm trigger /dev/vmbus-host"

# The modules of every kernel that they were installed for go
uninstall:
	for dir in $(DESTDIR)/lib/modules/*/$(modules_dir); do \
		[ -d $$dir ] || continue; \
		rm -r $$dir; \
		rmdir -p --ignore-fail-on-non-empty $${dir%/*}; \
		$(if $(DESTDIR),,release=$${dir#/lib/modules/}; depmod $${release%%/*};) \
	done
	for h in include/uapi/linux/*.h; do \
		rm -f $(DESTDIR)$(PREFIX)/include/linux/$${h##*/}; \
	done
	rm -f $(DESTDIR)$(PREFIX)/share/pkgconfig/vmbus-gpadl.pc \
		$(DESTDIR)$(PREFIX)/lib/udev/rules.d/60-vmbus-gpadl.rules \
		$(DESTDIR)$(PREFIX)/lib/modules-load.d/vmbus-gpadl.conf $(man)/man4/vmbus-host.4
	rm -rf $(share)
	$(MAKE) -C tools/gpadlctl uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	-rmdir --ignore-fail-on-non-empty -p $(DESTDIR)$(PREFIX)/include/linux \
		$(DESTDIR)$(PREFIX)/share/pkgconfig $(DESTDIR)$(PREFIX)/lib/udev/rules.d \
		$(DESTDIR)$(PREFIX)/lib/modules-load.d $(man)/man4 $(man)/man8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/sbin \
		2>/dev/null

# The sources, for DKMS to build against each kernel that comes
dkms_source := $(DESTDIR)/usr/src/vmbus-gpadl-$(VERSION)
dkms_files := COPYING Kbuild Makefile VERSION vmbus_gpadl_map.c vmbus_gpadl_map.h
dkms_dirs := gpadl host $(wildcard backends) include samples packaging

install-dkms:
	$(INSTALL) -d $(dkms_source)
	cp -r $(dkms_files) $(dkms_dirs) $(dkms_source)/
	rm -rf $(dkms_source)/packaging/debian
	find $(dkms_source) \( -name '*.o' -o -name '*.ko' -o -name '*.mod*' -o -name '.*.cmd' \
		-o -name '*.order' -o -name '*.symvers' \) -delete
	sed 's,#MODULE_VERSION#,$(VERSION),' packaging/dkms.conf.in > $(dkms_source)/dkms.conf
	@echo "next: dkms install vmbus-gpadl/$(VERSION)"

deb:
	scripts/deb.sh

.PHONY: install uninstall install-uapi install-kernel-headers install-host install-tools \
	install-modules install-dkms deb
