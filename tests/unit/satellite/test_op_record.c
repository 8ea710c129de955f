#include "ops/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static OpRecord sample(Arena *a)
{
    OperationRequest q = {.id = "7f",
                          .kind = OP_SWITCHOVER,
                          .ns = "prod",
                          .cluster = "db",
                          .pod = "db-1",
                          .requested_by = "ann",
                          .interactive = true,
                          .max_lag_bytes = 1024};
    OpRecord r = op_record_new(a, &q);
    OpStep *steps = arena_array(a, OpStep, 2);
    steps[0] = (OpStep){"verify target", "db-1", "done", "it streams", "", 5, 3, 9};
    steps[1] = (OpStep){"fence", "db-0", "rolling_back", "", "no", 10, 0, 12};
    r.steps = (ObjList){steps, 2};
    r.step = 2;
    r.target = "db-1";
    r.lsn = "0/5000029";
    r.at_us = 12;
    return r;
}

static void it_comes_back_as_it_was_written(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    OpRecord r = sample(a), back;
    Error err;
    char *text = op_record_text(a, &r);
    if (op_record_parse(a, sv(text), &back, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(op_record_text(a, &back), text);
    assert_string_equal(back.lsn, "0/5000029");
    assert_true(back.interactive && back.max_lag_bytes == 1024);
    OpRecord copy = op_record_dup(a, &back);
    assert_string_equal(op_record_text(a, &copy), text);
    assert_ptr_not_equal(copy.steps.at, back.steps.at);
}

static void it_is_told_to_central(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    OpRecord r = sample(a);
    OperationProgress p = op_record_progress(&r, 2);
    assert_int_equal(p.status, STEP_ROLLING_BACK);
    assert_int_equal(p.kind, OP_SWITCHOVER);
    assert_string_equal(p.error, "no");
    assert_int_equal(p.steps_total, 2);
    assert_int_equal(p.at_us, 12);
    assert_null(op_record_step(&r, 3));
    assert_null(op_record_step(&r, 0));
    r.outcome = "rolled_back";
    r.finished_us = 99;
    OperationResult res = op_record_result(&r);
    assert_int_equal(res.outcome, OUTCOME_ROLLED_BACK);
    assert_string_equal(res.target, "db-1");
    assert_int_equal(res.finished_us, 99);
}

static void what_is_no_record(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    static const char *const BAD[] = {
        "",
        "[]",
        "{}",
        "{\"id\":\"8\",\"kind\":\"dance\",\"namespace\":\"p\",\"cluster\":\"d\"}",
        "{\"id\":\"8\",\"kind\":\"fence\",\"namespace\":\"p\",\"cluster\":\"d\",\"step\":1}",
        "{\"id\":\"8\",\"kind\":\"fence\",\"namespace\":\"p\"}",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        OpRecord r;
        Error err = {0};
        assert_int_not_equal(op_record_parse(a, sv(BAD[i]), &r, &err), ERR_OK);
        assert_true(*err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_back_as_it_was_written),
        cmocka_unit_test(it_is_told_to_central),
        cmocka_unit_test(what_is_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
