# Generated sources: protobuf-c from proto/, SQL migrations embedded in central. Nothing generated is committed.
PROTOS := $(shell cd proto && find . -name '*.proto' | sed 's,^\./,,' | sort)
PB_C := $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
PB_H := $(PB_C:.c=.h)
PB_O := $(PB_C:.c=.o)

# Services are left out: protobuf-c's own RPC is not ours, and its code for a method named Register is not C.
PROTO_PLAIN := $(PROTOS:%=$(B)/gen/proto/%)
$(B)/gen/proto/%.proto: proto/%.proto
	@mkdir -p $(@D)
	$(Q)sed '/^service /,/^}/d' $< > $@
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: $(B)/gen/proto/%.proto | $(PROTO_PLAIN)
	$(Q)$(PROTOC_C) -I$(B)/gen/proto --c_out=$(B)/gen $<

# Generated C is not ours to style: the same code flags, fewer warnings.
$(B)/gen/%.o: $(B)/gen/%.c
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-shadow -MMD -MP -c $< -o $@
$(PB_O): $(PB_H)

SQL_CENTRAL := $(sort $(wildcard sql/central/*.sql))
$(B)/gen/migrations_central.c: $(SQL_CENTRAL) tools/embed
	@mkdir -p $(@D)
	$(Q)tools/embed migrations_central $(SQL_CENTRAL) > $@.tmp && mv $@.tmp $@

$(B)/gen/satellite_manifest.c: deploy/satellite/satellite.yaml tools/embed-text
	@mkdir -p $(@D)
	$(Q)tools/embed-text SATELLITE_MANIFEST $< > $@.tmp && mv $@.tmp $@
