# spotai: see README.md.  `make dev` shows it, `make test` proves it.

EXTENSION  = spotai
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(EXTENSION).control)
MODULE_big = $(EXTENSION)

CORE_SRCS = $(wildcard src/core/*.c src/core/*/*.c)
PG_SRCS   = $(wildcard src/pg/*.c)
CORE_OBJS = $(CORE_SRCS:.c=.o)
PG_OBJS   = $(PG_SRCS:.c=.o)
OBJS      = $(CORE_OBJS) $(PG_OBJS)
SRC_HEADERS = $(wildcard src/core/*.h src/core/*/*.h src/pg/*.h)

CORE_LIBS = -lsndfile -lsoxr -lfftw3f -lfftw3 -lm
WARNINGS  = -std=gnu11 -Wall -Wextra -Werror
PG_CPPFLAGS = -I$(CURDIR)/src -DSPOTAI_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = $(WARNINGS) -Wno-declaration-after-statement -fvisibility=hidden
SHLIB_LINK = $(CORE_LIBS)

INSTALL_SQL = migrations/$(EXTENSION)--$(EXTVERSION).sql
CODE_SQL    = $(sort $(wildcard migrations/code/*.sql))
SCHEMA_SQL  = $(sort $(wildcard migrations/schema/*.sql))
DATA        = $(wildcard migrations/*--*--*.sql)
DATA_built  = $(INSTALL_SQL)

REGRESS        = $(filter-out $(REGRESS_LAST),$(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql))))
REGRESS_OPTS   = --inputdir=. --load-extension=plpgsql
ISOLATION      = $(patsubst tests/isolation/specs/%.spec,%,$(sort $(wildcard tests/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=tests/isolation --outputdir=build/isolation

UNIT_SRCS = $(wildcard tests/unit/test_*.c)
UNIT_BINS = $(patsubst tests/unit/%.c,build/unit/%,$(UNIT_SRCS))
EXTRA_CLEAN = build/unit build/core-san

# No JIT inlining of audio code; the build then needs one compiler, not two.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# The targets that install packages must work before PGXS is there.
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
endif

# Hot loops: vectorised, and free to contract a*b+c; never -march=native.
$(CORE_OBJS): CFLAGS += -O3 -fno-math-errno -fno-trapping-math
$(PG_OBJS): CFLAGS += -Wno-unused-parameter -Wno-sign-compare
$(OBJS): $(SRC_HEADERS)

$(INSTALL_SQL): $(CODE_SQL) $(SCHEMA_SQL) scripts/assemble_sql.sh $(EXTENSION).control
	scripts/assemble_sql.sh > $@

.PHONY: dev dev-stop test bench fuzz matrix docs lint check-unit check-exports
dev:
	scripts/dev.sh
dev-stop:
	scripts/dev.sh stop
test:
	scripts/test.sh
bench:
	scripts/bench.sh
docs:
	scripts/docs.sh
lint:
	tests/lint/run.sh

# The core stands on its own: no PostgreSQL include path here.
SAN_FLAGS = -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_OBJS  = $(patsubst src/%.c,build/core-san/%.o,$(CORE_SRCS))
build/core-san/%.o: src/%.c $(SRC_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(SAN_FLAGS) -Isrc -c -o $@ $<
build/unit/%: tests/unit/%.c tests/unit/check.h $(SAN_OBJS) $(wildcard tests/twins/*.c tests/twins/*.h)
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) $(SAN_FLAGS) -Isrc -Itests -o $@ $< $(wildcard tests/twins/*.c) $(SAN_OBJS) $(CORE_LIBS)
check-unit: $(UNIT_BINS)
	@status=0; for t in $(UNIT_BINS); do echo "# $$t"; $$t || status=1; done; exit $$status
