# spotai: see README.md.  `make dev` shows it, `make test` proves it.

EXTENSION  = spotai
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(EXTENSION).control)
MODULE_big = $(EXTENSION)

CORE_SRCS = $(wildcard src/core/*.c src/core/*/*.c)
PG_SRCS   = $(wildcard src/pg/*.c src/pg/*/*.c)
CORE_OBJS = $(CORE_SRCS:.c=.o)
PG_OBJS   = $(PG_SRCS:.c=.o)
OBJS      = $(CORE_OBJS) $(PG_OBJS)
# spotai-verify: of the core, what proves an audit log, and no more.
VERIFY_OBJS = $(patsubst %.c,%.o,src/tools/spotai-verify.c src/core/sp_base.c $(wildcard src/core/merkle/*.c) \
	src/core/crypto/sha256.c src/core/crypto/ed25519.c src/core/crypto/base64.c \
	src/core/crypto/constant_time.c)
VERIFY_LIBS = -lcrypto
SRC_HEADERS = $(wildcard src/core/*.h src/core/*/*.h src/pg/*.h src/pg/*/*.h)

CORE_LIBS = -lsndfile -lFLAC -lsoxr -lfftw3f -lfftw3 -ldnnl -lgomp -larchive -ljansson -lcrypto -lpthread -lm
WARNINGS  = -std=gnu11 -Wall -Wextra -Werror
PG_CPPFLAGS = -I$(CURDIR)/src -DSPOTAI_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = $(WARNINGS) -Wno-declaration-after-statement -fvisibility=hidden
SHLIB_LINK = $(CORE_LIBS) -Wl,--version-script=src/pg/exports.map
# The server's own CFLAGS are meant for gcc.
ifneq ($(findstring clang,$(CC)),)
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes
endif

INSTALL_SQL = migrations/$(EXTENSION)--$(EXTVERSION).sql
CODE_SQL    = $(sort $(wildcard migrations/code/*.sql))
SCHEMA_SQL  = $(sort $(wildcard migrations/schema/*.sql))
DATA        = $(wildcard migrations/*--*--*.sql migrations/frozen/*.sql) models/spotai-base.safetensors
DATA_built  = $(INSTALL_SQL)

# what compares with pgvector needs it
PGVECTOR       = $(wildcard $(shell $(PG_CONFIG) --sharedir 2>/dev/null)/extension/vector.control)
REGRESS        = $(filter-out $(if $(PGVECTOR),,pgvector),$(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql))))
ISOLATION      = $(patsubst tests/isolation/specs/%.spec,%,$(sort $(wildcard tests/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=tests/isolation --outputdir=build/isolation

UNIT_SRCS = $(wildcard tests/unit/test_*.c)
UNIT_BINS = $(patsubst tests/unit/%.c,build/unit/%,$(UNIT_SRCS))
EXTRA_CLEAN = build/unit build/core-san build/spotai-verify src/tools/*.o

# No JIT inlining of audio code; the build then needs one compiler, not two.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# The targets that install packages must work before PGXS is there.
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)

all: build/spotai-verify
install: install-verify
uninstall: uninstall-verify
.PHONY: install-verify uninstall-verify
install-verify: build/spotai-verify
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $< '$(DESTDIR)$(bindir)/spotai-verify'
uninstall-verify:
	rm -f '$(DESTDIR)$(bindir)/spotai-verify'
else
all install installcheck:
	@echo "$(PG_CONFIG): no PostgreSQL to build against; make dev installs one" >&2; exit 1
endif

# Hot loops: vectorised, and free to contract a*b+c; never -march=native.
$(CORE_OBJS): CFLAGS += -O3 -fno-math-errno -fno-trapping-math
$(PG_OBJS): CFLAGS += -Wno-unused-parameter -Wno-sign-compare
$(OBJS) $(VERIFY_OBJS): $(SRC_HEADERS)
build/spotai-verify: $(VERIFY_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(VERIFY_OBJS) $(LDFLAGS) $(VERIFY_LIBS) -o $@

$(INSTALL_SQL): $(CODE_SQL) $(SCHEMA_SQL) scripts/assemble_sql.sh $(EXTENSION).control
	@scripts/assemble_sql.sh > $@

.PHONY: help dev dev-stop test battery lint docs bench matrix bare fuzz build-unit check-unit
help:
	@echo 'make dev         packages, build, install, a server in build/dev, the demo song'
	@echo 'make dev-stop    stops that server; its data stays'
	@echo 'make test        everything that CI runs; one line a step, then the count'
	@echo 'make lint        the house rules; tests/lint/README.md says why'
	@echo 'make docs        reference pages from the catalog'
	@echo 'make bench       measurements, written to docs/benchmarks.md'
	@echo 'make battery     a million audited rows, 500 times kill -9 under indexes, and the like; of what is installed'
	@echo 'make fuzz        the fuzzers, FUZZ_SECONDS=600'
	@echo 'make matrix      build and regression on PostgreSQL 17 in a Debian 13 root'
	@echo 'make bare        make dev and make test in an empty Debian 12 root'
	@echo 'make all, install, installcheck, clean   as with any extension (PGXS)'
dev:
	@scripts/dev.sh
dev-stop:
	@scripts/dev.sh stop
test:
	@scripts/test.sh
battery:
	@scripts/battery.sh
lint:
	@tests/lint/run.sh
docs:
	@scripts/docs.sh
bench:
	@scripts/bench.sh
matrix:
	@scripts/matrix.sh
bare:
	@scripts/bare.sh
fuzz:
	@tests/fuzz/run.sh $(or $(FUZZ_SECONDS),600)

# The core stands on its own: no PostgreSQL include path here.
SAN_FLAGS = -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_OBJS  = $(patsubst src/%.c,build/core-san/%.o,$(CORE_SRCS))
build/core-san/%.o: src/%.c $(SRC_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(SAN_FLAGS) -Isrc -c -o $@ $<
build/unit/%: tests/unit/%.c tests/unit/check.h $(SAN_OBJS) $(wildcard tests/twins/*.c tests/twins/*.h)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(SAN_FLAGS) -Isrc -Itests -o $@ $< $(wildcard tests/twins/*.c) $(SAN_OBJS) $(CORE_LIBS)
# what training takes from the core must still compile
build/core-san/train/cues.o: train/cues.c $(SRC_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(SAN_FLAGS) -Isrc -c -o $@ $<
build-unit: $(UNIT_BINS) build/core-san/train/cues.o
check-unit: $(UNIT_BINS) build/core-san/train/cues.o
	@status=0; for t in $(UNIT_BINS); do echo "# $$t"; $$t || status=1; done; exit $$status
