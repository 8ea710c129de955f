#include "codec/pbarena.h"

static void *pb_alloc(void *a, size_t n)
{
    return arena_alloc(a, n ? n : 1);
}

static void pb_free(void *a, void *p)
{
    (void)a;
    (void)p;
}

ProtobufCAllocator pb_arena(Arena *a)
{
    return (ProtobufCAllocator){.alloc = pb_alloc, .free = pb_free, .allocator_data = a};
}

static bool one_valid(const ProtobufCFieldDescriptor *f, const void *member, const char **ret_field)
{
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        const char *s = *(const char *const *)member;
        *ret_field = f->name;
        return !s || utf8_valid(s, strlen(s));
    }
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *m = *(const ProtobufCMessage *const *)member;
        return !m || pb_strings_valid(m, ret_field);
    }
    return true;
}

static bool field_valid(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                        const char **ret_field)
{
    const char *base = (const char *)m;
    if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE)
        return true;
    if (f->label != PROTOBUF_C_LABEL_REPEATED) {
        bool set = !(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
                   *(const uint32_t *)(base + f->quantifier_offset) == f->id;
        return !set || one_valid(f, base + f->offset, ret_field);
    }
    size_t n = *(const size_t *)(base + f->quantifier_offset);
    const void *const *items = *(const void *const *const *)(base + f->offset);
    for (size_t i = 0; i < n; i++)
        if (!one_valid(f, &items[i], ret_field))
            return false;
    return true;
}

bool pb_strings_valid(const ProtobufCMessage *m, const char **ret_field)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++)
        if (!field_valid(m, &m->descriptor->fields[i], ret_field))
            return false;
    return true;
}

/* Two bytes of an empty sub-message cost hundreds in memory: so a message may grow only so far. */
typedef struct Budget {
    Arena *arena;
    size_t left;
} Budget;
enum { GROWTH = 16, GROWTH_FREE = 64 * 1024 };

static void *budget_alloc(void *ctx, size_t n)
{
    Budget *b = ctx;
    if (n > b->left)
        return NULL;
    b->left -= n;
    return pb_alloc(b->arena, n);
}

ErrCode pb_unpack(Arena *a, const ProtobufCMessageDescriptor *d, StrView bytes, size_t limit,
                  ProtobufCMessage **ret, Error *err)
{
    if (bytes.n > limit)
        return err_set(err, ERR_TOO_LARGE, "%s: %zu bytes, the limit is %zu", d->short_name,
                       bytes.n, limit);
    Budget budget = {a, bytes.n * GROWTH + GROWTH_FREE};
    ProtobufCAllocator alloc = {budget_alloc, pb_free, &budget};
    /* An empty message may come as a null pointer, which the library reads as an error. */
    const uint8_t *p = bytes.p ? (const uint8_t *)bytes.p : (const uint8_t *)"";
    ProtobufCMessage *m = protobuf_c_message_unpack(d, &alloc, bytes.n, p);
    const char *field = NULL;
    if (!m)
        return err_set(err, ERR_MALFORMED, "%s: not a message of this type", d->short_name);
    if (!pb_strings_valid(m, &field))
        return err_set(err, ERR_MALFORMED, "%s: field %s is not UTF-8", d->short_name, field);
    *ret = m;
    return ERR_OK;
}

void pb_pack(const ProtobufCMessage *m, StrBuf *out)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    strbuf_reserve(out, n + 1);
    protobuf_c_message_pack(m, (uint8_t *)out->p + out->n);
    out->n += n;
    out->p[out->n] = '\0';
}
