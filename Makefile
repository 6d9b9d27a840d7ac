# ferrozmq. `make demo` shows it at work, `make test` proves it.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share/ferrozmq
MANDIR ?= $(PREFIX)/share/man
# 1 puts ZMQ_BUILD_DRAFT_API into what pkg-config and CMake tell programs.
DRAFTS ?= 0
# 1 keeps debug information: that of the shared library in a file beside it, where debuggers find it, that of libzmq.a in it.
DEBUGINFO ?= 0
# Where the built libraries are.
RELEASE ?= $(or $(CARGO_TARGET_DIR),target)/release

SONAME := libzmq.so.5
FILE := $(SONAME).2.5
PKGCONFIG := $(DESTDIR)$(LIBDIR)/pkgconfig
CMAKE := $(DESTDIR)$(LIBDIR)/cmake/ZeroMQ
SHARED := $(DESTDIR)$(LIBDIR)/$(FILE)
INSTALL ?= install
OBJCOPY ?= objcopy
STRIP ?= strip
# Those that packaging/archive looks for.
export OBJCOPY LD AR READELF

.PHONY: build test demo bench bench-quick install uninstall header deps clean

build:
	cargo build --release --locked
	packaging/archive $(RELEASE)/libzmq.a $(RELEASE)/libzmq.a

test: deps
	compat-tests/all

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

# Builds only where nothing is built yet, so that `sudo make install` needs no Rust for root. cargo puts its own archive back whenever it
# runs; packaging/archive leaves one that is as it should be as it is.
install:
	@test -f $(RELEASE)/libzmq.so || $(MAKE) build
	$(INSTALL) -d $(DESTDIR)$(LIBDIR) $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(DATADIR) $(DESTDIR)$(MANDIR)/man7 $(PKGCONFIG) $(CMAKE)
	$(INSTALL) -m 755 $(RELEASE)/libzmq.so $(SHARED)
	ln -sf $(FILE) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libzmq.so
	$(if $(filter 1,$(DEBUGINFO)),$(OBJCOPY) --only-keep-debug $(SHARED) $(SHARED).debug && chmod 644 $(SHARED).debug,rm -f $(SHARED).debug)
	$(STRIP) --strip-unneeded $(SHARED)
	$(if $(filter 1,$(DEBUGINFO)),$(OBJCOPY) --add-gnu-debuglink=$(SHARED).debug $(SHARED))
	packaging/archive $(RELEASE)/libzmq.a $(DESTDIR)$(LIBDIR)/libzmq.a
	$(if $(filter 1,$(DEBUGINFO)),,$(STRIP) --strip-debug $(DESTDIR)$(LIBDIR)/libzmq.a)
	chmod 644 $(DESTDIR)$(LIBDIR)/libzmq.a
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

uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(FILE) $(FILE).debug $(SONAME) libzmq.so libzmq.a pkgconfig/libzmq.pc)
	rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/,$(notdir $(wildcard include/*.h)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(wildcard docs/man/*.7)))
	rm -rf $(CMAKE) $(DESTDIR)$(DATADIR)

clean:
	cargo clean
