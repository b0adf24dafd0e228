#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The tarball of a release, of the last commit: the same to the byte each time.
#
#	release.sh		out/vmbus-gpadl-VERSION.tar.xz, and its checksum
#
# Refuses what is not committed, a version that the changelog does not name, and one that another
# commit has. It makes no tag: to say that a commit is the release, and to sign that, is the
# releaser's (CONTRIBUTING.rst).

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=$(cat "$top/VERSION")
name=vmbus-gpadl-$version
changelog=Documentation/changelog.rst

[ -z "$(git -C "$top" status --porcelain)" ] ||
	die "the tree has changes that are not committed" "git status, then commit or stash them"
grep -qE "^${version//./\\.}(,|$)" "$top/$changelog" ||
	die "$changelog has no headline for $version" "say there what is new"

tagged=$(git -C "$top" rev-parse -q --verify "v$version^{commit}" || true)
[ -z "$tagged" ] || [ "$tagged" = "$(git -C "$top" rev-parse HEAD)" ] ||
	die "v$version is the tag of another commit" "raise VERSION, or git checkout v$version"

mkdir -p "$out"
# git sorts the files and gives all of them the commit's time; xz in one thread, whose
# output does not depend on the machine
git -C "$top" archive --format=tar --prefix="$name/" HEAD |
	xz -T1 -6 >"$out/$name.tar.xz"
(cd "$out" && sha256sum "$name.tar.xz")
