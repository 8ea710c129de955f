#include "wire/registration.h"
#include "wire/satellite_stream.h"
#include "wire/sidecar_stream.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ITEMS(array) ((ObjList){array, sizeof array / sizeof *array})

static StrView view(const StrBuf *b)
{
    return sv_n(strbuf_str(b), b->n);
}

/* Encoded, decoded, encoded again: the bytes are the same, so nothing was lost. */
static void up_round_trip(Arena *a, const SatelliteUp *m, SatelliteUp *ret)
{
    AUTO_STRBUF b = {0};
    AUTO_STRBUF again = {0};
    Error err = {0};
    wire_up_encode(m, &b);
    if (wire_up_decode(a, view(&b), ret, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(ret->kind, m->kind);
    wire_up_encode(ret, &again);
    assert_true(sv_eq(view(&b), view(&again)));
}

static void down_round_trip(Arena *a, const SatelliteDown *m, SatelliteDown *ret)
{
    AUTO_STRBUF b = {0};
    AUTO_STRBUF again = {0};
    Error err = {0};
    wire_down_encode(m, &b);
    if (wire_down_decode(a, view(&b), ret, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(ret->kind, m->kind);
    wire_down_encode(ret, &again);
    assert_true(sv_eq(view(&b), view(&again)));
}

static InstanceHealth sample_instance(void)
{
    static DatabaseStat db[] = {{"app", 1 << 20, 0.99}};
    static TableStat tables[] = {{.database = "app",
                                  .schema = "public",
                                  .table = "t",
                                  .live_tuples = 1,
                                  .deletes = 7,
                                  .last_vacuum_us = 99}};
    static SlowQuery slow[] = {{.query = "SELECT $1",
                                .database = "app",
                                .calls = 3,
                                .rows = 4,
                                .total_ms = 1.5,
                                .mean_ms = 0.5,
                                .max_ms = 1}};
    static FollowerHealth followers[] = {{.pod_name = "pg-1",
                                          .state = "streaming",
                                          .sync_state = "quorum",
                                          .epoch = 7,
                                          .lag_bytes = 12,
                                          .silent_seconds = 0.5}};
    static const char *names[] = {"pg-1", "pg-2"};
    return (InstanceHealth){.ha = {.lease_holder = "pg-0",
                                   .durability = "protected",
                                   .sync_in_force = "ANY 1 (x)",
                                   .lease_epoch = 7,
                                   .lease_age_ms = 1200,
                                   .sync_k = 1,
                                   .fenced = true,
                                   .fence_operation = "op",
                                   .sync_names = {names, 2},
                                   .followers = ITEMS(followers)},
                            .pod_name = "pg-0",
                            .role = ROLE_PRIMARY,
                            .ready = true,
                            .pending_restart = true,
                            .lsn = "0/3000060",
                            .received_lsn = "0/3000060",
                            .system_identifier = "7012345678901234567",
                            .server_version = "15.20",
                            .timeline_id = 3,
                            .connections_used = 7,
                            .connections_max = 100,
                            .streaming_replicas = 2,
                            .lag_bytes = -1,
                            .disk_total_bytes = 1ll << 40,
                            .transactions = 12345,
                            .lag_seconds = 0.25,
                            .commit_ratio = 0.5,
                            .epoch = UINT64_MAX,
                            .databases = ITEMS(db),
                            .tables = ITEMS(tables),
                            .slow_queries = ITEMS(slow)};
}

static void health_goes_up(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    InstanceHealth in[] = {sample_instance(), {.pod_name = "pg-1", .role = ROLE_REPLICA}};
    SatelliteUp m = {.id = "",
                     .kind = UP_HEALTH,
                     .health = {.cluster_id = "id",
                                .name = "prod-pg",
                                .ns = "databases",
                                .state = CLUSTER_UPDATING,
                                .reason = "why",
                                .instances = ITEMS(in),
                                .replicas_wanted = 3,
                                .applied_version = 1ll << 40,
                                .at_us = 5,
                                .primary_pod = "pg-0",
                                .ha = {.durability = "protected",
                                       .loss = "possible",
                                       .loss_bytes = 5,
                                       .loss_text = "yes",
                                       .epoch = 7,
                                       .paused = true},
                                .rw = {"192.0.2.1", 30432}}};
    SatelliteUp r;
    up_round_trip(a, &m, &r);
    const InstanceHealth *x = r.health.instances.at;
    assert_int_equal(r.health.instances.n, 2);
    assert_int_equal(r.health.state, CLUSTER_UPDATING);
    assert_string_equal(r.health.rw.host, "192.0.2.1");
    assert_string_equal(r.health.ro.host, "");
    assert_true(x[0].epoch == UINT64_MAX && x[0].lag_seconds == 0.25 && x[0].lag_bytes == -1);
    assert_string_equal(((const SlowQuery *)x[0].slow_queries.at)->query, "SELECT $1");
    assert_int_equal(((const TableStat *)x[0].tables.at)->deletes, 7);
    assert_string_equal(x[1].lsn, "");
    const FollowerHealth *f = x[0].ha.followers.at;
    assert_int_equal(x[0].ha.followers.n, 1);
    assert_true(f->lag_bytes == 12 && f->silent_seconds == 0.5 && x[0].ha.fenced);
    assert_string_equal(x[0].ha.sync_names.at[1], "pg-2");
    assert_true(r.health.ha.paused && r.health.ha.loss_bytes == 5);
    assert_string_equal(r.health.ha.loss, "possible");
    ClusterHealth copy = cluster_health_dup(a, &r.health);
    SatelliteUp again = {.id = "", .kind = UP_HEALTH, .health = copy};
    up_round_trip(a, &again, &r);
}

static void the_rest_goes_up(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    SatelliteUp r;
    AppliedCluster applied[] = {{"c1", 7}, {"c2", 0}};
    StorageClass classes[] = {{"fast", "p", "Delete", "Immediate", true, false}};
    SatelliteUp hello = {.id = "",
                         .kind = UP_HELLO,
                         .hello = {.satellite_id = "s",
                                   .version = "1",
                                   .applied = ITEMS(applied),
                                   .next_event_sequence = 9,
                                   .storage_classes = ITEMS(classes)}};
    up_round_trip(a, &hello, &r);
    assert_int_equal(((const AppliedCluster *)r.hello.applied.at)[0].applied_version, 7);
    assert_true(((const StorageClass *)r.hello.storage_classes.at)->is_default);

    EventReport event = {.sequence = 4, .severity = SEV_CRITICAL, .kind = "a.b", .message = "m"};
    strmap_put(a, &event.data, "k", "v");
    strmap_put(a, &event.data, "a", "");
    up_round_trip(a, &(SatelliteUp){.kind = UP_EVENT, .event = event}, &r);
    assert_string_equal(strmap_get(r.event.data, "k"), "v");
    assert_string_equal(r.event.pod_name, "");

    up_round_trip(
        a,
        &(SatelliteUp){
            .id = "7",
            .kind = UP_CONFIG_ACK,
            .config_ack = {.name = "n", .config_version = 8, .result = ACK_REFUSED, .error = "no"}},
        &r);
    assert_int_equal(r.config_ack.result, ACK_REFUSED);
    assert_string_equal(r.id, "7");
    up_round_trip(a, &(SatelliteUp){.kind = UP_HEARTBEAT, .heartbeat_at_us = 77}, &r);
    assert_int_equal(r.heartbeat_at_us, 77);
    up_round_trip(a, &(SatelliteUp){.kind = UP_STORAGE_CLASSES, .storage_classes = ITEMS(classes)},
                  &r);
    up_round_trip(a, &(SatelliteUp){.kind = UP_LOG, .log = {1, "info", "x", "m", "a=b"}}, &r);
    assert_string_equal(r.log.fields, "a=b");
    up_round_trip(a, &(SatelliteUp){.kind = UP_POD_LOG, .pod_log = {SV("a\0\xFF"), true, ""}}, &r);
    assert_int_equal(r.pod_log.data.n, 3);
    up_round_trip(a,
                  &(SatelliteUp){.kind = UP_CREDENTIAL,
                                 .credential = {.user = "u", .password = "p", .ro = {"h", 1}}},
                  &r);
    assert_string_equal(r.credential.ro.host, "h");
}

static ClusterSpec sample_spec(Arena *a)
{
    static ClusterDatabase db[1];
    static RecoveryRule rules[1];
    db[0] = (ClusterDatabase){.name = "app", .owner = "o", .password = "pa55word"};
    strlist_add(a, &db[0].allowed_cidrs, "10.0.0.0/8");
    rules[0] = (RecoveryRule){.name = "r", .pattern = "p", .cooldown_seconds = 5, .enabled = true};
    ClusterSpec s = {.cluster_id = "id",
                     .name = "prod-pg",
                     .ns = "databases",
                     .config_version = 42,
                     .profile_name = "std",
                     .profile_version = 3,
                     .replicas = 3,
                     .pg_major = 17,
                     .image = "postgres:17",
                     .storage = {"10Gi", "fast"},
                     .resources = {"1", "", "1Gi", "2Gi"},
                     .failover = {true, 15, 5, "", "protected"},
                     .archive = {"custom", "cp", "", 60, "s"},
                     .deletion_protection = true,
                     .databases = ITEMS(db),
                     .recovery_rules = ITEMS(rules)};
    strmap_put(a, &s.parameters, "work_mem", "8MB");
    strlist_add(a, &s.hba_rules, "host all all all md5");
    return s;
}

static void everything_goes_down(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    SatelliteDown r;
    down_round_trip(
        a, &(SatelliteDown){.id = "9", .kind = DOWN_CLUSTER_CONFIG, .cluster = sample_spec(a)}, &r);
    assert_int_equal(r.cluster.config_version, 42);
    assert_string_equal(r.cluster.failover.durability, "protected");
    assert_string_equal(r.cluster.wal_storage.size, "");
    assert_string_equal(((const ClusterDatabase *)r.cluster.databases.at)->password, "pa55word");
    assert_null(strstr(fields_to_text(a, &cluster_spec_schema, &r.cluster, 0), "pa55word"));

    down_round_trip(a,
                    &(SatelliteDown){.kind = DOWN_DELETE_CLUSTER,
                                     .delete_cluster = {"id", "n", "ns", 43, true}},
                    &r);
    assert_true(r.delete_cluster.delete_volumes);
    down_round_trip(a, &(SatelliteDown){.kind = DOWN_HEARTBEAT_ACK, .heartbeat_at_us = 5}, &r);
    down_round_trip(a, &(SatelliteDown){.kind = DOWN_EVENT_ACK, .event_sequence = 6}, &r);
    assert_int_equal(r.event_sequence, 6);
    down_round_trip(a, &(SatelliteDown){.kind = DOWN_SET_LOG_LEVEL, .log_level = {"debug", "n/c"}},
                    &r);
    down_round_trip(a, &(SatelliteDown){.kind = DOWN_REQUEST_STORAGE_CLASSES}, &r);
    down_round_trip(
        a, &(SatelliteDown){.kind = DOWN_POD_LOG, .pod_log = {"ns", "p", "c", 10, 20, true, false}},
        &r);
    assert_true(r.pod_log.follow && r.pod_log.since_seconds == 20);
    down_round_trip(a, &(SatelliteDown){.kind = DOWN_CREDENTIAL, .credential = {"ns", "c"}}, &r);
}

static void sidecars_both_ways(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Error err = {0};
    const SidecarUp ups[] = {
        {.kind = SIDECAR_UP_IDENTITY, .identity = {"pg-0", "c", "ns", "v", "uid"}},
        {.kind = SIDECAR_UP_HEARTBEAT, .heartbeat_at_us = 3},
        {.id = "x",
         .kind = SIDECAR_UP_RESULT,
         .result = {.success = true, .lsn = "0/1", .epoch = 8}},
        {.kind = SIDECAR_UP_HEALTH, .health = sample_instance()},
        {.kind = SIDECAR_UP_EVENT, .event = {.kind = "k", .message = "m"}},
    };
    for (size_t i = 0; i < sizeof ups / sizeof *ups; i++) {
        AUTO_STRBUF b = {0};
        AUTO_STRBUF again = {0};
        SidecarUp r;
        wire_sidecar_up_encode(&ups[i], &b);
        assert_int_equal(wire_sidecar_up_decode(a, view(&b), &r, &err), ERR_OK);
        assert_int_equal(r.kind, ups[i].kind);
        wire_sidecar_up_encode(&r, &again);
        assert_true(sv_eq(view(&b), view(&again)));
    }
    const SidecarDown downs[] = {
        {.kind = SIDECAR_DOWN_HEARTBEAT_ACK, .heartbeat_at_us = 3},
        {.id = "1", .kind = SIDECAR_DOWN_STATUS},
        {.id = "2", .kind = SIDECAR_DOWN_CHECKPOINT},
        {.id = "3", .kind = SIDECAR_DOWN_RELOAD},
        {.kind = SIDECAR_DOWN_SET_LOG_LEVEL, .log_level = "trace"},
    };
    for (size_t i = 0; i < sizeof downs / sizeof *downs; i++) {
        AUTO_STRBUF b = {0};
        SidecarDown r;
        wire_sidecar_down_encode(&downs[i], &b);
        assert_int_equal(wire_sidecar_down_decode(a, view(&b), &r, &err), ERR_OK);
        assert_int_equal(r.kind, downs[i].kind);
        assert_string_equal(r.id, str_or(downs[i].id, ""));
    }
}

static void operations_both_ways(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    SatelliteDown d;
    SatelliteUp u;
    OperationRequest ask = {.id = "7f",
                            .ns = "ns",
                            .cluster = "c",
                            .kind = OP_SWITCHOVER,
                            .pod = "c-1",
                            .requested_by = "ann",
                            .interactive = true,
                            .max_lag_bytes = 1 << 20};
    down_round_trip(a, &(SatelliteDown){.kind = DOWN_OPERATION, .operation = ask}, &d);
    assert_int_equal(d.operation.kind, OP_SWITCHOVER);
    assert_true(d.operation.interactive && d.operation.max_lag_bytes == 1 << 20);
    assert_string_equal(d.operation.requested_by, "ann");
    for (OperationKind k = OP_FAILOVER; k < OP_KIND_COUNT; k++) {
        OperationRequest other = {.id = "8",
                                  .kind = k,
                                  .pod = "c-0",
                                  .accept_data_loss = true,
                                  .rolling = true,
                                  .drain_timeout_seconds = 9};
        down_round_trip(a, &(SatelliteDown){.kind = DOWN_OPERATION, .operation = other}, &d);
        assert_int_equal(d.operation.kind, k);
        assert_true(d.operation.accept_data_loss && d.operation.rolling);
        assert_int_equal(d.operation.drain_timeout_seconds, 9);
        assert_int_equal(operation_kind_of(operation_kind_name(k)), k);
    }
    down_round_trip(
        a, &(SatelliteDown){.kind = DOWN_OPERATION_STEP, .operation_step = {"7f", VERB_ABORT, 4}},
        &d);
    assert_int_equal(d.operation_step.verb, VERB_ABORT);
    assert_int_equal(d.operation_step.step, 4);
    down_round_trip(a, &(SatelliteDown){.kind = DOWN_OPERATION_ACK, .operation_id = "7f"}, &d);
    assert_string_equal(d.operation_id, "7f");
    for (StepStatus s = STEP_NONE; s < STEP_STATUS_COUNT; s++) {
        OperationProgress p = {.id = "7f",
                               .kind = OP_RESTART,
                               .step = 4,
                               .steps_total = 9,
                               .step_name = "fence",
                               .status = s,
                               .pod = "c-0",
                               .detail = "12 sessions",
                               .point_of_no_return = true,
                               .started_us = 5,
                               .took_ms = 80};
        up_round_trip(a, &(SatelliteUp){.kind = UP_OPERATION_PROGRESS, .operation_progress = p},
                      &u);
        assert_int_equal(u.operation_progress.status, s);
        assert_int_equal(u.operation_progress.took_ms, 80);
        assert_string_equal(u.operation_progress.detail, "12 sessions");
    }
    for (Outcome o = OUTCOME_NONE; o < OUTCOME_COUNT; o++) {
        OperationResult r = {.id = "7f", .outcome = o, .error = "no", .finished_us = 3};
        up_round_trip(a, &(SatelliteUp){.kind = UP_OPERATION_RESULT, .operation_result = r}, &u);
        assert_int_equal(u.operation_result.outcome, o);
        assert_string_equal(u.operation_result.error, "no");
    }
    assert_int_equal(outcome_of("sunny"), OUTCOME_NONE);
    assert_int_equal(step_status_of(NULL), STEP_NONE);
    /* What is no kind, or a switchover as a member's operation, is none. */
    Error err = {0};
    assert_int_equal(wire_down_decode(a, SV("\x72\x02\x10\x01"), &d, &err), ERR_OK);
    assert_int_equal(d.operation.kind, OP_NONE);
    assert_int_equal(wire_down_decode(a, SV("\x72\x02\x10\x63"), &d, &err), ERR_OK);
    assert_int_equal(d.operation.kind, OP_NONE);
}

static void decisions_are_acknowledged(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    SidecarDown d;
    Error err;
    wire_sidecar_down_encode(&(SidecarDown){.id = "",
                                            .kind = SIDECAR_DOWN_DECISION_ACK,
                                            .decision_ack = {"00c0ffee", 12}},
                             &b);
    assert_int_equal(wire_sidecar_down_decode(a, view(&b), &d, &err), ERR_OK);
    assert_int_equal(d.kind, SIDECAR_DOWN_DECISION_ACK);
    assert_string_equal(d.decision_ack.chain, "00c0ffee");
    assert_int_equal(d.decision_ack.number, 12);
}

static void orders_reach_a_sidecar(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Error err = {0};
    SidecarOrder o = {.operation_id = "7f",
                      .requested_by = "ann",
                      .to = "c-1",
                      .lsn = "0/5000028",
                      .timeline_id = 3,
                      .drain_seconds = 4,
                      .stage = 2,
                      .hold_seconds = 60,
                      .timeout_seconds = 5,
                      .force = true,
                      .accept_data_loss = true};
    SidecarDown got[SIDECAR_DOWN_COUNT];
    for (SidecarDownKind k = SIDECAR_DOWN_FENCE; k < SIDECAR_DOWN_COUNT; k++) {
        AUTO_STRBUF b = {0};
        AUTO_STRBUF again = {0};
        wire_sidecar_down_encode(&(SidecarDown){.id = "1", .kind = k, .order = o}, &b);
        assert_int_equal(wire_sidecar_down_decode(a, view(&b), &got[k], &err), ERR_OK);
        assert_int_equal(got[k].kind, k);
        assert_string_equal(got[k].order.operation_id, "7f");
        assert_non_null(got[k].order.to);
        wire_sidecar_down_encode(&got[k], &again);
        assert_true(sv_eq(view(&b), view(&again)));
    }
    assert_int_equal(got[SIDECAR_DOWN_FENCE].order.stage, 2);
    assert_int_equal(got[SIDECAR_DOWN_FENCE].order.hold_seconds, 60);
    assert_int_equal(got[SIDECAR_DOWN_FENCE].order.drain_seconds, 4);
    assert_true(got[SIDECAR_DOWN_UNFENCE].order.force);
    assert_int_equal(got[SIDECAR_DOWN_STOP_CLEAN].order.timeout_seconds, 5);
    assert_int_equal(got[SIDECAR_DOWN_PROMOTE].order.timeout_seconds, 5);
    assert_string_equal(got[SIDECAR_DOWN_HANDOVER].order.to, "c-1");
    assert_string_equal(got[SIDECAR_DOWN_HANDOVER].order.lsn, "0/5000028");
    assert_int_equal(got[SIDECAR_DOWN_HANDOVER].order.timeline_id, 3);
    assert_true(got[SIDECAR_DOWN_FAILOVER].order.accept_data_loss);
    assert_string_equal(got[SIDECAR_DOWN_PAUSE].order.requested_by, "ann");
    assert_string_equal(sidecar_down_name(SIDECAR_DOWN_STOP_CLEAN), "stop_clean");

    Follower f[] = {{"c-1", "streaming", "quorum", "0/5", "0/4"}};
    SidecarUp up = {.id = "x",
                    .kind = SIDECAR_UP_RESULT,
                    .result = {.success = true,
                               .clean = true,
                               .code = "unavailable",
                               .fence_operation = "7f",
                               .handover_operation = "7f",
                               .sessions = 12,
                               .lease_epoch = 8,
                               .followers = ITEMS(f)}};
    AUTO_STRBUF b = {0};
    SidecarUp r;
    wire_sidecar_up_encode(&up, &b);
    assert_int_equal(wire_sidecar_up_decode(a, view(&b), &r, &err), ERR_OK);
    assert_int_equal(r.result.followers.n, 1);
    assert_string_equal(((const Follower *)r.result.followers.at)->replayed_lsn, "0/4");
    assert_string_equal(r.result.fence_operation, "7f");
    assert_true(r.result.clean && r.result.lease_epoch == 8 && r.result.sessions == 12);
}

static void registration_both_ways(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    Error err = {0};
    RegisterRequest req = {.hostname = "h",
                           .k8s_cluster_name = "k",
                           .csr_pem = "pem",
                           .enrolment_token = "e"},
                    r;
    strmap_put(a, &req.labels, "tier", "edge");
    wire_register_request_encode(&req, &b);
    assert_int_equal(wire_register_request_decode(a, view(&b), &r, &err), ERR_OK);
    assert_string_equal(strmap_get(r.labels, "tier"), "edge");
    assert_string_equal(r.region, "");
    assert_string_equal(r.enrolment_token, "e");
    ApprovalResponse ok = {.state = APPROVAL_APPROVED, .auth_token = "t", .name = "edge-a"}, got;
    strbuf_reset(&b);
    wire_approval_response_encode(&ok, &b);
    assert_int_equal(wire_approval_response_decode(a, view(&b), &got, &err), ERR_OK);
    assert_int_equal(got.state, APPROVAL_APPROVED);
    assert_string_equal(got.name, "edge-a");
    RegisterResponse resp = {"id", "token", 5000, "expired"}, rr;
    strbuf_reset(&b);
    wire_register_response_encode(&resp, &b);
    assert_int_equal(wire_register_response_decode(a, view(&b), &rr, &err), ERR_OK);
    assert_int_equal(rr.retry_after_ms, 5000);
    assert_string_equal(rr.note, "expired");
    ApprovalRequest ask = {"id", "tok"}, asked;
    strbuf_reset(&b);
    wire_approval_request_encode(&ask, &b);
    assert_int_equal(wire_approval_request_decode(a, view(&b), &asked, &err), ERR_OK);
    assert_string_equal(asked.temp_token, "tok");
}

static void strangers_are_limited(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    Error err = {0};
    RegisterRequest req = {0}, r;
    char *big = arena_alloc(a, 20001);
    memset(big, 'x', 20000);
    req.csr_pem = big;
    wire_register_request_encode(&req, &b);
    assert_int_equal(wire_register_request_decode(a, view(&b), &r, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "csr_pem"));
    strbuf_reset(&b);
    req = (RegisterRequest){.hostname = "\xFF\xFE"};
    wire_register_request_encode(&req, &b);
    assert_int_equal(wire_register_request_decode(a, view(&b), &r, &err), ERR_MALFORMED);
    assert_non_null(strstr(err.msg, "hostname"));
    strbuf_reset(&b);
    for (int i = 0; i < 70; i++)
        strmap_put(a, &req.labels, arena_printf(a, "k%d", i), "v");
    req.hostname = "h";
    wire_register_request_encode(&req, &b);
    assert_int_equal(wire_register_request_decode(a, view(&b), &r, &err), ERR_INVALID);
}

/* Four bytes an instance, a million of them: refused before they cost memory. */
static void small_bytes_do_not_grow_large(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF inner = {0};
    AUTO_STRBUF b = {0};
    Error err = {0};
    SatelliteUp r;
    for (int i = 0; i < 500000; i++)
        strbuf_add(&inner, "\x32\x00", 2);
    strbuf_addc(&b, 0x22);
    for (size_t n = inner.n; n; n >>= 7)
        strbuf_addc(&b, (char)((n & 0x7F) | (n >> 7 ? 0x80 : 0)));
    strbuf_add(&b, inner.p, inner.n);
    assert_int_equal(wire_up_decode(a, view(&b), &r, &err), ERR_MALFORMED);
    assert_true(arena_used(a) < 40u * 1024 * 1024);
}

static void what_is_not_known_is_told(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Error err = {0};
    SatelliteUp r;
    /* Field 99, length-delimited, two bytes. */
    assert_int_equal(wire_up_decode(a, SV("\x9a\x06\x02hi"), &r, &err), ERR_OK);
    assert_int_equal(r.kind, UP_OTHER);
    assert_int_equal(r.other, 99);
    /* backup_status, which this program does not carry. */
    assert_int_equal(wire_up_decode(a, SV("\x5a\x00"), &r, &err), ERR_OK);
    assert_int_equal(r.other, 11);
    assert_int_equal(wire_up_decode(a, (StrView){0}, &r, &err), ERR_OK);
    assert_int_equal(r.other, 0);
    assert_int_equal(wire_up_decode(a, SV("\xff\xff"), &r, &err), ERR_MALFORMED);
    /* Enums of a newer peer. */
    assert_int_equal(wire_up_decode(a, SV("\x22\x02\x20\x63"), &r, &err), ERR_OK);
    assert_int_equal(r.health.state, CLUSTER_UNKNOWN);
}

/* A site's texts have an end, between two characters, and its numbers are numbers. */
static void what_a_site_says_is_cut(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    char *big = arena_alloc(a, 10001);
    for (size_t i = 0; i + 1 < 10000; i += 2)
        memcpy(big + i, "\xC3\xA9", 2);
    InstanceHealth in = {
        .pod_name = "pg-0", .error = big, .lag_seconds = NAN, .commit_ratio = INFINITY};
    AUTO_STRBUF b = {0};
    SatelliteUp r;
    Error err = {0};
    wire_up_encode(
        &(SatelliteUp){.kind = UP_HEALTH, .health = {.name = big, .instances = {&in, 1}}}, &b);
    assert_int_equal(wire_up_decode(a, view(&b), &r, &err), ERR_OK);
    const InstanceHealth *got = r.health.instances.at;
    assert_int_equal(strlen(r.health.name), 252);
    assert_int_equal(strlen(got->error), 2000);
    assert_true(utf8_valid(r.health.name, strlen(r.health.name)));
    assert_true(got->lag_seconds == 0 && got->commit_ratio == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_goes_up),
        cmocka_unit_test(the_rest_goes_up),
        cmocka_unit_test(everything_goes_down),
        cmocka_unit_test(sidecars_both_ways),
        cmocka_unit_test(operations_both_ways),
        cmocka_unit_test(decisions_are_acknowledged),
        cmocka_unit_test(orders_reach_a_sidecar),
        cmocka_unit_test(registration_both_ways),
        cmocka_unit_test(strangers_are_limited),
        cmocka_unit_test(small_bytes_do_not_grow_large),
        cmocka_unit_test(what_is_not_known_is_told),
        cmocka_unit_test(what_a_site_says_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
