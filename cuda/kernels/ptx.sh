#!/bin/sh
# ptx.sh [make|check|sums]: PTX from the kernels' sources.
#   make   compiles what its sources have outdated (all with FORCE=1)
#   check  fails where a PTX is not of its sources; recompiles and compares
#          where the compiler that made it is here
# A PTX begins with the checksum of its source and of the headers that it
# includes, and with its compiler, so that a test without a compiler can tell.
set -eu
cd "$(dirname "$0")"
export LC_ALL=C
CLANG=${CLANG:-clang-19}
archs="sm_80 sm_90a"

# A source and the headers that it includes, directly or not, in the order of
# their names. (cuda/kernels/ptx_test.go does the same.)
sources() {
	found=$1 before=
	while [ "$found" != "$before" ]; do
		before=$found
		found=$({ echo "$found" | tr ' ' '\n'; sed -n 's/^#include "\([a-z0-9_]*\.cuh\)".*/\1/p' $found; } | sort -u | tr '\n' ' ' | sed 's/ $//')
	done
	echo "$found"
}
checksum() { cat $(sources "$1") | sha256sum | cut -d' ' -f1; }

compiler() { "$CLANG" --version | head -1; }

compile() { # source arch out
	{
		echo "// $1 for $2; made by cuda/kernels/ptx.sh"
		echo "// sources sha256 $(checksum "$1")"
		echo "// compiler $(compiler)"
	} >"$3"
	# PTX ISA 8.0 is what the oldest driver that bench supports takes (R525, CUDA 12.0).
	"$CLANG" -x cuda --cuda-device-only --cuda-gpu-arch="$2" -Xclang -target-feature -Xclang +ptx80 \
		-nocudainc -nocudalib -std=c++20 -O3 -Wall -Wno-unused-function -S "$1" -o - >>"$3"
}

case ${1:-make} in
make)
	for f in *.cu; do
		for a in $archs; do
			out=ptx/${f%.cu}.$a.ptx
			if [ -z "${FORCE:-}" ] && grep -qs "^// sources sha256 $(checksum "$f")\$" "$out" && grep -qs "^// compiler $(compiler)\$" "$out"; then continue; fi
			echo "$out"
			compile "$f" "$a" "$out.new"
			mv "$out.new" "$out"
		done
	done
	for p in ptx/*.ptx; do
		n=${p#ptx/}
		[ -f "${n%%.*}.cu" ] || { echo "$p: removed, it has no source"; rm "$p"; }
	done
	;;
check)
	bad=0 compared=0
	new=$(mktemp)
	trap 'rm -f "$new"' EXIT
	for f in *.cu; do
		for a in $archs; do
			out=ptx/${f%.cu}.$a.ptx
			if ! grep -qs "^// sources sha256 $(checksum "$f")\$" "$out"; then
				echo "$out is not of the sources as they are: run make ptx" >&2
				bad=1
			elif command -v "$CLANG" >/dev/null && grep -q "^// compiler $(compiler)\$" "$out"; then
				compile "$f" "$a" "$new"
				compared=$((compared + 1))
				cmp -s "$new" "$out" || { echo "$out differs from what $CLANG makes of its sources: run FORCE=1 make ptx" >&2; bad=1; }
			fi
		done
	done
	echo "ptx: checksums compared; $compared files recompiled and compared"
	exit $bad
	;;
*) echo "usage: ptx.sh make|check" >&2; exit 2 ;;
esac
