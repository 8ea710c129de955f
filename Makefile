# PG-Swarm. `make help` lists the targets; mk/ holds the parts.
#   VARIANT=release|asan|tsan|cov   which object tree (build/$(VARIANT))
#   WERROR=1                        warnings are errors (./check and CI set it)
.DEFAULT_GOAL := all
include mk/flags.mk
include mk/gen.mk
include mk/build.mk
include mk/test.mk
include mk/fuzz.mk
include mk/bench.mk
include mk/install.mk

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-22s %s\n", $$1, $$2}'

clean: ## remove everything that was built
	rm -rf build compile_commands.json

.PHONY: help clean
