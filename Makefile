# ferrozmq. `make demo` shows it at work, `make test` proves it.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
# 1 puts ZMQ_BUILD_DRAFT_API into what pkg-config and CMake tell programs.
DRAFTS ?= 0
# 1 keeps debug information: that of the shared library in a file beside it, where debuggers find it, that of libzmq.a in it.
DEBUGINFO ?= 0
# 0 leaves out one of the libraries: the shared one, or the static one.
SHARED ?= 1
STATIC ?= 1
# Where cargo builds.
BUILDING := $(or $(CARGO_TARGET_DIR),target)
# `make build` with a CARGO_TARGET_DIR elsewhere writes down where that is: sudo keeps the variable from `make install`.
RECORD := target/built-in
# Where it has built. What cargo has built in target since then comes first.
FOUND = d=$$(cat $(RECORD)) && test -f "$$d/release/libzmq.so" && test ! target/release/libzmq.so -nt $(RECORD) && echo "$$d"
BUILT := $(or $(CARGO_TARGET_DIR),$(if $(wildcard $(RECORD)),$(shell $(FOUND))),target)
# Where the built libraries are. An empty name is none.
ifeq ($(RELEASE),)
RELEASE := $(BUILT)/release
unexport RELEASE
endif
# The built command-line tool. It is installed if it is there.
ifeq ($(TOOL),)
TOOL := $(BUILT)/tool/ferrozmq
unexport TOOL
endif
# One that runs on this machine, and writes the tool's manual pages and completions.
TOOL_HERE ?= $(TOOL)

SONAME := libzmq.so.5
FILE := $(SONAME).2.5
# A path for the shell, as it is.
quoted = '$(subst ','\'',$(1))'
# Where files are put, for the shell.
TO_LIB = $(call quoted,$(DESTDIR)$(LIBDIR))
TO_PKGCONFIG = $(TO_LIB)/pkgconfig
TO_CMAKE = $(TO_LIB)/cmake/ZeroMQ
TO_BIN = $(call quoted,$(DESTDIR)$(BINDIR))
TO_SBIN = $(call quoted,$(DESTDIR)$(SBINDIR))
TO_INCLUDE = $(call quoted,$(DESTDIR)$(INCLUDEDIR))
TO_MAN = $(call quoted,$(DESTDIR)$(MANDIR))
TO_SHARE = $(call quoted,$(DESTDIR)$(PREFIX)/share)
# No variable of the environment says where this is, as its folder is removed.
TO_OWN = $(TO_SHARE)/ferrozmq
TO_BASH = $(TO_SHARE)/bash-completion/completions
TO_ZSH = $(TO_SHARE)/zsh/site-functions
TO_FISH = $(TO_SHARE)/fish/vendor_completions.d
SHARED_FILE = $(TO_LIB)/$(FILE)
STATIC_FILE = $(TO_LIB)/libzmq.a
INSTALL ?= install
OBJCOPY ?= objcopy
STRIP ?= strip
# Those that packaging/archive looks for.
export OBJCOPY LD AR READELF

# Where `make dist` puts the products, and which of those in packaging/dist/products it builds; all of them where it is empty.
DIST ?= dist
PRODUCTS ?=

.PHONY: build library tool test test-rust demo bench bench-quick install install-tool uninstall dist test-dist header deps clean
.PHONY: reproducible release release-check release-verify
.PHONY: install-shared install-static install-commands

# The library is where `make install` looks for it, whatever the user's settings of cargo say.
INTO = --target-dir $(call quoted,$(BUILDING))

build: library tool

# The library alone takes less than half of the time. `make install` installs the tool only where it was built.
library:
	cargo build --release --locked $(INTO)
	@if test $(call quoted,$(BUILDING)) -ef target; then rm -f $(RECORD); \
	else mkdir -p target && realpath $(call quoted,$(BUILDING)) > $(RECORD) || \
	    echo "$(RECORD) is not written: make install needs RELEASE and TOOL" >&2; fi
	packaging/archive $(call quoted,$(BUILDING)/release/libzmq.a) $(call quoted,$(BUILDING)/release/libzmq.a)

# After the library: two cargo commands at once would wait for each other.
tool: library
	cargo build --profile tool --package ferrozmq-tool --locked $(INTO)

test: deps
	compat-tests/all

# Rust's tests alone, on any machine: they install nothing.
test-rust:
	cargo test --locked --no-fail-fast --quiet

demo:
	@compat-tests/deps demo
	cargo build --release --locked --quiet $(INTO)
	compat-tests/demo/run

# Side by side with Debian's libzmq: an hour on a machine with nothing else to do; renews docs/performance.
bench:
	@compat-tests/deps bench
	cargo build --release --locked --quiet $(INTO)
	benches/run --omq --record

# The same in two minutes, and nothing is recorded.
bench-quick:
	@compat-tests/deps bench
	cargo build --release --locked --quiet $(INTO)
	benches/run --quick

# Debian packages that the tests need, installed where they are missing.
deps:
	@compat-tests/deps

# The C headers, and the options in the manual page zmq_ferro(7).
header:
	FERROZMQ_WRITE_HEADER=1 cargo test --locked --quiet --test header

# Where the prefix is the folder of the sources, what is installed and what is removed would be the headers here.
APART = if test $(TO_INCLUDE) -ef include; then echo "$(INCLUDEDIR) has the sources: take another PREFIX" >&2; exit 1; fi
# pkg-config takes no path with a blank. DESTDIR, RELEASE and TOOL may have some.
WITHOUT_BLANK = PREFIX LIBDIR BINDIR SBINDIR INCLUDEDIR MANDIR
CHECKED = $(foreach name,$(WITHOUT_BLANK),$(if $(word 2,x$($(name))x),$(error $(name) has a blank in it: '$($(name))')))

# Builds only where nothing is built yet, so that `sudo make install` needs no Rust for root. cargo puts its own archive back whenever it
# runs; packaging/archive leaves one that is as it should be as it is.
IS_GIVEN = $(filter-out file,$(origin RELEASE))
install:
	$(CHECKED)@$(APART)
	@test -f $(call quoted,$(RELEASE)/libzmq.so) || \
	    $(if $(IS_GIVEN),{ echo "no libzmq.so in RELEASE="$(call quoted,$(RELEASE)) >&2; exit 1; },$(MAKE) build)
	$(INSTALL) -d $(TO_LIB) $(TO_INCLUDE) $(TO_OWN) $(TO_MAN)/man7 $(TO_PKGCONFIG) $(TO_CMAKE)
	$(if $(filter 1,$(SHARED)),@$(MAKE) --no-print-directory install-shared)
	$(if $(filter 1,$(STATIC)),@$(MAKE) --no-print-directory install-static)
	$(INSTALL) -m 644 include/*.h $(TO_INCLUDE)
	$(INSTALL) -m 644 packaging/tsan.supp $(TO_OWN)
	$(INSTALL) -m 644 docs/man/*.7 $(TO_MAN)/man7
	sed -e 's|@PREFIX@|$(call sed-text,$(PREFIX))|' \
	    -e 's|@LIBDIR@|$(call sed-text,$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR)))|' \
	    -e 's|@INCLUDEDIR@|$(call sed-text,$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR)))|' \
	    -e 's|@DEFINITIONS@|$(if $(filter 1,$(DRAFTS)), -DZMQ_BUILD_DRAFT_API=1)|' \
	    pkgconfig/libzmq.pc.in > $(TO_PKGCONFIG)/libzmq.pc
	chmod 644 $(TO_PKGCONFIG)/libzmq.pc
	$(INSTALL) -m 644 cmake/ZeroMQConfig.cmake cmake/ZeroMQConfigVersion.cmake $(TO_CMAKE)
	$(if $(filter 1,$(DRAFTS)),$(INSTALL) -m 644 cmake/ZeroMQDrafts.cmake $(TO_CMAKE),rm -f $(TO_CMAKE)/ZeroMQDrafts.cmake)
	@test ! -f $(call quoted,$(TOOL)) || $(MAKE) --no-print-directory install-tool

install-shared:
	$(INSTALL) -m 755 $(call quoted,$(RELEASE)/libzmq.so) $(SHARED_FILE)
	ln -sf $(FILE) $(TO_LIB)/$(SONAME)
	ln -sf $(SONAME) $(TO_LIB)/libzmq.so
	$(if $(filter 1,$(DEBUGINFO)),$(OBJCOPY) --only-keep-debug $(SHARED_FILE) $(SHARED_FILE).debug && chmod 644 $(SHARED_FILE).debug,rm -f $(SHARED_FILE).debug)
	$(STRIP) --strip-unneeded $(SHARED_FILE)
	$(if $(filter 1,$(DEBUGINFO)),$(OBJCOPY) --add-gnu-debuglink=$(SHARED_FILE).debug $(SHARED_FILE))

install-static:
	packaging/archive $(call quoted,$(RELEASE)/libzmq.a) $(STATIC_FILE)
	$(if $(filter 1,$(DEBUGINFO)),,$(STRIP) --strip-debug $(STATIC_FILE))
	chmod 644 $(STATIC_FILE)

# Source and binary tarballs, packages: packaging/dist/products lists them. `make dist-NAME` builds one of them alone. It builds the library
# and the tool before, unless RELEASE says where they are.
dist:
	@RELEASE="$(if $(filter file,$(origin RELEASE)),,$(RELEASE))" packaging/dist/make "$(DIST)" $(PRODUCTS)

dist-%:
	@$(MAKE) --no-print-directory dist PRODUCTS="$*"

# What `make dist` has put there, as users install it. The tests use just those files, and build nothing.
test-dist:
	compat-tests/wheel/run --dist "$(DIST)"
	compat-tests/packages/run --dist "$(DIST)"

# The tool, its manual pages, and completions for three shells.
install-tool:
	$(CHECKED)$(INSTALL) -d $(TO_BIN) $(TO_MAN)/man1 $(TO_BASH) $(TO_ZSH) $(TO_FISH)
	$(INSTALL) -m 755 $(call quoted,$(TOOL)) $(TO_BIN)/ferrozmq
	$(call quoted,$(TOOL_HERE)) man --out $(TO_MAN)/man1
	$(call quoted,$(TOOL_HERE)) completions bash > $(TO_BASH)/ferrozmq
	$(call quoted,$(TOOL_HERE)) completions zsh > $(TO_ZSH)/_ferrozmq
	$(call quoted,$(TOOL_HERE)) completions fish > $(TO_FISH)/ferrozmq.fish
	chmod 644 $(TO_MAN)/man1/ferrozmq.1 $(TO_MAN)/man1/ferrozmq-*.1 $(TO_BASH)/ferrozmq $(TO_ZSH)/_ferrozmq $(TO_FISH)/ferrozmq.fish

# Two commands for an installation that leaves the system's libzmq in its place: they put LIBRARY under chosen programs and services.
LIBRARY ?= $(LIBDIR)/ferrozmq/$(SONAME)
# What sed puts in for a path as it is, between the quotes of a shell.
sed-text = $(subst |,\|,$(subst &,\&,$(subst ','\''\\'\'''\'',$(subst \,\\,$(1)))))
FILL_IN = -e 's|@LIBRARY@|$(call sed-text,$(LIBRARY))|; s|@BINDIR@|$(call sed-text,$(BINDIR))|'
install-commands:
	$(CHECKED)$(INSTALL) -d $(TO_BIN) $(TO_SBIN) $(TO_MAN)/man1 $(TO_MAN)/man8 $(TO_BASH)
	sed $(FILL_IN) packaging/commands/with-ferrozmq > $(TO_BIN)/with-ferrozmq
	sed $(FILL_IN) packaging/commands/ferrozmq-service > $(TO_SBIN)/ferrozmq-service
	chmod 755 $(TO_BIN)/with-ferrozmq $(TO_SBIN)/ferrozmq-service
	$(INSTALL) -m 644 docs/man/with-ferrozmq.1 $(TO_MAN)/man1
	$(INSTALL) -m 644 docs/man/ferrozmq-service.8 $(TO_MAN)/man8
	$(INSTALL) -m 644 packaging/commands/completions.bash $(TO_BASH)/ferrozmq-service
	ln -sf ferrozmq-service $(TO_BASH)/with-ferrozmq

# What is left without a file goes, too, where the prefix has our name. The folders below another one may be those of others.
FOLDERS = $(LIBDIR)/pkgconfig $(LIBDIR)/cmake $(LIBDIR) $(BINDIR) $(SBINDIR) $(INCLUDEDIR) $(addprefix $(MANDIR)/man,1 7 8) \
    $(addprefix $(PREFIX)/share/,bash-completion/completions zsh/site-functions fish/vendor_completions.d) $(PREFIX)/share
OWN_FOLDERS = $(if $(filter ferrozmq ferrozmq-%,$(notdir $(PREFIX))),$(patsubst $(PREFIX)/%,%,$(filter $(PREFIX)/%,$(FOLDERS))))

# Files go by their names, and folders where they are empty: no name from the environment makes it remove more.
uninstall:
	$(CHECKED)@$(APART)
	rm -f $(TO_BIN)/ferrozmq $(TO_MAN)/man1/ferrozmq.1 $(TO_MAN)/man1/ferrozmq-*.1
	rm -f $(TO_BASH)/ferrozmq $(TO_ZSH)/_ferrozmq $(TO_FISH)/ferrozmq.fish
	rm -f $(addprefix $(TO_LIB)/,$(FILE) $(FILE).debug $(SONAME) libzmq.so libzmq.a pkgconfig/libzmq.pc)
	rm -f $(addprefix $(TO_INCLUDE)/,$(notdir $(wildcard include/*.h)))
	rm -f $(addprefix $(TO_MAN)/man7/,$(notdir $(wildcard docs/man/*.7)))
	rm -f $(TO_BIN)/with-ferrozmq $(TO_SBIN)/ferrozmq-service
	rm -f $(TO_MAN)/man1/with-ferrozmq.1 $(TO_MAN)/man8/ferrozmq-service.8
	rm -f $(addprefix $(TO_BASH)/,ferrozmq-service with-ferrozmq)
	rm -f $(addprefix $(TO_CMAKE)/,$(notdir $(wildcard cmake/*.cmake))) $(TO_OWN)/tsan.supp
	@rmdir $(TO_CMAKE) $(TO_OWN) 2>/dev/null || true
	@$(if $(OWN_FOLDERS),{ cd $(call quoted,$(DESTDIR)$(PREFIX)) && rmdir -p $(OWN_FOLDERS); rmdir $(call quoted,$(DESTDIR)$(PREFIX)); } \
	    2>/dev/null || true,true)

# The libraries and the tool, built twice in different folders: the same bytes.
reproducible:
	packaging/reproducible

# docs/releasing.md. A release of what is committed, with VERSION or the one in Cargo.toml: a commit and a tag, and nothing is pushed.
release:
	packaging/release $(VERSION)

# The same, but it only says what it would do.
release-check:
	packaging/release --dry-run $(VERSION)

# Whether TAG is that of the version in all files.
release-verify:
	packaging/release --verify $(TAG)

clean:
	cargo clean $(INTO)
	rm -f $(RECORD)
