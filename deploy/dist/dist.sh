#!/usr/bin/env bash
# make dist: dist/ gets a tarball, a .deb and an .rpm for each architecture that this
# machine can build (arm64 where aarch64-linux-gnu-gcc is), and SHA256SUMS. Each holds
# the program, man pages, shell completions, the nightly jobs, the licences of what is
# linked in, and an SBOM (CycloneDX). nfpm and cyclonedx-gomod are run from the module
# proxy at the versions below; the build itself needs neither.
set -euo pipefail
cd "$(dirname "$0")/../.."
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0                     # one description for .deb and .rpm
cyclonedx=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 # SBOM of what the binary really links
commit=$(git describe --tags --always --dirty)
# A package's version begins with a digit; without a tag it is 0.0.0 and the commit.
version=${commit#v}
[[ $version =~ ^[0-9]+\. ]] || version=0.0.0+git.$version
rm -rf dist && mkdir -p dist
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools go install "$nfpm"
GOBIN=$tools go install "$cyclonedx" || echo "dist: no cyclonedx-gomod, so no SBOM" >&2

# notices ARCH's binary: the licence of every module that is linked in.
notices() {
	go version -m "$1" | awk '$1 == "dep" { print $2 "@" $3 }' | while read -r module; do
		dir=$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
		for f in "$dir"/LICENSE* "$dir"/COPYING* "$dir"/NOTICE*; do
			[ ! -f "$f" ] || { printf '\n==== %s: %s\n\n' "$module" "$(basename "$f")"; cat "$f"; }
		done
	done
}

build() { # GOARCH, C compiler, runner of its binaries
	local arch=$1 name=bench-$version-linux-$1 root
	root=dist/$name
	mkdir -p "$root/man/man1" "$root/completions" "$root/deploy"
	CGO_ENABLED=1 GOOS=linux GOARCH=$arch CC=$2 CGO_CFLAGS="-O2 -Wno-deprecated-declarations" \
		go build -trimpath -ldflags "-s -w -X main.commit=$commit" -o "$root/bench" ./cmd/bench
	bin/bench man "$root/man/man1"
	for shell in bash zsh fish; do bin/bench completion $shell >"$root/completions/bench.$shell"; done
	cp LICENSE README.md CHANGELOG.md "$root"
	cp -r deploy/nightly.sh deploy/cron deploy/systemd deploy/slurm deploy/kubernetes deploy/prometheus deploy/grafana "$root/deploy"
	notices "$root/bench" >"$root/THIRD_PARTY_NOTICES"
	[ ! -x "$tools/cyclonedx-gomod" ] || "$tools/cyclonedx-gomod" bin -json -output "$root/sbom.cdx.json" "$root/bench"
	tar -C dist --owner=0 --group=0 -czf "dist/$name.tar.gz" "$name"
	for packager in deb rpm; do
		VERSION=$version ARCH=$arch ROOT=$root "$tools/nfpm" package --config deploy/dist/nfpm.yaml --packager $packager --target dist/
	done
	rm -rf "$root"
}

make build
build amd64 gcc
if command -v aarch64-linux-gnu-gcc >/dev/null; then build arm64 aarch64-linux-gnu-gcc; else echo "dist: no aarch64-linux-gnu-gcc, so nothing for arm64" >&2; fi
(cd dist && sha256sum -- *.tar.gz *.deb *.rpm >SHA256SUMS)
ls -l dist
