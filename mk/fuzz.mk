# Fuzz targets: tests/fuzz/fuzz_NAME.c, corpus in tests/fuzz/corpus/NAME/. `check-fuzz` replays every corpus with the
# compiler and variant at hand; `fuzz FUZZ=NAME TIME=60` searches with clang's libFuzzer and keeps what it finds in build/.
FUZZ_NAMES := $(sort $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_BIN := $(FUZZ_NAMES:%=$(B)/tests/fuzz/fuzz_%)
FUZZ_DRIVER := $(if $(filter fuzz,$(VARIANT)),,tests/fuzz/driver.c)
FUZZ_LINK := $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer)
TIME ?= 60

$(B)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_DRIVER) $(LINK_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -MMD -MP $(LDFLAGS) $(FUZZ_LINK) -o $@ $< $(FUZZ_DRIVER) $(FUZZ_OBJ) $(LINK_LIBS) $(LDLIBS)

# A target of a program's own parser links the objects that it needs of it.
KUBE_PATCH_OBJ := $(filter $(B)/daemons/sandbox/store/%,$(pg-swarm-sandbox_OBJ))
$(B)/tests/fuzz/fuzz_kube_patch: $(KUBE_PATCH_OBJ)
$(B)/tests/fuzz/fuzz_kube_patch: FUZZ_OBJ := $(KUBE_PATCH_OBJ)
$(B)/tests/fuzz/fuzz_kube_patch: CPPFLAGS += -Isrc/daemons/sandbox
$(B)/tests/fuzz/fuzz_pod_text: $(B)/prog_sandbox.a
$(B)/tests/fuzz/fuzz_pod_text: FUZZ_OBJ := $(B)/prog_sandbox.a
$(B)/tests/fuzz/fuzz_pod_text: CPPFLAGS += -Isrc/daemons/sandbox
$(B)/tests/fuzz/fuzz_op_record: $(B)/daemons/satellite/ops/record.o
$(B)/tests/fuzz/fuzz_op_record: FUZZ_OBJ := $(B)/daemons/satellite/ops/record.o
$(B)/tests/fuzz/fuzz_op_record: CPPFLAGS += -Isrc/daemons/satellite

check-fuzz: $(FUZZ_BIN) ## replay the fuzz corpora
	@for n in $(FUZZ_NAMES); do $(B)/tests/fuzz/fuzz_$$n tests/fuzz/corpus/$$n || { echo "fuzz: $$n failed"; exit 1; }; done
	@echo "fuzz: $(words $(FUZZ_NAMES)) corpora replayed"

fuzz: ## search: make fuzz FUZZ=NAME TIME=seconds (clang)
	@test -n "$(FUZZ)" || { echo "make fuzz FUZZ=NAME [TIME=60]; names: $(FUZZ_NAMES)"; exit 2; }
	$(MAKE) --no-print-directory VARIANT=fuzz CC=clang build/fuzz/tests/fuzz/fuzz_$(FUZZ)
	@mkdir -p build/fuzz/found/$(FUZZ)
	build/fuzz/tests/fuzz/fuzz_$(FUZZ) -max_total_time=$(TIME) -timeout=10 -rss_limit_mb=2048 \
	  -artifact_prefix=build/fuzz/found/$(FUZZ)- build/fuzz/found/$(FUZZ) tests/fuzz/corpus/$(FUZZ)

.PHONY: check-fuzz fuzz
