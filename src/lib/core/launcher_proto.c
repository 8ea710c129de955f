#include "core/launcher_proto.h"

typedef struct FieldRow {
    uint8_t tag;
    char kind;
} FieldRow;

static const FieldRow FIELDS[LPF_COUNT] = {
#define X(name, tag, kind) {tag, #kind[0]},
    LP_FIELDS(X)
#undef X
};

static void put_le(StrBuf *out, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        strbuf_addc(out, (char)(v >> (8 * i) & 0xff));
}

static uint64_t get_le(const char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return v;
}

static void put_field(StrBuf *out, const FieldRow *row, uint64_t num, const char *text)
{
    if (row->kind == 'N' && num) {
        strbuf_addc(out, (char)row->tag);
        put_le(out, 8, 2);
        put_le(out, num, 8);
    } else if (row->kind == 'T' && text) {
        size_t n = strnlen(text, LP_LOG_LINE);
        strbuf_addc(out, (char)row->tag);
        put_le(out, n + 1, 2);
        strbuf_add(out, text, n);
        strbuf_addc(out, 0);
    }
}

void lp_encode(StrBuf *out, const LpMsg *m)
{
    size_t start = out->n;
    put_le(out, 0, 4);
    put_le(out, LP_VERSION, 1);
    put_le(out, m->type, 1);
    put_le(out, 0, 2);
    put_le(out, m->id, 4);
    for (int f = 0; f < LPF_COUNT; f++)
        put_field(out, &FIELDS[f], m->num[f], m->text[f]);
    uint64_t len = out->n - start - 4;
    if (len + 4 > LP_FRAME_MAX)
        BUG("launcher frame of %llu bytes", (unsigned long long)len);
    for (unsigned i = 0; i < 4; i++)
        out->p[start + i] = (char)(len >> (8 * i) & 0xff);
}

static bool take_field(LpMsg *m, uint8_t tag, const char *p, size_t n)
{
    for (int f = 0; f < LPF_COUNT; f++) {
        if (FIELDS[f].tag != tag)
            continue;
        if (FIELDS[f].kind == 'N') {
            if (n != 8)
                return false;
            m->num[f] = get_le(p, 8);
        } else {
            if (n == 0 || memchr(p, 0, n) != p + n - 1)
                return false;
            m->text[f] = p;
        }
        return true;
    }
    return true;
}

ptrdiff_t lp_decode(const char *p, size_t n, LpMsg *ret)
{
    if (n < 4)
        return 0;
    uint64_t len = get_le(p, 4);
    if (len < LP_HEADER - 4 || len + 4 > LP_FRAME_MAX)
        return -1;
    if (n >= 5 && p[4] != LP_VERSION)
        return -1;
    if (n < len + 4)
        return 0;
    LpMsg m = {.type = (uint8_t)p[5], .id = (uint32_t)get_le(p + 8, 4)};
    const char *at = p + LP_HEADER, *end = p + 4 + len;
    while (at < end) {
        if (end - at < 3)
            return -1;
        size_t size = (size_t)get_le(at + 1, 2);
        if ((size_t)(end - at - 3) < size || !take_field(&m, (uint8_t)at[0], at + 3, size))
            return -1;
        at += 3 + size;
    }
    *ret = m;
    return (ptrdiff_t)len + 4;
}

const char *lp_type_name(uint8_t type)
{
    switch (type) {
#define X(name, n) \
    case n:        \
        return #name;
        LP_TYPES(X)
#undef X
    default:
        return "?";
    }
}

const char *lp_job_name(LpJob job)
{
    static const char *const NAMES[] = {"none",       "recover", "initdb",
                                        "basebackup", "rewind",  "forget"};
    return job <= LP_JOB_FORGET ? NAMES[job] : "?";
}

const char *lp_role_name(LpRole role)
{
    static const char *const NAMES[] = {"none", "primary", "standby"};
    return role <= LP_ROLE_STANDBY ? NAMES[role] : "?";
}
