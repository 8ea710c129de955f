/* Versions as commits, diffs between them, and upload-pack: requests as git sends them, packs as
 * git reads them. */
#include "gitstore/gitstore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { VERSIONS = 3 };

typedef struct Fixture {
    GitObjects *o;
    char hex[VERSIONS][GIT_OID_HEX + 1];
    GitRef refs[VERSIONS + 1];
    char tags[VERSIONS][40];
} Fixture;

static void commit(Fixture *f, int i)
{
    Error err;
    char conf[64];
    snprintf(conf, sizeof conf, "work_mem = %dMB\nfsync = on\n", 4 << i);
    GitFile files[] = {{"profile.json", SV("{\"replicas\":3}\n")},
                       {"postgresql.conf", sv(conf)},
                       {"pg_hba.conf", SV("host all all 10.0.0.0/8 scram-sha-256\n")}};
    GitCommitSpec spec = {.files = files,
                          .n = i == 0 ? 2 : 3,
                          .parent = i ? f->hex[i - 1] : NULL,
                          .author = "Ann <the> admin",
                          .email = "ann@central",
                          .message = i ? "Raise work_mem" : "First version",
                          .at_us = 1700000000000000 + i * 60000000LL};
    assert_int_equal(githist_commit(f->o, &spec, f->hex[i], &err), ERR_OK);
    snprintf(f->tags[i], sizeof f->tags[i], "refs/tags/std/v%d", i + 1);
    f->refs[i + 1] = (GitRef){f->tags[i], f->hex[i]};
}

static void build(Fixture *f)
{
    f->o = gitobjs_new();
    for (int i = 0; i < VERSIONS; i++)
        commit(f, i);
    f->refs[0] = (GitRef){"refs/heads/std", f->hex[VERSIONS - 1]};
}

static void test_history(void **state)
{
    (void)state;
    Fixture f, again;
    GitObject made;
    GitVersion v, w;
    StrView diff;
    Error err;
    size_t n = 0;
    AUTO_ARENA a = arena_new();
    build(&f);
    build(&again);
    assert_string_equal(f.hex[2], again.hex[2]); /* same content, same id */
    gitobjs_free(again.o);
    while (gitobjs_made(f.o, n, &made))
        n++;
    assert_int_equal(n, 3 + 3 + 5); /* commits, trees, distinct files */
    assert_int_equal(githist_read(f.o, a, f.hex[1], &v, &err), ERR_OK);
    assert_string_equal(v.author, "Ann the admin");
    assert_string_equal(v.message, "Raise work_mem\n");
    assert_string_equal(v.parent, f.hex[0]);
    assert_int_equal(v.n, 3);
    assert_string_equal(v.files[0].path, "pg_hba.conf");
    assert_int_equal(githist_read(f.o, a, f.hex[0], &w, &err), ERR_OK);
    assert_null(w.parent);
    assert_int_equal(githist_diff(a, &w, &v, &diff, &err), ERR_OK);
    assert_non_null(strstr(diff.p, "-work_mem = 4MB\n+work_mem = 8MB\n"));
    assert_non_null(strstr(diff.p, "new file mode"));
    assert_null(strstr(diff.p, "profile.json"));
    assert_int_equal(githist_diff(a, &v, &v, &diff, &err), ERR_OK);
    assert_int_equal(diff.n, 0);
    gitobjs_free(f.o);
}

/* A set that is filled step by step, as central does from its table. */
static void test_missing(void **state)
{
    (void)state;
    Fixture f;
    GitVersion v;
    Error err;
    AUTO_ARENA a = arena_new();
    build(&f);
    GitObjects *part = gitobjs_new();
    for (int round = 0; round < 4 && githist_read(part, a, f.hex[2], &v, &err); round++) {
        assert_int_equal(err.code, ERR_NOT_FOUND);
        const char *const *miss = githist_missing(part, a, f.hex[2]);
        assert_non_null(miss[0]);
        for (; *miss; miss++) {
            GitObject g;
            for (size_t i = 0; gitobjs_made(f.o, i, &g); i++) {
                char hex[41];
                for (int k = 0; k < 20; k++)
                    snprintf(hex + k * 2, 3, "%02x", g.oid[k]);
                if (str_eq(hex, *miss))
                    gitobjs_add(part, sv_n((const char *)g.oid, 20), g.kind, g.data);
            }
        }
    }
    assert_int_equal(githist_read(part, a, f.hex[2], &v, &err), ERR_OK);
    assert_null(*githist_missing(part, a, f.hex[2]));
    assert_int_equal(githist_read(part, a, f.hex[0], &v, &err), ERR_NOT_FOUND);
    assert_int_equal(githist_read(part, a, "zz", &v, &err), ERR_INVALID);
    gitobjs_free(part);
    GitFile bad[] = {{"../x", SV("")}};
    char hex[41];
    assert_int_equal(githist_commit(f.o, &(GitCommitSpec){.files = bad, .n = 1}, hex, &err),
                     ERR_INVALID);
    gitobjs_free(f.o);
}

/* ---- upload-pack ---- */

static void ask(StrBuf *b, const char *line)
{
    strbuf_addf(b, "%04zx%s\n", strlen(line) + 5, line);
}

static StrView pack_of(Arena *a, StrView resp, bool sideband)
{
    StrBuf out = {0};
    size_t at = 0;
    unsigned n;
    while (at < resp.n && sscanf(resp.p + at, "%4x", &n) == 1 && n) {
        if (sideband && resp.p[at + 4] == 1)
            strbuf_add(&out, resp.p + at + 5, n - 5);
        at += n;
        if (!sideband && memcmp(resp.p + at, "PACK", 4) == 0) {
            strbuf_add(&out, resp.p + at, resp.n - at);
            break;
        }
    }
    StrView v = sv_n(arena_memdup(a, out.p, out.n), out.n);
    strbuf_done(&out);
    return v;
}

/* Let git itself read the pack into a repository, and count the commits of it. */
static int git_counts(StrView pack, const char *tip)
{
    char cmd[512], out[32] = "";
    char dir[] = "/tmp/pgswarm-git-XXXXXX";
    assert_non_null(mkdtemp(dir));
    snprintf(cmd, sizeof cmd, "%s/pack", dir);
    FILE *w = fopen(cmd, "w");
    assert_int_equal(fwrite(pack.p, 1, pack.n, w), pack.n);
    fclose(w);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        snprintf(
            cmd, sizeof cmd,
            "cd %s && git init -q --bare r && cd r && git index-pack --strict --stdin <../pack "
            ">/dev/null && git update-ref refs/heads/t %s && git fsck --strict >&2 && git "
            "rev-list --count t; rm -rf %s",
            dir, tip, dir);
        execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], out, sizeof out - 1);
    close(fds[0]);
    waitpid(pid, NULL, 0);
    return n > 0 ? (int)strtol(out, NULL, 10) : -1;
}

static void test_clone(void **state)
{
    (void)state;
    Fixture f;
    Error err;
    StrView resp;
    AUTO_ARENA a = arena_new();
    build(&f);
    StrView adv = gitserve_advertise(a, f.refs, VERSIONS + 1, "refs/heads/std");
    assert_memory_equal(adv.p, "001e# service=git-upload-pack\n0000", 34);
    assert_non_null(memmem(adv.p, adv.n, " HEAD\0multi_ack", 15));
    for (int sideband = 0; sideband < 2; sideband++) {
        StrBuf q = {0};
        ask(&q, arena_printf(a, "want %s%s", f.hex[2], sideband ? " side-band-64k" : ""));
        ask(&q, arena_printf(a, "want %s", f.hex[0]));
        strbuf_adds(&q, "0000");
        ask(&q, "done");
        assert_int_equal(gitserve_upload_pack(f.o, a, sv_n(q.p, q.n), false, &resp, &err), ERR_OK);
        assert_memory_equal(resp.p, "0008NAK\n", 8);
        assert_int_equal(git_counts(pack_of(a, resp, sideband), f.hex[2]), VERSIONS);
        strbuf_done(&q);
    }
    gitobjs_free(f.o);
}

static void test_negotiation(void **state)
{
    (void)state;
    Fixture f;
    Error err;
    StrView resp;
    AUTO_ARENA a = arena_new();
    build(&f);
    const char *none = "0123456789012345678901234567890123456789";
    static const struct {
        const char *caps, *have0, *have1, *end, *want;
    } rows[] = {
        /* round without done: only the acknowledgements */
        {" multi_ack_detailed", "have 0", "have none", "0000", "0038ACK 0 common\n0008NAK\n"},
        {"", "have none", "have none", "0000", "0008NAK\n"},
        {"", "have 0", "have none", "0000", "0031ACK 0\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        StrBuf q = {0};
        const char *have[] = {rows[i].have0, rows[i].have1};
        ask(&q, arena_printf(a, "want %s%s", f.hex[2], rows[i].caps));
        strbuf_adds(&q, "0000");
        for (int k = 0; k < 2; k++)
            ask(&q, arena_printf(a, "have %s", str_eq(have[k], "have 0") ? f.hex[0] : none));
        strbuf_adds(&q, rows[i].end);
        assert_int_equal(gitserve_upload_pack(f.o, a, sv_n(q.p, q.n), false, &resp, &err), ERR_OK);
        StrBuf want = {0};
        for (const char *p = rows[i].want; *p; p++)
            if (str_starts(p, "ACK 0")) {
                strbuf_addf(&want, "ACK %s", f.hex[0]);
                p += 4;
            } else {
                strbuf_addc(&want, *p);
            }
        assert_string_equal(arena_strndup(a, resp.p, resp.n), strbuf_str(&want));
        strbuf_done(&want);
        strbuf_done(&q);
    }
    gitobjs_free(f.o);
}

static void test_bad_requests(void **state)
{
    (void)state;
    Fixture f;
    Error err;
    StrView resp;
    AUTO_ARENA a = arena_new();
    build(&f);
    static const char *const bad[] = {"x",
                                      "000",
                                      "zzzz",
                                      "0003",
                                      "ffff",
                                      "0009hello",
                                      "0032want 012345678901234567890123456789012345678"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gitserve_upload_pack(f.o, a, sv(bad[i]), false, &resp, &err),
                         ERR_MALFORMED);
    assert_int_equal(gitserve_upload_pack(f.o, a, SV("not gzip"), true, &resp, &err),
                     ERR_MALFORMED);
    const char *unknown = "0032want 0123456789012345678901234567890123456789\n00000009done\n";
    assert_int_equal(gitserve_upload_pack(f.o, a, sv(unknown), false, &resp, &err), ERR_OK);
    assert_non_null(memmem(resp.p, resp.n, "ERR upload-pack: not our ref", 28));
    gitobjs_free(f.o);
}

static int start(void **state)
{
    (void)state;
    gitstore_init();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    gitstore_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history),      cmocka_unit_test(test_missing),
        cmocka_unit_test(test_clone),        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_bad_requests),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
