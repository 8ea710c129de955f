/* tests/programs/model_print.c - what model decides, as text, for tests that hold it against a real
 * PostgreSQL.
 *
 *   model_print conf < PROFILE_INPUT     postgresql.conf
 *   model_print hba < PROFILE_INPUT      pg_hba.conf, with a database "app" for 10.0.0.0/8
 *   model_print hba-check MAJOR < LINES  "ok" or "no TEXT" for each line
 *   model_print params MAJOR             name, context, type, unit, min, max, values: tab-separated
 *   model_print values MAJOR < LINES     NAME TAB VALUE: "ok" or "no TEXT" for each line */
#include "model/guc.h"
#include "model/hba.h"
#include "model/param_class.h"
#include <stdio.h>

static char *all_input(Arena *a)
{
    AUTO_STRBUF b = {0};
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, stdin)) > 0;)
        strbuf_add(&b, part, n);
    return arena_strdup(a, strbuf_str(&b));
}

static int print_conf(Arena *a, bool hba)
{
    Profile p;
    Error err = {0};
    if (fields_decode_text(a, &profile_schema, sv(all_input(a)), &p, NULL, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    ClusterDatabase db = {.name = "app", .owner = "app"};
    strlist_add(a, &db.allowed_cidrs, "10.0.0.0/8");
    ClusterSpec s = {.name = "c", .ns = "n", .databases = {&db, 1}};
    cluster_spec_from_profile(&s, &p, "postgres");
    fputs(hba ? guc_pg_hba_conf(a, &s) : guc_postgresql_conf(a, &s), stdout);
    return 0;
}

static int check_hba(Arena *a, unsigned major)
{
    for (StrView text = sv(all_input(a)); text.n;) {
        HbaRule r;
        Error err = {0};
        ErrCode rc = hba_parse(a, sv_dup(a, sv_cut(&text, '\n')), major, &r, &err);
        printf("%s%s\n", rc ? "no " : "ok", rc ? err.msg : "");
    }
    return 0;
}

static int print_params(unsigned major)
{
    static const char *const contexts[] = {"internal", "postmaster", "sighup",
                                           "backend",  "superuser",  "user"};
    static const char *const types[] = {"bool", "integer", "real", "string", "enum"};
    for (size_t i = 0; i < param_count(); i++) {
        const ParamInfo *p = param_at(i);
        if (major >= p->since && major <= p->until)
            printf("%s\t%s\t%s\t%s\t%.15g\t%.15g\t%s\n", p->name, contexts[p->context],
                   types[p->type], p->unit, p->min, p->max, p->choices);
    }
    return 0;
}

static int check_values(Arena *a, unsigned major)
{
    for (StrView text = sv(all_input(a)); text.n;) {
        StrView value = sv_cut(&text, '\n'), name = sv_cut(&value, '\t');
        const ParamInfo *p = param_find(sv_dup(a, name), major);
        const char *want = "a parameter that is there";
        bool ok = p && param_value_valid(a, p, value.p ? sv_dup(a, value) : "", &want);
        printf("%s%s\n", ok ? "ok" : "no ", ok ? "" : want);
    }
    return 0;
}

int main(int argc, char **argv)
{
    AUTO_ARENA a = arena_new();
    const char *verb = argc > 1 ? argv[1] : "";
    uint64_t major = 15;
    if (argc > 2 && !str_to_u64(argv[2], &major))
        return 2;
    if (str_eq(verb, "conf") || str_eq(verb, "hba"))
        return print_conf(a, str_eq(verb, "hba"));
    if (str_eq(verb, "hba-check"))
        return check_hba(a, (unsigned)major);
    if (str_eq(verb, "params"))
        return print_params((unsigned)major);
    if (str_eq(verb, "values"))
        return check_values(a, (unsigned)major);
    fprintf(stderr, "model_print conf|hba|hba-check|params|values\n");
    return 2;
}
