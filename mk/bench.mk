# Benches print ratios against peers. A bench is tests/bench/NAME_bench; the C++ peer is built only where its library is.
BENCH_B := $(B)/tests/bench
$(BENCH_B)/bench.pb-c.c: tests/bench/bench.proto
	@mkdir -p $(@D)
	sed '/^service /,/^}/d' $< > $(@D)/bench.proto
	$(Q)$(PROTOC_C) -I$(@D) --c_out=$(@D) bench.proto
$(BENCH_B)/bench.pb-c.o: $(BENCH_B)/bench.pb-c.c
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-shadow -c $< -o $@
$(BENCH_B)/grpc_ours $(BENCH_B)/grpc_load: $(BENCH_B)/%: tests/bench/%.c $(BENCH_B)/bench.pb-c.o $(LINK_LIBS)
	$(Q)$(CC) $(CPPFLAGS) -I$(BENCH_B) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(BENCH_B)/bench.pb-c.o $(LINK_LIBS) $(LDLIBS)

$(BENCH_B)/cc/bench.grpc.pb.cc: tests/bench/bench.proto
	@mkdir -p $(@D)
	$(Q)protoc -Itests/bench --cpp_out=$(@D) --grpc_out=$(@D) --plugin=protoc-gen-grpc=$$(command -v grpc_cpp_plugin) bench.proto
$(BENCH_B)/grpc_peer: tests/bench/grpc_peer.cc $(BENCH_B)/cc/bench.grpc.pb.cc
	$(Q)$(CXX) -O2 -std=c++17 -I$(BENCH_B)/cc -o $@ $< $(BENCH_B)/cc/*.cc $$(pkg-config --cflags --libs grpc++ protobuf)

BENCH_PEERS := $(if $(shell pkg-config --exists grpc++ protobuf && echo yes),$(BENCH_B)/grpc_peer)
bench-grpc: $(BENCH_B)/grpc_ours $(BENCH_B)/grpc_load $(BENCH_PEERS) ## gRPC server next to grpc-core's: CPU per message, memory per stream
	tests/bench/grpc_bench $(BENCH_B)

bench-rest: all ## a list of 10,000 clusters, and the start-up of swarmctl
	tests/bench/rest_bench $(B)/bin
bench-cost: all ## memory and CPU at rest in a running sandbox
	tests/bench/rest_cost_bench $(B)/bin

bench-ha: all $(TEST_PROGRAMS) ## how long clients cannot write: postmaster, pod, freeze, partition, switchover
	$(TEST_ENV) tests/bench/ha_bench $(CYCLES)

bench-rejoin: all ## how long a member with 1 GB takes to come back, rewound and cloned
	PGSWARM_BIN=$(B)/bin tests/bench/rejoin_bench

bench: bench-grpc bench-rest bench-cost bench-ha bench-rejoin ## all benches
.PHONY: bench bench-grpc bench-rest bench-cost bench-ha bench-rejoin
