#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: load the modules, run each program of /tests, in which what is allocated
# fails; send what it says. After all nothing may be pinned, and nothing leaked.

. /lib.sh

mount -t configfs configfs /sys/kernel/config || fail "no configfs"

spare_no_allocation
load_all
run_programs
end_clean

exit $failed
