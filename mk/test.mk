# Tests. Unit: one cmocka binary per tests/unit/<layer>/test_*.c. Integration: pytest against real programs.
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)

# A test of a program's own pure part (tests/unit/satellite/...) links what it uses of that program's objects: they
# stand in an archive, all but main.
PROG_DIRS := central:pg-swarm-central satellite:pg-swarm-satellite failover-sidecar:pg-swarm-failover-sidecar \
  sandbox:pg-swarm-sandbox cli:swarmctl
prog_of = $(lastword $(subst :, ,$(1)))
dir_of = $(firstword $(subst :, ,$(1)))
define prog_archive_rule
$(B)/prog_$(call dir_of,$(1)).a: $$(filter-out %/main.o,$$($(call prog_of,$(1))_OBJ))
	@rm -f $$@
	$(Q)$(AR) rcs $$@ $$^
endef
$(foreach p,$(PROG_DIRS),$(eval $(call prog_archive_rule,$(p))))
$(B)/prog_launcher.a: $(filter-out %/main.o,$(LAUNCHER_OBJ))
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

unit_prog = $(if $(filter $(1) $(1):%,launcher $(PROG_DIRS)),$(B)/prog_$(1).a)
unit_dir = $(if $(filter cli,$(1)),src/cli,src/daemons/$(1))
define unit_rule
$(B)/tests/unit/$(1): tests/unit/$(1).c $(call unit_prog,$(dir_$(1))) $(LINK_LIBS)
	@mkdir -p $$(@D)
	$(Q)$(CC) $(CPPFLAGS) $(if $(wildcard $(call unit_dir,$(dir_$(1)))),-I$(call unit_dir,$(dir_$(1)))) $(CFLAGS) -MMD -MP $(LDFLAGS) \
	  -o $$@ $$(filter %.c,$$^) $(call unit_prog,$(dir_$(1))) $(LINK_LIBS) $(LDLIBS) -lcmocka
endef
$(foreach t,$(UNIT_SRC:tests/unit/%.c=%),$(eval dir_$(t) := $(firstword $(subst /, ,$(t))))$(eval $(call unit_rule,$(t))))

unit-bins: $(UNIT_BIN)

check-unit: $(UNIT_BIN) ## unit tests of this variant
	@tools/run-unit $(UNIT_BIN)

# Small programs that the integration tests talk to or through.
TEST_PROGRAMS := $(patsubst tests/programs/%.c,$(B)/tests/bin/%,$(wildcard tests/programs/*.c))
$(B)/tests/bin/%: tests/programs/%.c $(LINK_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(LINK_LIBS) $(LDLIBS)

TEST_ENV = PGSWARM_BIN=$(abspath $(B)/bin) PGSWARM_TEST_BIN=$(abspath $(B)/tests/bin)
# The tests wait for programs more than they work: three files at a time.
PYTESTS ?= tests/integration
check-integration: all $(TEST_PROGRAMS) ## integration tests against real PostgreSQL, kubectl, grpcio, git
	$(TEST_ENV) $(PYTHON) -m pytest -q -p no:cacheprovider -n 3 --dist loadfile $(PYTESTS)

check-e2e: all $(TEST_PROGRAMS) ## the whole chain in a sandbox, and the core scenarios of high availability
	tools/pg-root 17
	$(TEST_ENV) $(PYTHON) -m pytest -q -p no:cacheprovider tests/e2e

# N cycles of random faults from SEED on; without N all scenario files.
chaos: all $(TEST_PROGRAMS) ## all scenarios; with N=100 [SEED=..] random faults, a row each
	$(TEST_ENV) $(if $(N),tests/e2e/chaos $(N) $(SEED),tests/e2e/scenario)

check-kube: all $(TEST_PROGRAMS) ## a real Kubernetes (KUBECONFIG, or KREAL_PREFIX with kube-real): images, manifests, two clusters
	$(TEST_ENV) $(PYTHON) tests/kube/run $(KUBETESTS)

check-conformance: all ## the sandbox answers as a real API server did, whose answers are recorded
	PGSWARM_BIN=$(abspath $(B)/bin) tests/conformance/conformance check
record-conformance: ## ask the Kubernetes of $KUBECONFIG, and keep its answers for check-conformance
	tests/conformance/conformance record

check-layers: ## layers point one way
	@tools/check-layers
check-size: ## files, functions and headers within their limits
	@tools/check-size
check-banned: ## calls we do not use
	@tools/check-banned
check-static: check-layers check-size check-banned format-check
generated: all ## man pages and completions, printed by the programs
	tools/generate $(B)/bin .
check-generated: all ## the committed ones are up to date
	@tools/check-generated $(B)/bin

check: check-static all ## everything that fits in ten minutes
	@$(MAKE) --no-print-directory check-generated
	@$(MAKE) --no-print-directory check-unit
	@$(MAKE) --no-print-directory check-fuzz
	@$(MAKE) --no-print-directory check-conformance
	@$(MAKE) --no-print-directory check-integration
	@$(MAKE) --no-print-directory check-e2e

format: ## clang-format in place
	git ls-files '*.c' '*.h' | xargs clang-format -i
format-check: ## clang-format, as a check
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror && echo 'format: clean'
tidy: compile_commands.json $(PB_H) ## clang-tidy over src/
	clang-tidy -quiet -p . $(ALL_SRC)

.PHONY: unit-bins check check-conformance record-conformance check-e2e check-kube chaos check-unit check-integration check-layers check-size check-banned check-static format format-check tidy generated check-generated
