#include "model/profile_files.h"
#include "core/limits.h"
#include "model/guc.h"

/* Members of profile.json: all but what has a file of its own. */
static Schema json_part(Arena *a)
{
    FieldSpec *rows = arena_array(a, FieldSpec, profile_schema.n);
    Schema s = profile_schema;
    s.n = 0;
    s.validate = NULL;
    for (size_t i = 0; i < profile_schema.n; i++) {
        const char *name = profile_schema.fields[i].name;
        if (strcmp(name, "parameters") != 0 && strcmp(name, "hba_rules") != 0)
            rows[s.n++] = profile_schema.fields[i];
    }
    s.fields = rows;
    return s;
}

static StrView keep(Arena *a, const StrBuf *b)
{
    return sv_n(arena_strndup(a, strbuf_str(b), b->n), b->n);
}

static StrView json_file(Arena *a, const Profile *p)
{
    AUTO_STRBUF b = {0};
    Schema s = json_part(a);
    JsonOut j = json_out_pretty(&b);
    fields_encode(&j, &s, p);
    strbuf_addc(&b, '\n');
    return keep(a, &b);
}

static StrView conf_file(Arena *a, const Profile *p)
{
    AUTO_STRBUF b = {0};
    for (size_t i = 0; i < p->parameters.n; i++)
        strbuf_addf(&b, "%s = %s\n", p->parameters.at[i].key,
                    guc_quote(a, p->parameters.at[i].value));
    return keep(a, &b);
}

static StrView hba_file(Arena *a, const Profile *p)
{
    AUTO_STRBUF b = {0};
    for (size_t i = 0; i < p->hba_rules.n; i++)
        strbuf_addf(&b, "%s\n", p->hba_rules.at[i]);
    return keep(a, &b);
}

void profile_to_files(Arena *a, const Profile *p, ProfileFiles *ret)
{
    *ret = (ProfileFiles){{
        {"backups.json", SV("{}\n")},
        {"databases.json", SV("[]\n")},
        {"pg_hba.conf", hba_file(a, p)},
        {"postgresql.conf", conf_file(a, p)},
        {"profile.json", json_file(a, p)},
        {"recovery.json", SV("[]\n")},
    }};
}

/* ---- back ---- */

static StrView file_of(const ProfileFiles *f, const char *name)
{
    for (size_t i = 0; i < PROFILE_FILES; i++)
        if (str_eq(f->at[i].name, name))
            return f->at[i].text;
    return (StrView){0};
}

/* 'it''s \\ here' as guc_quote wrote it; NULL when it is not that. */
static char *unquote(Arena *a, StrView v)
{
    AUTO_STRBUF b = {0};
    if (v.n < 2 || v.p[0] != '\'' || v.p[v.n - 1] != '\'')
        return NULL;
    for (size_t i = 1; i + 1 < v.n; i++) {
        strbuf_addc(&b, v.p[i]);
        if (v.p[i] != '\'' && v.p[i] != '\\')
            continue;
        if (i + 2 >= v.n || v.p[i + 1] != v.p[i])
            return NULL;
        i++;
    }
    return arena_strdup(a, strbuf_str(&b));
}

static ErrCode conf_back(Arena *a, StrView text, StrMap *ret, Error *err)
{
    for (size_t line = 1; text.n; line++) {
        StrView rest = sv_cut(&text, '\n');
        StrView name = sv_trim(sv_cut(&rest, '='));
        if (!name.n)
            continue;
        char *value = unquote(a, sv_trim(rest));
        if (!value)
            return err_set(err, ERR_MALFORMED, "postgresql.conf line %zu: want name = 'value'",
                           line);
        strmap_put(a, ret, sv_dup(a, name), value);
    }
    return ERR_OK;
}

ErrCode profile_from_files(Arena *a, const ProfileFiles *f, Profile *ret, Error *err)
{
    Profile p;
    cJSON *root;
    Error own = {0};
    Schema s = json_part(a);
    FieldErrors errs = field_errors(a);
    err = err ? err : &own;
    if (json_parse(a, file_of(f, "profile.json"), LIMIT_JSON_BODY, &root, err))
        return err_wrap(err, "profile.json");
    fields_decode(a, &s, root, &p, "", &errs);
    if (field_errors_result(&errs, err))
        return err_wrap(err, "profile.json");
    p.message = "";
    p.parameters = (StrMap){0};
    p.hba_rules = (StrList){0};
    if (conf_back(a, file_of(f, "postgresql.conf"), &p.parameters, err))
        return err->code;
    for (StrView text = file_of(f, "pg_hba.conf"); text.n;)
        strlist_add(a, &p.hba_rules, sv_dup(a, sv_cut(&text, '\n')));
    *ret = p;
    return ERR_OK;
}
