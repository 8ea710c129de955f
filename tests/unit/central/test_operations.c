/* Operations: what may be asked for, what a report changes, what is said to a site. */
#include "fleet/orders.h"
#include "svc/operation_check.h"
#include "svc/operation_merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static ApiOperation fresh(void)
{
    return (ApiOperation){.id = "op", .state = "pending", .target = "", .error = "", .detail = ""};
}

static OperationProgress told(uint32_t step, StepStatus status, int64_t at)
{
    return (OperationProgress){.id = "op",
                               .step = step,
                               .steps_total = 9,
                               .step_name = "a step",
                               .status = status,
                               .pod = "db-1",
                               .target = "db-1",
                               .detail = "",
                               .error = "",
                               .point_of_no_return = step >= 3,
                               .at_us = at,
                               .started_us = 100 * step};
}

static const char *as_text(Arena *a, const ApiOperation *o)
{
    return fields_to_text(a, &schema_OPERATION, o, 0);
}

/* Every order of six reports, and each of them told twice, comes to the same. */
static void test_merge_in_any_order(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    const OperationProgress all[] = {
        told(1, STEP_RUNNING, 101), told(1, STEP_DONE, 102),    told(2, STEP_RUNNING, 201),
        told(2, STEP_WAITING, 202), told(3, STEP_RUNNING, 301), told(3, STEP_DONE, 302),
    };
    enum { N = sizeof all / sizeof *all, ORDERS = 720 };
    const char *want = NULL;
    for (int order = 0; order < ORDERS; order++) {
        int left[N], code = order;
        ApiOperation o = fresh();
        for (int i = 0; i < N; i++)
            left[i] = i;
        for (int n = N; n > 0; n--) {
            int pick = code % n;
            code /= n;
            const OperationProgress *p = &all[left[pick]];
            left[pick] = left[n - 1];
            assert_int_not_equal(operation_merge_progress(a, &o, p), MERGE_REFUSED);
            assert_int_equal(operation_merge_progress(a, &o, p), MERGE_NOTHING);
        }
        const char *got = as_text(a, &o);
        if (want)
            assert_string_equal(got, want);
        want = got;
        assert_string_equal(o.state, "running");
        assert_int_equal(o.step, 3);
        assert_true(o.point_of_no_return);
    }
}

static void test_merge_states(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    ApiOperation o = fresh();
    OperationProgress p = told(2, STEP_WAITING, 10);
    operation_merge_progress(a, &o, &p);
    assert_string_equal(o.state, "waiting");
    o.state = "unknown"; /* central lost sight of it; the same word again brings it back */
    assert_int_equal(operation_merge_progress(a, &o, &p), MERGE_CHANGED);
    assert_string_equal(o.state, "waiting");
    static const struct {
        uint32_t step;
        StepStatus status;
        int64_t at;
    } bad[] = {{0, STEP_DONE, 1}, {65, STEP_DONE, 1}, {1, STEP_NONE, 1}, {1, STEP_DONE, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p = told(bad[i].step, bad[i].status, bad[i].at);
        assert_int_equal(operation_merge_progress(a, &o, &p), MERGE_REFUSED);
    }
}

static void test_merge_results(void **state)
{
    (void)state;
    static const char *const states[] = {"done", "rolled_back", "failed", "unknown"};
    for (int first = OUTCOME_DONE; first <= OUTCOME_UNKNOWN; first++)
        for (int second = OUTCOME_DONE; second <= OUTCOME_UNKNOWN; second++) {
            ApiOperation o = fresh();
            OperationResult r = {.outcome = (Outcome)first, .error = "why"};
            assert_int_equal(operation_merge_result(&o, &r, 77), MERGE_CHANGED);
            assert_int_equal(o.finished_at, 77);
            assert_string_equal(o.state, states[first - 1]);
            assert_string_equal(o.error, first == OUTCOME_DONE ? "" : "why");
            r.outcome = (Outcome)second;
            operation_merge_result(&o, &r, 78);
            /* Only what was unknown may become known. */
            assert_string_equal(o.state, states[(first == OUTCOME_UNKNOWN ? second : first) - 1]);
        }
    ApiOperation o = fresh();
    OperationResult r = {.outcome = OUTCOME_NONE};
    assert_int_equal(operation_merge_result(&o, &r, 1), MERGE_REFUSED);
}

static void test_orders(void **state)
{
    (void)state;
    static const struct {
        OrderRow row;
        OrderSeen seen;
        uint64_t now;
        unsigned want;
    } rows[] = {
        {{0}, {0}, 100, ORDER_REQUEST},
        {{0}, {100, 0, 0}, 5099, 0},
        {{0}, {100, 0, 0}, 5100, ORDER_REQUEST},      /* no answer */
        {{0}, {100, 200, 0}, 20199, 0},               /* answered */
        {{0}, {100, 200, 0}, 20200, ORDER_REQUEST},   /* and silent since */
        {{0}, {20200, 200, 0}, 20300, 0},             /* asked again */
        {{0}, {20200, 200, 0}, 25200, ORDER_REQUEST}, /* no answer to that */
        {{true, false, 3, 0}, {0}, 100, ORDER_REQUEST | ORDER_ABORT},
        {{true, false, 3, 0}, {100, 200, 300}, 5299, 0},
        {{true, false, 3, 0}, {100, 200, 300}, 5300, ORDER_ABORT},
        {{false, true, 6, 6}, {100, 200, 0}, 300, ORDER_CONTINUE},
        {{false, true, 6, 5}, {100, 200, 0}, 300, 0},  /* said at another step */
        {{false, false, 6, 6}, {100, 200, 0}, 300, 0}, /* it went on */
        {{false, true, 6, 0}, {100, 200, 0}, 300, 0},
        {{true, true, 6, 6}, {100, 200, 0}, 300, ORDER_ABORT}, /* both were said */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(orders_decide(rows[i].row, rows[i].seen, rows[i].now), rows[i].want);
}

static OperationFacts facts(void)
{
    return (OperationFacts){.cluster = "db",
                            .satellite = "edge-a",
                            .primary = "db-0",
                            .replicas = 3,
                            .approved = true,
                            .connected = true,
                            .now_us = 1000};
}

static void test_members(void **state)
{
    (void)state;
    OperationFacts f = facts();
    ApiInstance told_of[] = {{.pod = "db-7"}};
    f.instances = (ObjList){told_of, 1};
    static const struct {
        const char *pod;
        bool want;
    } rows[] = {{"db-0", true},   {"db-2", true},   {"db-3", false},
                {"db-7", true},   {"db-", false},   {"db", false},
                {"db-00", false}, {"db-1x", false}, {"dbx-1", false},
                {"", false},      {"d", false},     {"db-99999999999999999999", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(operation_member(&f, rows[i].pod), rows[i].want);
}

static ErrCode check(OperationKind kind, const ApiOperationInput *in, const OperationFacts *f)
{
    AUTO_ARENA a = arena_new();
    Error err;
    FieldErrors errs = field_errors(a);
    return operation_check(a, kind, in, f, &errs, &err);
}

static void test_check(void **state)
{
    (void)state;
    OperationFacts f = facts();
    ApiOperationInput to = {.to = "db-1"}, away = {.to = "db-1", .detach = true},
                      planned = {.to = "db-1", .at = 2000};
    assert_int_equal(check(OP_SWITCHOVER, &to, &f), ERR_OK);
    for (OperationKind k = OP_SWITCHOVER; k < OP_KIND_COUNT; k++) {
        ApiOperationInput in = {.pod = "db-1"};
        assert_int_equal(check(k, &in, &f), ERR_OK);
        f.blocker = "switchover 1";
        assert_int_equal(check(k, &in, &f), ERR_CONFLICT);
        f.blocker = NULL;
        f.deleting = true;
        assert_int_equal(check(k, &in, &f), ERR_CONFLICT);
        f.deleting = false;
    }
    f.connected = false;
    assert_int_equal(check(OP_SWITCHOVER, &to, &f), ERR_UNAVAILABLE);
    assert_int_equal(check(OP_SWITCHOVER, &away, &f), ERR_OK);
    assert_int_equal(check(OP_SWITCHOVER, &planned, &f), ERR_OK);
    f.approved = false;
    assert_int_equal(check(OP_SWITCHOVER, &away, &f), ERR_CONFLICT);
    f = facts();
    f.replicas = 1;
    assert_int_equal(check(OP_FAILOVER, &(ApiOperationInput){0}, &f), ERR_INVALID);
    assert_int_equal(check(OP_RESTART, &(ApiOperationInput){0}, &f), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_in_any_order),
        cmocka_unit_test(test_merge_states),
        cmocka_unit_test(test_merge_results),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
