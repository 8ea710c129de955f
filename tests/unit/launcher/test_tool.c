#include "tool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

/* A tool's run with a pipe at our stderr that keeps apart what was written apart. */
typedef struct Run {
    int fd, saved;
    ErrCode rc;
    Error err;
} Run;

static Run run(const char *script)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_DIRECT | O_CLOEXEC), 0);
    Run r = {.fd = fds[0], .saved = dup(STDERR_FILENO)};
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    r.rc = tool_run((const char *const[]){"/bin/sh", "-c", script, NULL}, &r.err);
    dup2(r.saved, STDERR_FILENO); /* the last writer: what follows the packets is the end */
    close(r.saved);
    return r;
}

static void assert_next(const Run *r, const char *packet)
{
    char buf[8192] = "";
    assert_int_equal(read(r->fd, buf, sizeof buf - 1), strlen(packet));
    assert_string_equal(buf, packet);
}

/* Our own records go the same way: a line that a tool writes in pieces goes on as one write.
 * (The pause only lets a wrong one show.) */
static void whole_lines_go_on(void **state)
{
    (void)state;
    Run r = run("printf 'one '; sleep 0.1; printf 'two\\nthree'");
    assert_int_equal(r.rc, ERR_OK);
    assert_next(&r, "one two\n");
    assert_next(&r, "three\n");
    assert_next(&r, "");
    close(r.fd);
}

static void an_error_in_pieces_is_one_error(void **state)
{
    (void)state;
    Run r = run("printf 'hello\\n' >&2; printf 'x: err' >&2; printf 'or: bad\\nbye' >&2; exit 3");
    assert_int_equal(r.rc, ERR_UNAVAILABLE);
    assert_string_equal(r.err.msg, "sh ended with status 3: x: error: bad");
    assert_next(&r, "hello\n");
    assert_next(&r, "x: error: bad\n");
    assert_next(&r, "bye\n");
    assert_next(&r, "");
    close(r.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_lines_go_on),
        cmocka_unit_test(an_error_in_pieces_is_one_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
