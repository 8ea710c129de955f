#include "logpipe.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static void ignore(void *ctx, const char *line)
{
    (void)ctx;
    (void)line;
}

/* What one flush writes to stdout, into buf. */
static size_t flushed(LogPipe *lp, char *buf, size_t size)
{
    int fds[2], saved = dup(STDOUT_FILENO);
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    dup2(fds[1], STDOUT_FILENO);
    logpipe_flush(lp);
    dup2(saved, STDOUT_FILENO);
    ssize_t n = read(fds[0], buf, size);
    close(fds[0]);
    close(fds[1]);
    close(saved);
    return n > 0 ? (size_t)n : 0;
}

static LogPipe opened(void)
{
    LogPipe lp = {.on_line = ignore};
    Error err = {0};
    assert_int_equal(logpipe_open(&lp, &err), ERR_OK);
    return lp;
}

static void say(LogPipe *lp, char c, size_t n, const char *end)
{
    AUTO_STRBUF text = {0};
    for (size_t i = 0; i < n; i++)
        strbuf_addc(&text, c);
    strbuf_adds(&text, end);
    assert_int_equal(write(lp->write_fd, text.p, text.n), text.n);
    while (logpipe_read(lp))
        ;
}

/* Our own records go the same way, and must not stand in the middle of a line. */
static void by_whole_lines(void **state)
{
    (void)state;
    LogPipe lp = opened();
    char buf[2 * PIPE_BUF];
    say(&lp, 'a', 3000, "\n");
    say(&lp, 'b', 3000, "\n");
    assert_int_equal(flushed(&lp, buf, sizeof buf), 3001);
    assert_int_equal(flushed(&lp, buf, sizeof buf), 3001);
    assert_memory_equal(buf + 2998, "bb\n", 3);
    assert_false(logpipe_waits(&lp));
    logpipe_done(&lp);
}

static void a_line_too_long_goes_in_pieces(void **state)
{
    (void)state;
    LogPipe lp = opened();
    char buf[2 * PIPE_BUF];
    say(&lp, 'a', PIPE_BUF + 10, "\nnext");
    assert_int_equal(flushed(&lp, buf, sizeof buf), PIPE_BUF);
    assert_int_equal(flushed(&lp, buf, sizeof buf), 11);
    assert_int_equal(flushed(&lp, buf, sizeof buf),
                     4); /* and what has no end yet waits for nothing */
    logpipe_done(&lp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_whole_lines),
        cmocka_unit_test(a_line_too_long_goes_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
