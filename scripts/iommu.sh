#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Have a device do DMA on mappings, behind an IOMMU: QEMU's edu device and its Intel IOMMU,
# on Debian's own kernel, with the modules as they are shipped.
#
#	iommu.sh [PROGRAM [its arguments]]	for example: iommu.sh dma_test -t merged
#
# SERIES is that of selftest.sh. Logs stay in out/iommu-*/.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Strict: what is unmapped cannot be reached from that moment on
SUITE=iommu QEMU_ARGS="-machine q35 -device intel-iommu -device edu" \
	APPEND="intel_iommu=on iommu.strict=1" \
	exec "$top/scripts/selftest.sh" "$@"
