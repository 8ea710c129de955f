#include "record/record.h"

#include "codec/json.h"
#include "codec/json_out.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/ident.h"
#include "core/log.h"
#include "core/vec.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FILE_MAX = 4 * 1024 * 1024,
    LINE_MAX_BYTES = 8 * 1024,
    COMPACT_BYTES = 256 * 1024,
    AGAIN_MS = 10 * 1000, /* what is not acknowledged is handed over again */
};

/* One decision in an arena of its own. */
typedef struct Kept {
    Arena *a;
    DecisionRecord d;
} Kept;

struct Record {
    RecordConfig cfg;
    char *path;
    char chain[DECISION_CHAIN + 1];
    VEC(Kept) kept; /* oldest first; the last one stays even when it is acknowledged */
    uint64_t next, sent, acked;
    size_t file_bytes;
    Timer *again;
};

/* ---- texts ---- */

/* One line, cut at a whole character. */
static char *tidy(Arena *a, const char *s)
{
    s = str_or(s, "");
    size_t n = strlen(s);
    if (n > DECISION_TEXT) {
        n = DECISION_TEXT;
        while (n && ((unsigned char)s[n] & 0xC0) == 0x80)
            n--;
    }
    char *out = arena_strndup(a, s, n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7F)
            out[i] = ' ';
    if (!utf8_valid(out, n))
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)out[i] >= 0x80)
                out[i] = '?';
    return out;
}

static void put_line(StrBuf *b, const DecisionRecord *d)
{
    AUTO_ARENA a = arena_new_sized(1024);
    StrMap m = decision_to_map(a, d);
    JsonOut j = json_out(b);
    json_obj(&j);
    for (size_t i = 0; i < m.n; i++)
        json_put_str(&j, m.at[i].key, m.at[i].value);
    json_obj_end(&j);
    strbuf_addc(b, '\n');
}

static void put_ack(StrBuf *b, const Record *r)
{
    strbuf_addf(b, "{\"acked\":%" PRIu64 "}\n", r->acked);
}

/* ---- the file ---- */

/* Not synced: the run volume is memory, and lives as long as the pod. */
static void write_out(Record *r, const char *path, int flags, const StrBuf *b)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    ssize_t n = fd < 0 ? -1 : write(fd, strbuf_str(b), b->n);
    if (n != (ssize_t)b->n)
        log_warn("record", "a decision cannot be kept", "path=%s errno=%d", path, errno);
    if (fd >= 0)
        close(fd);
    if (n > 0)
        r->file_bytes += (size_t)n;
}

static void compact(Record *r)
{
    AUTO_STRBUF b = {0};
    AUTO_ARENA a = arena_new_sized(256);
    char *tmp = arena_printf(a, "%s.tmp", r->path);
    for (size_t i = 0; i < r->kept.n; i++)
        put_line(&b, &r->kept.at[i].d);
    put_ack(&b, r);
    r->file_bytes = 0;
    write_out(r, tmp, O_TRUNC, &b);
    if (rename(tmp, r->path))
        log_warn("record", "decisions cannot be kept", "path=%s errno=%d", r->path, errno);
}

static void append(Record *r, const StrBuf *b)
{
    if (r->file_bytes > COMPACT_BYTES)
        compact(r); /* holds what `b` says already */
    else
        write_out(r, r->path, O_APPEND, b);
}

/* ---- the ring ---- */

static void drop_first(Record *r)
{
    arena_free(r->kept.at[0].a);
    vec_remove(&r->kept, 0);
}

static void drop_acked(Record *r)
{
    while (r->kept.n > 1 && r->kept.at[0].d.number <= r->acked)
        drop_first(r);
    while (r->kept.n > RECORD_MAX)
        drop_first(r);
}

static const DecisionRecord *last(const Record *r)
{
    return r->kept.n ? &r->kept.at[r->kept.n - 1].d : NULL;
}

static void keep(Record *r, Arena *a, const DecisionRecord *d)
{
    vec_push(&r->kept, ((Kept){a, *d}));
    r->next = d->number + 1;
    drop_acked(r);
}

/* ---- loading ---- */

/* A line that does not continue what was read before ends the reading: the rest is not ours. */
static bool take_line(Record *r, StrView line)
{
    Arena *a = arena_new_sized(1024);
    cJSON *root;
    StrMap m = {0};
    DecisionRecord d;
    char hash[DECISION_HASH + 1];
    const cJSON *it;
    if (json_parse(a, line, LINE_MAX_BYTES, &root, NULL))
        goto no;
    int64_t acked = json_int_at(root, "acked", -1);
    if (acked >= 0) {
        r->acked = (uint64_t)acked;
        arena_free(a);
        return true;
    }
    cJSON_ArrayForEach(it, root) if (cJSON_IsString(it))
        strmap_put(a, &m, it->string, it->valuestring);
    if (!decision_from_map(arena_strdup(a, r->cfg.member), m, &d))
        goto no;
    decision_hash(&d, hash);
    const DecisionRecord *before = last(r);
    if (!str_eq(hash, d.hash) || strlen(d.chain) > DECISION_CHAIN ||
        (before && (!str_eq(before->hash, d.prev) || before->number + 1 != d.number)))
        goto no;
    snprintf(r->chain, sizeof r->chain, "%s", d.chain);
    keep(r, a, &d);
    return true;
no:
    arena_free(a);
    return false;
}

/* Somebody has been at the file: what is there cannot be gone on with. */
static void forget(Record *r)
{
    log_error("record", "the kept decisions do not fit together; a new chain begins", "path=%s",
              r->path);
    while (r->kept.n)
        drop_first(r);
    *r->chain = '\0';
    r->next = 1;
    r->acked = 0;
}

/* A last line without its end was never handed over. */
static void load(Record *r)
{
    AUTO_ARENA a = arena_new();
    StrView text;
    Error err;
    bool whole = true;
    ErrCode rc = file_read(a, r->path, FILE_MAX, &text, &err);
    if (rc && rc != ERR_NOT_FOUND)
        log_warn("record", "earlier decisions cannot be read", "err=%s", log_quote(err.msg));
    if (rc)
        return;
    while (whole && memchr(str_or(text.p, ""), '\n', text.n))
        whole = take_line(r, sv_cut(&text, '\n'));
    if (!whole)
        forget(r);
    if (r->acked >= r->next)
        r->acked = r->next - 1;
    drop_acked(r);
    compact(r);
}

static void new_chain(Record *r)
{
    unsigned char id[DECISION_CHAIN / 2];
    random_bytes(id, sizeof id);
    hex_encode(r->chain, id, sizeof id);
}

/* ---- handing over ---- */

static void hand_over(Record *r)
{
    for (size_t i = 0; i < r->kept.n; i++) {
        const DecisionRecord *d = &r->kept.at[i].d;
        if (d->number <= r->sent || d->number <= r->acked)
            continue;
        if (!r->cfg.send(r->cfg.ctx, d))
            return;
        r->sent = d->number;
    }
}

void record_resume(Record *r)
{
    if (!r)
        return;
    r->sent = r->acked;
    hand_over(r);
}

static void on_again(void *ctx)
{
    Record *r = ctx;
    if (r->acked + 1 < r->next)
        record_resume(r);
}

void record_acked(Record *r, const char *chain, uint64_t number)
{
    if (!r || !str_eq(chain, r->chain) || number <= r->acked || number >= r->next)
        return;
    r->acked = number;
    drop_acked(r);
    AUTO_STRBUF b = {0};
    put_ack(&b, r);
    append(r, &b);
}

/* ---- noting ---- */

static bool is_repeat(const Record *r, const DecisionNote *n)
{
    const DecisionRecord *d = last(r);
    return d && d->epoch == n->epoch && str_eq(d->kind, n->kind) &&
           str_eq(d->did, str_or(n->did, "")) && str_eq(d->why, str_or(n->why, ""));
}

void decision_note(Record *r, const DecisionNote *n)
{
    if (!r || is_repeat(r, n))
        return;
    char hash[DECISION_HASH + 1];
    Arena *a = arena_new_sized(1024);
    const DecisionRecord *before = last(r);
    DecisionRecord d = {.member = r->cfg.member,
                        .chain = r->chain,
                        .number = r->next,
                        .epoch = n->epoch,
                        .at_us = clock_wall_us(),
                        .kind = tidy(a, n->kind),
                        .saw = tidy(a, n->saw),
                        .did = tidy(a, n->did),
                        .why = tidy(a, n->why),
                        .prev = before ? arena_strdup(a, before->hash) : ""};
    decision_hash(&d, hash);
    d.hash = arena_strdup(a, hash);
    log_info("record", "decided", "kind=%s epoch=%" PRIu64 " did=%s saw=%s why=%s", d.kind, d.epoch,
             log_quote(d.did), log_quote(d.saw), log_quote(d.why));
    AUTO_STRBUF b = {0};
    put_line(&b, &d);
    keep(r, a, &d);
    append(r, &b);
    hand_over(r);
}

Record *record_new(const RecordConfig *cfg)
{
    Record *r = xnew(Record);
    r->cfg = *cfg;
    r->path = xasprintf("%s/decisions", cfg->dir);
    r->next = 1;
    load(r);
    if (!*r->chain)
        new_chain(r);
    r->again = timer_start(cfg->loop, AGAIN_MS, AGAIN_MS, on_again, r);
    return r;
}

void record_free(Record *r)
{
    if (!r)
        return;
    timer_stop(r->again);
    while (r->kept.n)
        drop_first(r);
    vec_done(&r->kept);
    free(r->path);
    free(r);
}
