#include "model/profile_files.h"

/* What a change of a field costs a running cluster; the longest prefix wins. */
static const struct {
    const char *field, *mode;
} modes[] = {
    {"name", "none"},
    {"description", "none"},
    {"replicas", "scale"},
    {"postgres", "sequential"},
    {"storage", "immutable"},
    {"wal_storage", "immutable"},
    {"resources", "sequential"},
    {"hba_rules", "reload"},
    {"failover", "sequential"},
    {"archive", "reload"},
    {"archive.mode", "sequential"},
    {"archive.credentials_secret", "sequential"},
    {"deletion_protection", "none"},
};

static bool is_below(const char *field, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(field, prefix, n) == 0 && (!field[n] || field[n] == '.');
}

typedef struct Diff {
    Arena *a;
    const Profile *before, *after;
    ObjList *out;
    size_t cap;
} Diff;

static const char *mode_of(const Diff *d, const char *field)
{
    const char *mode = "sequential";
    size_t best = 0;
    unsigned was = profile_major(d->before), is = profile_major(d->after);
    if (str_starts(field, "parameters."))
        return param_class_name(param_class(field + strlen("parameters."), is));
    /* The files of one major are not another's. */
    if (str_eq(field, "postgres.version") && was != is)
        return "immutable";
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (is_below(field, modes[i].field) && strlen(modes[i].field) > best) {
            best = strlen(modes[i].field);
            mode = modes[i].mode;
        }
    return mode;
}

static void add(Diff *d, const char *field, const char *before, const char *after)
{
    if (d->out->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 16;
        ProfileChange *grown = arena_array(d->a, ProfileChange, cap);
        if (d->out->n)
            memcpy(grown, d->out->at, d->out->n * sizeof *grown);
        d->out->at = grown;
        d->cap = cap;
    }
    ((ProfileChange *)d->out->at)[d->out->n++] = (ProfileChange){
        arena_strdup(d->a, field), str_or(before, ""), str_or(after, ""), mode_of(d, field)};
}

/* Text of a leaf that is not a collection. */
static const char *leaf_text(Arena *a, const FieldSpec *f, const void *at)
{
    if (f->kind == FK_STR)
        return *(const char *const *)at;
    if (f->kind == FK_BOOL)
        return *(const bool *)at ? "true" : "false";
    if (f->kind == FK_U32)
        return arena_printf(a, "%u", *(const uint32_t *)at);
    BUG("profile field '%s' has a kind that diff does not know", f->name);
}

static void diff_map(Diff *d, const char *path, const StrMap *before, const StrMap *after)
{
    size_t i = 0, k = 0;
    while (i < before->n || k < after->n) {
        int c = i == before->n  ? 1
                : k == after->n ? -1
                                : strcmp(before->at[i].key, after->at[k].key);
        const char *key = c <= 0 ? before->at[i].key : after->at[k].key;
        const char *was = c <= 0 ? before->at[i++].value : NULL;
        const char *is = c >= 0 ? after->at[k++].value : NULL;
        if (!str_eq(was, is))
            add(d, arena_printf(d->a, "%s.%s", path, key), was, is);
    }
}

static const char *joined(Arena *a, const StrList *l)
{
    AUTO_STRBUF b = {0};
    for (size_t i = 0; i < l->n; i++)
        strbuf_addf(&b, "%s%s", i ? "\n" : "", l->at[i]);
    return arena_strdup(a, strbuf_str(&b));
}

static void diff_fields(Diff *d, const Schema *s, const char *prefix, const char *before,
                        const char *after)
{
    for (size_t i = 0; i < s->n; i++) {
        const FieldSpec *f = &s->fields[i];
        const void *was = before + f->offset, *is = after + f->offset;
        const char *path = arena_printf(d->a, "%s%s", prefix, f->name);
        if (f->flags & FF_WRITEONLY)
            continue;
        if (f->kind == FK_OBJ) {
            diff_fields(d, f->of, arena_printf(d->a, "%s.", path), was, is);
        } else if (f->kind == FK_MAP) {
            diff_map(d, path, was, is);
        } else if (f->kind == FK_STRS) {
            if (!strlist_eq(*(const StrList *)was, *(const StrList *)is))
                add(d, path, joined(d->a, was), joined(d->a, is));
        } else {
            const char *x = leaf_text(d->a, f, was), *y = leaf_text(d->a, f, is);
            if (!str_eq(x, y))
                add(d, path, x, y);
        }
    }
}

void profile_diff(Arena *a, const Profile *before, const Profile *after, ObjList *ret)
{
    *ret = (ObjList){0};
    Diff d = {.a = a, .before = before, .after = after, .out = ret};
    diff_fields(&d, &profile_schema, "", (const char *)before, (const char *)after);
}

char *profile_diff_text(Arena *a, const Profile *before, const Profile *after)
{
    AUTO_STRBUF b = {0};
    ProfileFiles was, is;
    profile_to_files(a, before, &was);
    profile_to_files(a, after, &is);
    for (size_t i = 0; i < PROFILE_FILES; i++)
        text_diff(&b, was.at[i].name, was.at[i].text, is.at[i].text);
    return arena_strdup(a, strbuf_str(&b));
}
