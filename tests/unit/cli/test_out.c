/* Text for people: folding. */
#include "out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void fold(const char *text, size_t width, const char *want)
{
    AUTO_STRBUF b = {0};
    out_fold(&b, text, width);
    assert_string_equal(strbuf_str(&b), want);
}

static void test_fold(void **state)
{
    (void)state;
    fold("", 20, "");
    fold("short", 20, "short\n");
    fold("one two three", 9, "one two\nthree\n");
    fold("one two three", 0, "one two three\n");
    fold("head:\n  db-0 hands over to db-1", 14, "head:\n  db-0 hands\n  over to db-1\n");
    fold("averyveryverylongword and more", 8, "averyveryverylongword\nand more\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
