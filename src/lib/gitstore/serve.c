/* git-upload-pack, stateless: each request carries all wants and haves, so an answer depends on the
 * request and the objects alone. The order of ACK and NAK is that of git's own upload-pack.c, for
 * no multi_ack (0) and multi_ack_detailed (2). */
#include "gitstore/gitstore_priv.h"

#include "core/vec.h"
#include <stdio.h>
#include <zlib.h>

#define CAPS "multi_ack_detailed side-band-64k ofs-delta no-progress object-format=sha1"
enum { PKT_MAX = 65520, BAND_MAX = PKT_MAX - 5, WANT_MAX = 4096, HAVE_MAX = 65536 };

static void pkt(StrBuf *b, const char *text, size_t n)
{
    strbuf_addf(b, "%04zx", n + 4);
    strbuf_add(b, text, n);
}

static void pkts(StrBuf *b, const char *text)
{
    pkt(b, text, strlen(text));
}

StrView gitserve_advertise(Arena *a, const GitRef *refs, size_t n, const char *head)
{
    AUTO_STRBUF b = {0};
    const char *head_hex = NULL;
    for (size_t i = 0; head && i < n; i++)
        if (str_eq(refs[i].name, head))
            head_hex = refs[i].hex;
    const char *caps = arena_printf(a, "%s agent=pg-swarm/%s%s%s", CAPS, PGSWARM_VERSION,
                                    head_hex ? " symref=HEAD:" : "", head_hex ? head : "");
    pkts(&b, "# service=git-upload-pack\n");
    strbuf_adds(&b, "0000");
    if (head_hex)
        pkts(&b, arena_printf(a, "%s HEAD%c%s\n", head_hex, '\1', caps));
    else if (!n)
        pkts(&b, arena_printf(a, "%040d capabilities^{}%c%s\n", 0, '\1', caps));
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 && !head_hex;
        pkts(&b, arena_printf(a, "%s %s%s%s\n", refs[i].hex, refs[i].name, first ? "\1" : "",
                              first ? caps : ""));
    }
    strbuf_adds(&b, "0000");
    /* printf cannot carry the NUL that parts the first ref from the capabilities. */
    char *out = arena_memdup(a, b.p, b.n);
    char *mark = memchr(out, '\1', b.n);
    if (mark)
        *mark = 0;
    return sv_n(out, b.n);
}

/* ---- reading the request ---- */

typedef struct Request {
    StrView in;
    VEC(git_oid) wants, common;
    bool detailed, sideband;
    bool done;
    StrBuf acks;
    char last_common[GIT_OID_HEX + 1];
} Request;

typedef enum Pkt { PKT_LINE, PKT_FLUSH, PKT_END, PKT_BAD } Pkt;

static Pkt next_pkt(StrView *in, StrView *line)
{
    unsigned n = 0;
    if (in->n == 0)
        return PKT_END;
    if (in->n < 4)
        return PKT_BAD;
    for (int i = 0; i < 4; i++) {
        char c = in->p[i];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0)
            return PKT_BAD;
        n = n * 16 + (unsigned)d;
    }
    if (n == 0) {
        *in = sv_n(in->p + 4, in->n - 4);
        return PKT_FLUSH;
    }
    if (n < 4 || n > PKT_MAX || n > in->n)
        return PKT_BAD;
    *line = sv_n(in->p + 4, n - 4);
    if (line->n && line->p[line->n - 1] == '\n')
        line->n--;
    *in = sv_n(in->p + n, in->n - n);
    return PKT_LINE;
}

static bool oid_of(StrView v, git_oid *ret)
{
    return v.n >= GIT_OID_HEX && git_oid_fromstrn(ret, v.p, GIT_OID_HEX) == 0;
}

static bool has_cap(StrView caps, const char *name)
{
    while (caps.p) {
        StrView word = sv_cut(&caps, ' ');
        if (sv_eqs(word, name))
            return true;
    }
    return false;
}

static ErrCode read_want(Request *q, GitObjects *o, StrView line, Error *err)
{
    git_oid id;
    if (!sv_starts(line, "want ") || !oid_of(sv_n(line.p + 5, line.n - 5), &id))
        return err_set(err, ERR_MALFORMED, "git: '" SV_FMT "' is no want line",
                       (int)(line.n < 60 ? line.n : 60), line.p);
    if (q->wants.n == WANT_MAX)
        return err_set(err, ERR_TOO_LARGE, "git: more than %d wants", WANT_MAX);
    if (!gitobjs_has(o, git_oid_tostr_s(&id)))
        return err_set(err, ERR_NOT_FOUND, "upload-pack: not our ref %s", git_oid_tostr_s(&id));
    if (q->wants.n == 0) {
        StrView caps = sv_n(line.p + 5 + GIT_OID_HEX, line.n - 5 - GIT_OID_HEX);
        q->detailed = has_cap(caps, "multi_ack_detailed");
        q->sideband = has_cap(caps, "side-band-64k");
    }
    vec_push(&q->wants, id);
    return ERR_OK;
}

static ErrCode read_wants(Request *q, GitObjects *o, Error *err)
{
    StrView line;
    for (;;) {
        Pkt p = next_pkt(&q->in, &line);
        if (p == PKT_FLUSH || (p == PKT_END && q->wants.n == 0))
            return ERR_OK;
        if (p != PKT_LINE)
            return err_set(err, ERR_MALFORMED, "git: the request is cut short or not pkt-lines");
        ErrCode rc = read_want(q, o, line, err);
        if (rc)
            return rc;
    }
}

static void on_have(Request *q, GitObjects *o, StrView line)
{
    git_oid id;
    char ack[96];
    if (!oid_of(sv_n(line.p + 5, line.n - 5), &id))
        return;
    git_oid_tostr(ack, sizeof ack, &id);
    if (!gitobjs_has(o, ack) || q->common.n >= HAVE_MAX)
        return;
    vec_push(&q->common, id);
    git_oid_tostr(q->last_common, sizeof q->last_common, &id);
    if (!q->detailed && q->common.n > 1)
        return;
    snprintf(ack, sizeof ack, "ACK %s%s\n", q->last_common, q->detailed ? " common" : "");
    pkts(&q->acks, ack);
}

static void on_done(Request *q)
{
    char ack[64];
    q->done = true;
    if (q->common.n == 0)
        pkts(&q->acks, "NAK\n");
    if (q->common.n == 0 || !q->detailed)
        return;
    snprintf(ack, sizeof ack, "ACK %s\n", q->last_common);
    pkts(&q->acks, ack);
}

static ErrCode read_haves(Request *q, GitObjects *o, Error *err)
{
    StrView line;
    for (;;) {
        Pkt p = next_pkt(&q->in, &line);
        if (p == PKT_BAD)
            return err_set(err, ERR_MALFORMED, "git: the request is cut short or not pkt-lines");
        if (p == PKT_END)
            return ERR_OK;
        if (p == PKT_FLUSH) {
            if (q->common.n == 0 || q->detailed)
                pkts(&q->acks, "NAK\n");
        } else if (sv_starts(line, "have ")) {
            on_have(q, o, line);
        } else if (sv_eqs(line, "done")) {
            on_done(q);
            return ERR_OK;
        } else {
            return err_set(err, ERR_MALFORMED, "git: '" SV_FMT "' is neither have nor done",
                           (int)(line.n < 60 ? line.n : 60), line.p);
        }
    }
}

/* ---- the pack ---- */

static int fill_walk(const Request *q, git_revwalk *walk)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < q->wants.n; i++)
        rc = git_revwalk_push(walk, &q->wants.at[i]);
    for (size_t i = 0; !rc && i < q->common.n; i++)
        rc = git_revwalk_hide(walk, &q->common.at[i]);
    return rc;
}

static ErrCode make_pack(const Request *q, GitObjects *o, git_buf *ret, Error *err)
{
    git_revwalk *walk = NULL;
    git_packbuilder *pb = NULL;
    git_repository *repo = gitobjs_repo(o);
    int rc = git_revwalk_new(&walk, repo);
    if (!rc)
        rc = fill_walk(q, walk);
    if (!rc)
        rc = git_packbuilder_new(&pb, repo);
    if (!rc)
        rc = git_packbuilder_insert_walk(pb, walk);
    if (!rc)
        rc = git_packbuilder_write_buf(ret, pb);
    git_packbuilder_free(pb);
    git_revwalk_free(walk);
    if (rc)
        return gitstore_err(err, rc, "make a pack");
    if (ret->size > GITSERVE_PACK_LIMIT)
        return err_set(err, ERR_TOO_LARGE, "git: the pack has %zu bytes, %d is the limit",
                       ret->size, GITSERVE_PACK_LIMIT);
    return ERR_OK;
}

static void put_pack(StrBuf *out, const Request *q, const git_buf *pack)
{
    if (!q->sideband) {
        strbuf_add(out, pack->ptr, pack->size);
        return;
    }
    for (size_t at = 0; at < pack->size;) {
        size_t n = pack->size - at < BAND_MAX ? pack->size - at : BAND_MAX;
        strbuf_addf(out, "%04zx", n + 5);
        strbuf_addc(out, 1);
        strbuf_add(out, pack->ptr + at, n);
        at += n;
    }
    strbuf_adds(out, "0000");
}

/* Refusals that a user of git should read go over git's own wire. */
static void put_refusal(StrBuf *out, const Error *err)
{
    char text[600];
    snprintf(text, sizeof text, "ERR %s\n", err->msg);
    strbuf_reset(out);
    pkts(out, text);
}

static ErrCode answer(Request *q, GitObjects *o, StrBuf *out, Error *err)
{
    git_buf pack = {0};
    ErrCode rc = read_wants(q, o, err);
    if (!rc)
        rc = read_haves(q, o, err);
    if (!rc && q->done && q->wants.n)
        rc = make_pack(q, o, &pack, err);
    if (!rc) {
        strbuf_add(out, q->acks.p, q->acks.n);
        if (q->done && q->wants.n)
            put_pack(out, q, &pack);
    }
    git_buf_dispose(&pack);
    return rc;
}

static ErrCode inflate_request(Arena *a, StrView in, StrView *ret, Error *err)
{
    char *out = arena_alloc(a, GITSERVE_REQUEST_LIMIT);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p,
                  .avail_in = (uInt)in.n,
                  .next_out = (Bytef *)out,
                  .avail_out = GITSERVE_REQUEST_LIMIT};
    if (in.n > GITSERVE_REQUEST_LIMIT || inflateInit2(&z, 15 + 16) != Z_OK)
        return err_set(err, ERR_TOO_LARGE, "git: a request of %zu bytes", in.n);
    int rc = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    if (rc != Z_STREAM_END)
        return err_set(err, rc == Z_BUF_ERROR && !z.avail_out ? ERR_TOO_LARGE : ERR_MALFORMED,
                       "git: the gzip body is broken or larger than %d bytes",
                       GITSERVE_REQUEST_LIMIT);
    *ret = sv_n(out, z.total_out);
    return ERR_OK;
}

ErrCode gitserve_upload_pack(GitObjects *o, Arena *a, StrView request, bool gzip, StrView *ret,
                             Error *err)
{
    Error why = {0};
    AUTO_STRBUF out = {0};
    Request q = {.in = request};
    ErrCode rc = gzip ? inflate_request(a, request, &q.in, &why) : ERR_OK;
    if (!rc)
        rc = answer(&q, o, &out, &why);
    vec_done(&q.wants);
    vec_done(&q.common);
    strbuf_done(&q.acks);
    if (rc == ERR_NOT_FOUND || rc == ERR_TOO_LARGE) {
        put_refusal(&out, &why);
        rc = ERR_OK;
    }
    if (rc)
        return err_copy(err, &why);
    *ret = sv_n(arena_memdup(a, strbuf_str(&out), out.n), out.n);
    return ERR_OK;
}
