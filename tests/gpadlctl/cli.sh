#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# gpadlctl on saved machines (--root): what it prints can be read by people, by Python's json,
# and by what reads Prometheus' text format.
#
#	cli.sh GPADLCTL DIRECTORY	TAP on stdout

# shellcheck disable=SC2317 # ok() calls the functions below

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/gpadlctl/lib.sh
. "$here/lib.sh"
version=$(cat "$here/../../VERSION")

# A host with two guests, one of which is stuck; a process that is none; a VMM that is gone;
# a disk
make_root()
{
	local core=$root/sys/kernel/config/target/core lun

	rm -rf "$root"
	mkdir -p "$root"/proc/{1,100,150,200,300,self}/{fd,fdinfo} "$root"/proc/sys/kernel "$root/dev" \
		"$root"/sys/module/{vmbus_gpadl/parameters,vmbus_host} \
		"$root"/sys/kernel/debug/vmbus_gpadl/{0,1,9}
	echo 6.12.0-test >"$root/proc/sys/kernel/osrelease"
	echo vmm >"$root/proc/100/comm"
	printf 'odd"name\\\n' >"$root/proc/200/comm"
	echo bash >"$root/proc/300/comm"
	echo helper >"$root/proc/150/comm"
	ln -s /dev/vmbus-host "$root/proc/100/fd/7"
	ln -s /dev/vmbus-host "$root/proc/100/fd/8"
	# One to whom the first has given its file
	ln -s /dev/vmbus-host "$root/proc/150/fd/7"
	ln -s /dev/vmbus-host "$root/proc/200/fd/3"
	ln -s /dev/null "$root/proc/300/fd/7"
	guest 0 100 | tee "$root/proc/100/fdinfo/7" >"$root/proc/150/fdinfo/7"
	printf 'pos:\t0\nvmbus-version:\t1\n' >"$root/proc/100/fdinfo/8"
	{
		guest 1 200
		printf 'vmbus-revoke:\trelid=3 handle=0xe1e11 why=teardown state=mapped armed=1 told=1 ms=42000 pages=8 backend=vmbus_scsi\n'
	} >"$root/proc/200/fdinfo/3"
	printf 'owner pid            0\npinned host pages    12\n' \
		>"$root/sys/kernel/debug/vmbus_gpadl/9/stats"
	printf '    3    0xe1e10 MAPPED     rw         8     1     1        1    17\n' \
		>"$root/sys/kernel/debug/vmbus_gpadl/9/gpadls"
	lun=$root/sys/kernel/config/target/vmbus/naa.5001405000000001/tpgt_1/lun/lun_0
	mkdir -p "$core/fileio_0/system" "$lun"
	echo /srv/system.img >"$core/fileio_0/system/udev_path"
	ln -s ../../../../../../core/fileio_0/system "$lun/system"
	mkdir "$lun/statistics"
}

# guest PARTITION PID: the text of an fdinfo
guest()
{
	printf 'pos:\t0\nvmbus-version:\t1\nvmbus-partition:\t%s\nvmbus-owner:\t%s\n' "$1" "$2"
	printf 'vmbus-regions:\t2\nvmbus-region-bytes:\t268435456\nvmbus-page-size:\t4096\n'
	printf 'vmbus-pinned-pages:\t9\nvmbus-rejects:\tquota=7 no_region=0\n'
	printf 'vmbus-channel:\trelid=3 primary=3 index=0 type=ba6163d9-04a1-4d29-b605-72e2ffb1dc7f instance=6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90 backend=vmbus_scsi state=open state-ms=5 callback=none kicks=11 received=100 received-bytes=6400 maps=3 mapped=1\n'
	printf 'vmbus-backend:\trelid=3 LUN 0 of naa.5001405: 3 "requests" \\ in flight\n'
}

# partition N OWNER: as debugfs shows it
partition()
{
	mkdir -p "$root/sys/kernel/debug/vmbus_gpadl/$1"
	printf 'owner pid            %s\npinned host pages    12\n' "$2" \
		>"$root/sys/kernel/debug/vmbus_gpadl/$1/stats"
	: >"$root/sys/kernel/debug/vmbus_gpadl/$1/gpadls"
}

# The disk that does not answer is what keeps it
requests_are_left()
{
	local place=$root/sys/kernel/debug/vmbus_gpadl/5

	partition 5 0
	echo "requests' host pages 2048" >>"$place/stats"
	printf 'relid    in-flight   most requests pages-each\n1                3     12      256        512\n' \
		>"$place/requests"
	says '^Partition 5: its VMM has ended; 12 host pages are still pinned, and 2048 for requests$' list
	says '^  channel 1: 3 requests are in flight: a disk, or its backstore, does not answer' list
	json '{o["partition"]: (o["request_pages"], o["in_flight"]) for o in d["orphans"]} == {5: (2048, 3), 9: (0, 0)}' list
	rm -r "$place"
}

# That it has the partition open cannot be seen, nor that it has not
owner_cannot_be_seen()
{
	partition 1 200
	hidden says '^Partition 1: process 200 made it; who has its file open cannot be seen$' list
	hidden json '[o["partition"] for o in d["orphans"]] == [9]' list
}

owner_has_closed_it()
{
	partition 5 300
	says '^Partition 5: its VMM has ended' list
	hidden says '^Partition 5: process 300 made it' list
	printf 'Name:\tvmm\nState:\tZ (zombie)\nThreads:\t1\n' >"$root/proc/300/status"
	hidden says '^Partition 5: its VMM has ended' list
	# Its first thread has ended, and others have not
	printf 'Name:\tvmm\nState:\tZ (zombie)\nThreads:\t2\n' >"$root/proc/300/status"
	hidden says '^Partition 5: process 300 made it' list
	rm -r "$root/sys/kernel/debug/vmbus_gpadl/5" "$root/proc/300/status"
}

# The process that made it was looked at before
made_meanwhile()
{
	local place=$root/sys/kernel/debug/vmbus_gpadl/5

	partition 5.late 0
	FAKE_LATE=$place json '[o["partition"] for o in d["orphans"]] == [9]' list
	[ -d "$place" ]
	json 'sorted(o["partition"] for o in d["orphans"]) == [5, 9]' list
	rm -r "$place"
}

many_orphans()
{
	local i

	for ((i = 1000; i < 1100; i++)); do
		partition "$i" 0
	done
	json 'len(d["orphans"]) == 101' list
	says '^Partition 1099: its VMM has ended' list
	rm -r "$root"/sys/kernel/debug/vmbus_gpadl/1???
}

metrics_can_be_read() { run metrics | python3 "$here/prometheus.py"; }

# check_advises CHECK TEXT NEXT: that check has failed, for that reason, and the next step is that
check_advises()
{
	{ run check || true; } | grep -A 1 -E "^FAILED +$1 +$2" | grep -E "^ +next: $3"
}

# This machine, not a copy, has a KVM that says no to each question, as one that was built without
kvm_without_hyper_v()
{
	FAKE_KVM=/dev/null root='' check_advises hyper-v \
		'KVM lacks HYPERV .*: a guest finds no VMBus' 'a kernel with CONFIG_KVM_HYPERV=y'
}

# copy_runs RELEASE PATTERN: what check says of a copy of a machine with that kernel
copy_runs()
{
	local file=$root/proc/sys/kernel/osrelease before status=0

	before=$(cat "$file")
	echo "$1" >"$file"
	says "$2" check || status=1
	echo "$before" >"$file"
	return "$status"
}

copy_without_release()
{
	local file=$root/proc/sys/kernel/osrelease status=0

	mv "$file" "$file.away"
	says '^warning +kernel +the copy does not say of which kernel it is$' check || status=1
	mv "$file.away" "$file"
	return "$status"
}

# What this machine's KVM can do, what this user may open, and the limits of this process are nothing
# that it has
only_what_a_copy_tells()
{
	local status=0

	install -m 660 /dev/null "$root/dev/kvm"
	install -m 660 /dev/null "$root/dev/vmbus-host"
	FAKE_LOCKED=/dev/vmbus-host json '{c["name"]: c["status"] for c in d["checks"]} == {"kernel": "ok", "kvm": "ok", "modules": "ok", "device": "ok", "disks": "warning", "tracing": "warning"} and d["ready"]' check || status=1
	rm "$root"/dev/{kvm,vmbus-host}
	says '^A copy of a machine does not tell what its KVM can do' check
	return "$status"
}

# loaded VERSION PATTERN: what check says of modules of that version
loaded()
{
	local status=0

	echo "$1" >"$root/sys/module/vmbus_gpadl/version"
	says "$2" check || status=1
	rm "$root/sys/module/vmbus_gpadl/version"
	return "$status"
}

# hidden COMMAND...: with another user's process
hidden() { FAKE_SECRET=/proc/200/fd "$@"; }

# As for root without CAP_SYS_PTRACE, who may read the directory: two files of one process
hidden_links() { FAKE_SECRET_LINKS=/proc/100/fd/ "$@"; }

# hidepid=2: not even init is there
hidepid()
{
	local status=0

	rmdir "$root"/proc/1/{fd,fdinfo} "$root/proc/1"
	"$@" || status=1
	mkdir -p "$root"/proc/1/{fd,fdinfo}
	return "$status"
}

hidden_processes()
{
	hidepid says '^Processes of other users are hidden' list
	hidepid json 'd["unreadable_processes"] == 1' list
	says '^ +1 +200 ' list
}

# ended_by SIGNAL: a trace that goes on until somebody ends it leaves nothing in tracefs
ended_by()
{
	local instances=$root/sys/kernel/tracing/instances pid status=0 i

	mkdir -p "$instances"
	# Whoever runs this may ignore it: nohup does, and a shell for what is in the background
	env --default-signal="$1" "$gpadlctl" --root "$root" trace >/dev/null &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		grep -qs 1 "$instances"/*/events/vmbus_host/vmbus_host_send/enable && break
		sleep 0.1
	done
	kill -s "$1" "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 0 ]
	[ -z "$(ls "$instances")" ]
}

# The reader of what is written has gone, or there is no room: the file ends, and so does that
cannot_be_written()
{
	local status=0

	mkdir -p "$root/sys/kernel/tracing/instances"
	FAKE_EVENT=$here/trace.txt timeout 20 "$gpadlctl" --root "$root" trace >/dev/full ||
		status=$?
	[ "$status" -eq 1 ]
	[ -z "$(ls "$root/sys/kernel/tracing/instances")" ]
}

# Also when it does not begin with a second of the clock, upon which the first one would end
at_least_its_seconds()
{
	local begin

	mkdir -p "$root/sys/kernel/tracing/instances"
	run trace --seconds 0.1
	sleep 0.4
	begin=${EPOCHREALTIME/./}
	run trace --seconds 1
	[ $((${EPOCHREALTIME/./} - begin)) -ge 1000000 ]
}

instance_is_there()
{
	mkdir -p "$root/sys/kernel/tracing/instances"
	FAKE_THERE=1 says '^  next: rmdir /sys/kernel/tracing/instances/gpadlctl\.' trace
	FAKE_THERE=1 refuses 'cannot trace: .*: File exists' trace
}

no_trace_pipe()
{
	mkdir -p "$root/sys/kernel/tracing/instances"
	FAKE_NO_PIPE=1 refuses 'cannot read the trace: No such file' trace
	[ -z "$(ls "$root/sys/kernel/tracing/instances")" ]
}

ends_with_q()
{
	local said

	said=$({ sleep 2.5; printf q; sleep 1; } |
		timeout 20 script -qec "$gpadlctl --root $root top" /dev/null)
	grep -a "every second; q ends" <<<"$said"
}

live_does_not_see_all()
{
	local said

	said=$({ sleep 2.5; printf q; sleep 1; } |
		FAKE_SECRET=/proc/200/fd timeout 20 script -qec "$gpadlctl --root $root top" /dev/null)
	grep -a "q ends; 1 processes of other users not seen" <<<"$said"
}

# While it looks, a guest comes whose fdinfo is another version's: said on the screen of before
top_cannot_go_on()
{
	local said status=0

	printf 'vmbus-version:\t2\n' >"$root/proc/300/fdinfo/7"
	said=$({ sleep 2.5; ln -sfn /dev/vmbus-host "$root/proc/300/fd/7"; sleep 3; printf q; sleep 1; } |
		timeout 20 script -qec "$gpadlctl --root $root top" /dev/null) || status=$?
	ln -sfn /dev/null "$root/proc/300/fd/7"
	rm "$root/proc/300/fdinfo/7"
	[ "$status" -eq 1 ]
	grep -a "cannot look at the processes: Protocol error" <<<"${said##*1049l}"
}

# as_documented COMMAND [ARGUMENT]...: the keys are those that the manual names
as_documented()
{
	{ run --json "$@" 2>/dev/null || true; } | "$here/schema.py" "$here/../../tools/gpadlctl/gpadlctl.8" \
		"$here/../../Documentation/fdinfo.rst" "$(command_of "$@")"
}

command_of() { [ "$1" = disk ] && echo "disk $2" || echo "$1"; }

make_root
ok "list: a guest that is well" says '^ +0 +100 vmm +256 MiB +36 KiB +1 of 1 .*well$' list
ok "list: one that is stuck" says '^ +1 +200 odd"name\\ .*1 stuck: gpadlctl show 1$' list
ok "list: a file that is no guest yet" says '100 vmm +not a guest yet$' list
ok "list: a guest whose file two processes have" \
	json '[g["pid"] for g in d["guests"] if g["partition"] == 0 and g["is_partition"]] == [100]' list
ok "list: a VMM that has ended" says '^Partition 9: its VMM has ended; 12 host pages' list
ok "list: what that holds" says 'GPADL 0xe1e10, channel 3: mapped for 17 s' list
ok "list: one with requests that are under way" requests_are_left
ok "list: a partition whose owner cannot be looked at" owner_cannot_be_seen
ok "list: one whose owner lives" owner_has_closed_it
ok "list: one that was made meanwhile" made_meanwhile
ok "list: all that are left, however many" many_orphans
ok "show: by partition" says '^Partition 1: process 200' show 1
ok "show: by process" says '^Partition 1: process 200' show 200
ok "show: what is stuck, in plain words" \
	says 'GPADL 0xe1e11, channel 3: teardown waits 42 s for backend vmbus_scsi, LUN 0 of' show 1
ok "show: what was refused" says '^  refused  quota 7$' show 0
ok "show: no such guest" refuses 'there is no guest 77' show 77
ok "top: one look without a terminal" says '^ +1 +3 vmbus_scsi +open' top
ok "top: what is stuck" says '^! GPADL 0xe1e11' top
ok "top: live, and q ends it" ends_with_q
ok "top: live, says what it does not see" live_does_not_see_all
ok "top: live, says why it cannot go on" top_cannot_go_on
ok "check: says what is missing" refuses '^FAILED +kvm' check
ok "check: no KVM, and what to do" check_advises kvm '/dev/kvm: No such file' \
	'modprobe kvm_intel or kvm_amd'
ok "check: a KVM without the enlightenments" kvm_without_hyper_v
ok "check: a copy's kernel, which is too old" copy_runs 5.10.0 '^FAILED +kernel +Linux 5\.10\.0 is too old$'
ok "check: a copy's kernel, which has no threads for channels" copy_runs 6.1.0 '^warning +kernel +Linux 6\.1\.0: '
ok "check: a copy that does not say which kernel" copy_without_release
ok "check: no more than a copy can tell" only_what_a_copy_tells
ok "check: no device, and what to do" check_advises device '/dev/vmbus-host: No such file' \
	'modprobe vmbus_host'
ok "check: the modules" says '^ok +modules' check
ok "check: the modules are of this version" loaded "$version" '^ok +modules'
ok "check: they are of another" loaded 0.0.1 '^warning +modules +version 0\.0\.1 .*gpadlctl '"$version\$"
ok "--version" says "^gpadlctl $version\$" --version
ok "metrics can be read" metrics_can_be_read
ok "metrics: a counter of a channel" \
	says '^vmbus_channel_kicks_total\{partition="1",pid="200",process="odd_name_",channel="3",backend="vmbus_scsi",instance="6f1d.*"\} 11$' metrics
ok "metrics: processes that cannot be looked at" \
	hidden says '^vmbus_unreadable_processes 1$' metrics
ok "metrics: all can be looked at" says '^vmbus_unreadable_processes 0$' metrics
ok "metrics --json: processes that cannot be looked at" \
	hidden json 'd["unreadable_processes"] == 1' metrics
ok "metrics: processes whose files cannot be looked at" \
	hidden_links says '^vmbus_unreadable_processes 1$' metrics
ok "list: processes that /proc hides" hidden_processes
ok "list: says that there are such" hidden says '^Files of 1 processes of other users' list
ok "metrics: refused messages by reason" says 'guest_rejects_total\{.*reason="quota"\} 7$' metrics
ok "disk list" says '^system +naa.5001405000000001 +1 +0 fileio +/srv/system.img$' disk list
ok "trace: a file" says 'backend maps GPADL 0x1: 8 pages' trace --file "$here/trace.txt"
ok "trace: what is no file" refuses 'Is a directory' trace --file "$here"
ok "trace: no trace_pipe" no_trace_pipe
ok "trace: a hang-up leaves nothing" ended_by HUP
ok "trace: nor does SIGQUIT" ended_by QUIT
ok "trace: ends when nobody can read it" cannot_be_written
ok "trace: as many seconds as it is told" at_least_its_seconds
ok "trace: one that was killed has left its instance" instance_is_there
ok "trace: a copy has no channel" misused 'no channel' trace 0:3 --file "$here/trace.txt"
ok "trace: a copy has no time" misused 'no --seconds' trace --file "$here/trace.txt" --seconds 1
ok "trace: no time" misused 'abc is no time' trace --seconds abc
ok "trace: no time, either" misused '0 is no time' trace --seconds 0
ok "trace: no channel" misused 'is no channel' trace 3x
ok "list: no arguments" misused 'takes no arguments' list 3
ok "no such command" misused 'there is no command' dance
ok "list --json" json 'len(d["guests"]) == 3 and d["guests"][1]["problems"][0].startswith("GPADL 0xe1e11") and d["orphans"][0]["partition"] == 9' list
ok "show --json" json '[g["partition"] for g in d["guests"]] == [1] and d["guests"][0]["channel_list"][0]["received_bytes"] == 6400' show 1
ok "show --json: quotes" json 'd["guests"][0]["process"] == "odd\"name\\" and "\"requests\" \\" in d["guests"][0]["channel_list"][0]["words"]' show 1
ok "top --json" json 'd["channels"][0]["backend"] == "vmbus_scsi"' top
ok "check --json" json '{c["name"]: c["status"] for c in d["checks"]}["modules"] == "ok" and not d["ready"]' check
ok "metrics --json" json 'd["guests"][1]["rejects"]["quota"] == 7' metrics
ok "disk list --json" json 'd["disks"][0] == {"name": "system", "wwn": "naa.5001405000000001", "tpgt": 1, "lun": 0, "backstore": "fileio_0/system", "path": "/srv/system.img"} and not d["unused"] and not d["empty_targets"]' disk list
ok "every JSON says version and command" json 'd["version"] == 1 and d["command"] == "list"' list
ok "list --json: as documented" as_documented list
ok "show --json: as documented" as_documented show
ok "metrics --json: as documented" as_documented metrics
ok "top --json: as documented" as_documented top
ok "check --json: as documented" as_documented check
ok "disk list --json: as documented" as_documented disk list
ok "trace --json: as documented" as_documented trace --file "$here/trace.txt"
ok "the manual has no error" "$here/manual.sh"
finish
