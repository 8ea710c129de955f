# Compilers, variants and the libraries we take from Debian.
VARIANT ?= release
B := build/$(VARIANT)
CC ?= gcc
AR ?= ar
PROTOC_C ?= protoc-c
PYTHON ?= /usr/bin/python3
VERSION := $(shell cat VERSION)
# V=1 shows every command.
Q := $(if $(filter 1,$(V)),,@)

PKGS := libuv libnghttp2 libprotobuf-c libpq libcurl libcjson libgit2 yaml-0.1 libsodium libssl libcrypto zlib
ifneq ($(shell pkg-config --exists $(PKGS) && echo ok),ok)
ifeq ($(filter help clean,$(MAKECMDGOALS)),)
$(error missing libraries: run tools/install-deps; pkg-config says: $(shell pkg-config --print-errors --exists $(PKGS) 2>&1 | grep -o "No package '[^']*'"))
endif
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wundef \
        -Wswitch-enum -Wimplicit-fallthrough -Wwrite-strings -Wpointer-arith -Wno-missing-field-initializers
ifeq ($(WERROR),1)
WARN += -Werror
endif
HARDEN := -fstack-protector-strong -fPIE
OPT_release := -O2 -g -D_FORTIFY_SOURCE=2
OPT_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
OPT_cov := -O0 -g --coverage
OPT_fuzz := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT := $(OPT_$(VARIANT))
ifeq ($(OPT),)
$(error VARIANT=$(VARIANT) is not one of release asan tsan cov fuzz)
endif

CPPFLAGS += -D_GNU_SOURCE -DPGSWARM_VERSION='"$(VERSION)"' -Isrc/lib -I$(B)/gen $(shell pkg-config --cflags $(PKGS))
CFLAGS += -std=gnu17 $(OPT) $(WARN) $(HARDEN)
LDFLAGS += $(filter -fsanitize=% --coverage,$(OPT)) -pie -Wl,-z,relro,-z,now -Wl,--as-needed
LDLIBS := $(shell pkg-config --libs $(PKGS)) -lwslay -lpthread -lm
