/* tests/fuzz/fuzz_op_record.c - the record of an operation as it lies in a ConfigMap: what is read
 * is written the same, and told without surprise. */
#include "ops/record.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_ARENA a = arena_new();
    OpRecord r, again;
    Error err = {0};
    if (op_record_parse(a, sv_n((const char *)data, n), &r, &err)) {
        if (!*err.msg)
            abort();
        return 0;
    }
    char *once = op_record_text(a, &r);
    if (op_record_parse(a, sv(once), &again, &err) || !str_eq(once, op_record_text(a, &again)))
        abort();
    for (uint32_t i = 1; i <= r.steps.n; i++)
        if (!op_record_progress(&r, i).step_name)
            abort();
    OpRecord copy = op_record_dup(a, &r);
    return operation_kind_of(copy.kind) == OP_NONE;
}
