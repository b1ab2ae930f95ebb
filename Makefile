# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# `make demo` and `make test` do all the set-up on a fresh Debian machine that has Swift.

GRAPHCTL := .build/static/release/graphctl

.PHONY: demo demo-containerd test soak bench build graphd lint install-deps install-all clean

demo: install-deps ## the main job on a real Debian image, each step shown
	@$(MAKE) --no-print-directory build
	@GRAPHCTL=$(GRAPHCTL) Tests/scripts/demo.sh

demo-containerd: install-all build graphd ## containerd and runc on snapshots of graphd
	@GRAPH_TEST_IMAGE=$$(Tests/scripts/make-image.sh) Tests/scripts/isolated.sh Tests/containerd/containers.sh overlay

test: install-all ## every test; long campaigns as a seeded sample
	@Tests/scripts/run-tests.sh

soak: install-all ## every test, long campaigns whole
	@Tests/scripts/run-tests.sh --soak

bench: install-deps ## what layers cost here, quickly; writes .build/bench/report.html
	@benchmarks/bench.sh

# A short command is over in two milliseconds, so its start counts (docs/decisions/linking-of-graphctl.md):
# codecs and SQLite come from their archives, which the linker finds by .pc files that name their directory first;
# the program exports no symbol and lies at a fixed address. PIE=1 makes it for a distribution: with all shared
# libraries, at an address that differs from run to run.
archives := $(CURDIR)/.build/archives
fixed := --pkg-config-path $(archives) -Xlinker -L$(archives) -Xlinker --version-script=$(archives)/none.map \
	-Xswiftc -Xclang-linker -Xswiftc -no-pie

build: ## graphctl for release, with the runtimes of Swift and C++ linked in; PIE=1 for a distribution
	@mkdir -p $(archives)
	@for name in libstdc++ liblzma libbz2 libzstd libsqlite3; do \
		ln -sf "$$(clang++ -print-file-name=$$name.a)" $(archives)/$$name.a; done
	@for name in liblzma libzstd sqlite3; do \
		sed 's|^libdir=.*|libdir=$(archives)|' "$$(pkg-config --variable=pcfiledir $$name)/$$name.pc" \
			> $(archives)/$$name.pc; done
	@echo '{ local: *; };' > $(archives)/none.map
	swift build -c release --static-swift-stdlib --scratch-path .build/static --product graphctl \
		-Xswiftc -Xclang-linker -Xswiftc -static-libgcc $(if $(PIE),,$(fixed))

graphd: ## the daemon for containerd, for release; its libraries take some minutes
	GRAPH_DAEMON=1 swift build -c release --product graphd

lint:
	swift format lint --strict -r Sources Tests Package.swift

install-deps: ## the Debian packages that are missing
	@Tests/scripts/install-deps.sh

install-all: ## those of the tests as well
	@Tests/scripts/install-deps.sh --all

clean: ## what was built here; the test images stay in the user's cache
	rm -rf .build
