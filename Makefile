# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# `make demo` and `make test` do all the set-up on a fresh Debian machine that has Swift.

GRAPHCTL := .build/static/release/graphctl

.PHONY: demo test soak bench build lint install-deps install-all clean

demo: install-deps ## the main job on a real Debian image, each step shown
	@$(MAKE) --no-print-directory build
	@GRAPHCTL=$(GRAPHCTL) Tests/scripts/demo.sh

test: install-all ## every test; long campaigns as a seeded sample
	@Tests/scripts/run-tests.sh

soak: install-all ## every test, long campaigns whole
	@Tests/scripts/run-tests.sh --soak

bench: install-deps ## what layers cost here, quickly; writes .build/bench/report.html
	@benchmarks/bench.sh

# The linker takes the first library of a name on its way: where that is an archive, the dynamic linker has less
# to load at each start. libstdc++ alone has three thousand symbols to look up, a seventh of the time of a short
# command; xz and bzip2 are rarely used.
build: ## graphctl for release, with the runtimes of Swift and C++ linked in: it starts twice as fast
	@mkdir -p .build/archives
	@for name in libstdc++ liblzma libbz2; do \
		ln -sf "$$(clang++ -print-file-name=$$name.a)" .build/archives/$$name.a; done
	swift build -c release --static-swift-stdlib --scratch-path .build/static --product graphctl \
		-Xlinker -L$(CURDIR)/.build/archives -Xswiftc -Xclang-linker -Xswiftc -static-libgcc

lint:
	swift format lint --strict -r Sources Tests Package.swift

install-deps: ## the Debian packages that are missing
	@Tests/scripts/install-deps.sh

install-all: ## those of the tests as well
	@Tests/scripts/install-deps.sh --all

clean: ## what was built here; the test images stay in the user's cache
	rm -rf .build
