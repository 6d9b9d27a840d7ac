# ferrozmq. `make demo` shows it at work, `make test` proves it.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share/ferrozmq
MANDIR ?= $(PREFIX)/share/man
# 1 puts ZMQ_BUILD_DRAFT_API into what pkg-config and CMake tell programs.
DRAFTS ?= 0
# 1 keeps debug information: that of the shared library in a file beside it, where debuggers find it, that of libzmq.a in it.
DEBUGINFO ?= 0
# 0 leaves out one of the libraries: the shared one, or the static one.
SHARED ?= 1
STATIC ?= 1
# Where the built libraries are.
RELEASE ?= $(or $(CARGO_TARGET_DIR),target)/release
# The built command-line tool. It is installed if it is there.
TOOL ?= $(or $(CARGO_TARGET_DIR),target)/tool/ferrozmq
# One that runs on this machine, and writes the tool's manual pages and completions.
TOOL_HERE ?= $(TOOL)

SONAME := libzmq.so.5
FILE := $(SONAME).2.5
PKGCONFIG := $(DESTDIR)$(LIBDIR)/pkgconfig
CMAKE := $(DESTDIR)$(LIBDIR)/cmake/ZeroMQ
SHARED_FILE := $(DESTDIR)$(LIBDIR)/$(FILE)
STATIC_FILE := $(DESTDIR)$(LIBDIR)/libzmq.a
MAN1 := $(DESTDIR)$(MANDIR)/man1
BASH_COMPLETIONS := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
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

build: library tool

# The library alone takes less than half of the time. `make install` installs the tool only where it was built.
library:
	cargo build --release --locked
	packaging/archive $(RELEASE)/libzmq.a $(RELEASE)/libzmq.a

# After the library: two cargo commands at once would wait for each other.
tool: library
	cargo build --profile tool --package ferrozmq-tool --locked

test: deps
	compat-tests/all

# Rust's tests alone, on any machine: they install nothing.
test-rust:
	cargo test --locked --no-fail-fast --quiet

demo:
	@compat-tests/deps demo
	cargo build --release --locked --quiet
	compat-tests/demo/run

# Side by side with Debian's libzmq: an hour on a machine with nothing else to do; renews docs/performance.
bench:
	@compat-tests/deps bench
	cargo build --release --locked --quiet
	benches/run --omq --record

# The same in two minutes, and nothing is recorded.
bench-quick:
	@compat-tests/deps bench
	cargo build --release --locked --quiet
	benches/run --quick

# Debian packages that the tests need, installed where they are missing.
deps:
	@compat-tests/deps

# The C headers, and the options in the manual page zmq_ferro(7).
header:
	FERROZMQ_WRITE_HEADER=1 cargo test --locked --quiet --test header

# Where the prefix is the folder of the sources, what is installed and what is removed would be the headers here.
APART = $(if $(filter $(realpath include),$(realpath $(DESTDIR)$(INCLUDEDIR))),echo "$(INCLUDEDIR) has the sources: take another PREFIX"; exit 1,true)

# Builds only where nothing is built yet, so that `sudo make install` needs no Rust for root. cargo puts its own archive back whenever it
# runs; packaging/archive leaves one that is as it should be as it is.
install:
	@$(APART)
	@test -f $(RELEASE)/libzmq.so || $(MAKE) build
	$(INSTALL) -d $(DESTDIR)$(LIBDIR) $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(DATADIR) $(DESTDIR)$(MANDIR)/man7 $(PKGCONFIG) $(CMAKE)
	$(if $(filter 1,$(SHARED)),@$(MAKE) --no-print-directory install-shared)
	$(if $(filter 1,$(STATIC)),@$(MAKE) --no-print-directory install-static)
	$(INSTALL) -m 644 include/*.h $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -m 644 packaging/tsan.supp $(DESTDIR)$(DATADIR)
	$(INSTALL) -m 644 docs/man/*.7 $(DESTDIR)$(MANDIR)/man7
	sed -e 's|@PREFIX@|$(PREFIX)|' \
	    -e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
	    -e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
	    -e 's|@DEFINITIONS@|$(if $(filter 1,$(DRAFTS)), -DZMQ_BUILD_DRAFT_API=1)|' \
	    pkgconfig/libzmq.pc.in > $(PKGCONFIG)/libzmq.pc
	$(INSTALL) -m 644 cmake/ZeroMQConfig.cmake cmake/ZeroMQConfigVersion.cmake $(CMAKE)
	$(if $(filter 1,$(DRAFTS)),$(INSTALL) -m 644 cmake/ZeroMQDrafts.cmake $(CMAKE),rm -f $(CMAKE)/ZeroMQDrafts.cmake)
	@test ! -f $(TOOL) || $(MAKE) --no-print-directory install-tool

install-shared:
	$(INSTALL) -m 755 $(RELEASE)/libzmq.so $(SHARED_FILE)
	ln -sf $(FILE) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libzmq.so
	$(if $(filter 1,$(DEBUGINFO)),$(OBJCOPY) --only-keep-debug $(SHARED_FILE) $(SHARED_FILE).debug && chmod 644 $(SHARED_FILE).debug,rm -f $(SHARED_FILE).debug)
	$(STRIP) --strip-unneeded $(SHARED_FILE)
	$(if $(filter 1,$(DEBUGINFO)),$(OBJCOPY) --add-gnu-debuglink=$(SHARED_FILE).debug $(SHARED_FILE))

install-static:
	packaging/archive $(RELEASE)/libzmq.a $(STATIC_FILE)
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
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(MAN1) $(BASH_COMPLETIONS) $(ZSH_COMPLETIONS) $(FISH_COMPLETIONS)
	$(INSTALL) -m 755 $(TOOL) $(DESTDIR)$(BINDIR)/ferrozmq
	$(TOOL_HERE) man --out $(MAN1)
	$(TOOL_HERE) completions bash > $(BASH_COMPLETIONS)/ferrozmq
	$(TOOL_HERE) completions zsh > $(ZSH_COMPLETIONS)/_ferrozmq
	$(TOOL_HERE) completions fish > $(FISH_COMPLETIONS)/ferrozmq.fish
	chmod 644 $(MAN1)/ferrozmq.1 $(MAN1)/ferrozmq-*.1 $(BASH_COMPLETIONS)/ferrozmq $(ZSH_COMPLETIONS)/_ferrozmq $(FISH_COMPLETIONS)/ferrozmq.fish

# Two commands for an installation that leaves the system's libzmq in its place: they put LIBRARY under chosen programs and services.
LIBRARY ?= $(LIBDIR)/ferrozmq/$(SONAME)
# What sed puts in for a path as it is, between the quotes of a shell.
sed-text = $(subst |,\|,$(subst &,\&,$(subst ','\''\\'\'''\'',$(subst \,\\,$(1)))))
FILL_IN = -e 's|@LIBRARY@|$(call sed-text,$(LIBRARY))|; s|@BINDIR@|$(call sed-text,$(BINDIR))|'
install-commands:
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) $(MAN1) $(DESTDIR)$(MANDIR)/man8 $(BASH_COMPLETIONS)
	sed $(FILL_IN) packaging/commands/with-ferrozmq > $(DESTDIR)$(BINDIR)/with-ferrozmq
	sed $(FILL_IN) packaging/commands/ferrozmq-service > $(DESTDIR)$(SBINDIR)/ferrozmq-service
	chmod 755 $(DESTDIR)$(BINDIR)/with-ferrozmq $(DESTDIR)$(SBINDIR)/ferrozmq-service
	$(INSTALL) -m 644 docs/man/with-ferrozmq.1 $(MAN1)
	$(INSTALL) -m 644 docs/man/ferrozmq-service.8 $(DESTDIR)$(MANDIR)/man8
	$(INSTALL) -m 644 packaging/commands/completions.bash $(BASH_COMPLETIONS)/ferrozmq-service
	ln -sf ferrozmq-service $(BASH_COMPLETIONS)/with-ferrozmq

# What is left without a file goes, too, where the prefix has our name. The folders below another one may be those of others.
FOLDERS = $(LIBDIR)/pkgconfig $(LIBDIR)/cmake $(LIBDIR) $(BINDIR) $(SBINDIR) $(INCLUDEDIR) $(addprefix $(MANDIR)/man,1 7 8) \
    $(addprefix $(PREFIX)/share/,bash-completion/completions zsh/site-functions fish/vendor_completions.d) $(patsubst %/,%,$(dir $(DATADIR)))
OWN_FOLDERS = $(if $(filter ferrozmq ferrozmq-%,$(notdir $(PREFIX))),$(patsubst $(PREFIX)/%,%,$(filter $(PREFIX)/%,$(FOLDERS))))

uninstall:
	@$(APART)
	rm -f $(DESTDIR)$(BINDIR)/ferrozmq $(MAN1)/ferrozmq.1 $(wildcard $(MAN1)/ferrozmq-*.1)
	rm -f $(BASH_COMPLETIONS)/ferrozmq $(ZSH_COMPLETIONS)/_ferrozmq $(FISH_COMPLETIONS)/ferrozmq.fish
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(FILE) $(FILE).debug $(SONAME) libzmq.so libzmq.a pkgconfig/libzmq.pc)
	rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/,$(notdir $(wildcard include/*.h)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(wildcard docs/man/*.7)))
	rm -f $(DESTDIR)$(BINDIR)/with-ferrozmq $(DESTDIR)$(SBINDIR)/ferrozmq-service
	rm -f $(MAN1)/with-ferrozmq.1 $(DESTDIR)$(MANDIR)/man8/ferrozmq-service.8
	rm -f $(addprefix $(BASH_COMPLETIONS)/,ferrozmq-service with-ferrozmq)
	rm -rf $(CMAKE) $(DESTDIR)$(DATADIR)
	@$(if $(OWN_FOLDERS),{ cd $(DESTDIR)$(PREFIX) && rmdir -p $(OWN_FOLDERS); rmdir $(DESTDIR)$(PREFIX); } 2>/dev/null || true,true)

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
	cargo clean
