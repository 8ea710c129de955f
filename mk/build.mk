# One static library per layer, linked in layer order: a call upward does not link.
LAYERS := core codec model wire loop net http grpc api pg kube gitstore
lib_src = $(sort $(wildcard src/lib/$(1)/*.c))
lib_obj = $(patsubst src/%.c,$(B)/%.o,$(call lib_src,$(1))) $(if $(filter wire,$(1)),$(PB_O))
LIBS := $(LAYERS:%=$(B)/libpgs_%.a)
# Adapters first, core last: each may only need what stands to its right.
LINK_ORDER := gitstore kube pg api grpc http net loop wire model codec core
LINK_LIBS := $(LINK_ORDER:%=$(B)/libpgs_%.a)

$(B)/%.o: src/%.c | $(PB_H)
	@mkdir -p $(@D); echo '  CC   $<'
	$(Q)$(CC) $(CPPFLAGS) $(EXTRA_CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

define layer_rule
$(B)/libpgs_$(1).a: $(call lib_obj,$(1))
	@rm -f $$@
	$(Q)$(AR) rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rule,$(l))))

# program NAME, source folder, extra objects. Its own folder is on its include path; nobody else's is.
define program_rule
$(1)_SRC := $$(sort $$(shell find $(2) -name '*.c' 2>/dev/null))
$(1)_OBJ := $$(patsubst src/%.c,$(B)/%.o,$$($(1)_SRC)) $(3)
$$($(1)_OBJ): EXTRA_CPPFLAGS := -I$(2)
$(B)/bin/$(1): $$($(1)_OBJ) $(LINK_LIBS)
	@mkdir -p $$(@D); echo '  LD   $$@'
	$(Q)$(CC) $$(LDFLAGS) -o $$@ $$($(1)_OBJ) $(LINK_LIBS) $$(LDLIBS)
ALL_SRC += $$($(1)_SRC)
BINS += $(if $(wildcard $(2)/main.c),$(B)/bin/$(1))
endef
$(eval $(call program_rule,pg-swarm-central,src/daemons/central,$(B)/gen/migrations_central.o))
$(eval $(call program_rule,pg-swarm-satellite,src/daemons/satellite,))
$(eval $(call program_rule,pg-swarm-failover-sidecar,src/daemons/failover-sidecar,))
$(eval $(call program_rule,pg-swarm-sandbox,src/daemons/sandbox,))
$(eval $(call program_rule,swarmctl,src/cli,$(B)/gen/satellite_manifest.o))

# The launcher is PID 1 in images that are not ours: static, no library beyond libc and core.
# Sanitizers cannot be linked statically, so those variants link it dynamically.
LAUNCHER_SRC := $(sort $(wildcard src/daemons/launcher/*.c))
LAUNCHER_OBJ := $(patsubst src/%.c,$(B)/%.o,$(LAUNCHER_SRC))
$(LAUNCHER_OBJ): EXTRA_CPPFLAGS := -Isrc/daemons/launcher
$(B)/bin/pg-swarm-launcher: $(LAUNCHER_OBJ) $(B)/libpgs_core.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(if $(filter release,$(VARIANT)),-static,$(LDFLAGS)) -o $@ $^
BINS += $(if $(wildcard src/daemons/launcher/main.c),$(B)/bin/pg-swarm-launcher)

LIB_ALL_SRC := $(foreach l,$(LAYERS),$(call lib_src,$(l)))
ALL_SRC += $(LIB_ALL_SRC) $(LAUNCHER_SRC)

all: $(LIBS) $(BINS) ## build every library and program

compile_commands.json: Makefile mk/*.mk ## for clangd and clang-tidy
	@$(PYTHON) tools/compile-commands "$(CC) $(CPPFLAGS) $(CFLAGS)" $(ALL_SRC) > $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all
.SECONDARY:
