#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: load the modules, run each program of /tests, in which a device behind an
# IOMMU has a part; send what it says, unload the modules. After each nothing may be pinned.

. /lib.sh

load_all
run_programs
unload_all
check_pins "after the modules are gone"

exit $failed
