#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Debian packages of the last commit, with what Debian's tools think of them:
#
#	deb.sh			out/deb/*.deb, and the source package
#	VERSION=x.y.z deb.sh	as of another version, to try an upgrade
#
# Their maintainer is DEBFULLNAME <DEBEMAIL>, or whom git names as the user.
#
# The last line on stdout says where they are.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$top/scripts/deps.sh" build-essential debhelper dh-dkms lintian linux-source python3-sphinx

version=${VERSION:-$(cat "$top/VERSION")}
maintainer="${DEBFULLNAME:-$(git -C "$top" config user.name || echo "$USER")}"
maintainer+=" <${DEBEMAIL:-$(git -C "$top" config user.email || echo "$USER@$(hostname)")}>"
dir=$out/deb
name=vmbus-gpadl-$version
rm -rf "$dir"
mkdir -p "$dir"

say "Making the source package, version $version ..."
git -C "$top" archive --prefix="$name/" HEAD | tar -xC "$dir"
echo "$version" >"$dir/$name/VERSION"
# The same time stamps in each build of a commit
date=$(git -C "$top" log -1 --format=%ct)
find "$dir/$name" -exec touch -h -d "@$date" {} +
tar -C "$dir" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$date" -c "$name" |
	xz >"$dir/vmbus-gpadl_$version.orig.tar.xz"
cp -r "$dir/$name/packaging/debian" "$dir/$name/debian"
sed -i "s/@MAINTAINER@/$maintainer/; s/@YEAR@/$(date -u -d "@$date" +%Y)/" \
	"$dir/$name/debian/control" "$dir/$name/debian/copyright"
cat >"$dir/$name/debian/changelog" <<-END
	vmbus-gpadl ($version-1) unstable; urgency=medium

	  * Version $version; see Documentation/changelog.rst.

	 -- $maintainer  $(date -R -u -d "@$date")
END

say "Building the packages ..."
cd "$dir/$name"
export SOURCE_DATE_EPOCH=$date
logged "$dir/build.log" dpkg-buildpackage -us -uc ||
	die "dpkg-buildpackage failed" "read $dir/build.log"
# A version that was made up, to try an upgrade, is not asked about
if [ "$version" = "$(cat "$top/VERSION")" ]; then
	say "Asking lintian ..."
	lintian --suppress-tags-from-file "$top/packaging/lintian-suppressed" \
		--fail-on error,warning "$dir"/*.changes >&2 ||
		die "lintian has something to say" "see above"
fi
rm -r "${dir:?}/$name"
(cd "$dir" && ls -l -- *.deb *.dsc) >&2
echo "$dir"
