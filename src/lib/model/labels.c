#include "model/labels.h"
#include "model/kname.h"

bool labels_match(StrMap selector, StrMap labels)
{
    for (size_t i = 0; i < selector.n; i++)
        if (!str_eq(strmap_get(labels, selector.at[i].key), selector.at[i].value))
            return false;
    return true;
}

/* ---- kubectl's language ---- */

typedef struct Lex {
    const char *text, *p;
    Arena *a;
    Error *err;
} Lex;

static ErrCode fail(Lex *x, const char *what)
{
    return err_set(x->err, ERR_INVALID, "selector: \"%.100s\": at %zu: %s", x->text,
                   (size_t)(x->p - x->text) + 1, what);
}

static void blanks(Lex *x)
{
    while (*x->p == ' ' || *x->p == '\t')
        x->p++;
}

static bool word_char(char c)
{
    return c && !strchr(" \t,=!()", c);
}

static const char *word(Lex *x)
{
    blanks(x);
    const char *start = x->p;
    while (word_char(*x->p))
        x->p++;
    return arena_strndup(x->a, start, (size_t)(x->p - start));
}

static ErrCode one_value(Lex *x, LabelTerm *t)
{
    const char *v = word(x);
    if (!kname_label_value(v))
        return fail(x, "want a label value: up to 63 of A-Z a-z 0-9 - _ . with alphanumeric ends");
    strlist_add(x->a, &t->values, v);
    return ERR_OK;
}

static ErrCode value_set(Lex *x, LabelTerm *t)
{
    blanks(x);
    if (*x->p != '(')
        return fail(x, "want (value, ...)");
    do {
        x->p++;
        ErrCode rc = one_value(x, t);
        if (rc)
            return rc;
        blanks(x);
    } while (*x->p == ',');
    if (*x->p != ')')
        return fail(x, "want ',' or ')'");
    x->p++;
    return ERR_OK;
}

static ErrCode operator_and_values(Lex *x, LabelTerm *t)
{
    blanks(x);
    if (*x->p == '=' || (x->p[0] == '!' && x->p[1] == '=')) {
        t->op = *x->p == '!' ? LABEL_NE : LABEL_EQ;
        x->p += *x->p == '!' || x->p[1] == '=' ? 2 : 1;
        return one_value(x, t);
    }
    if (!*x->p || *x->p == ',') {
        t->op = LABEL_EXISTS;
        return ERR_OK;
    }
    const char *op = word(x);
    if (strcmp(op, "in") != 0 && strcmp(op, "notin") != 0)
        return fail(x, "want =, !=, in (...) or notin (...)");
    t->op = *op == 'i' ? LABEL_IN : LABEL_NOT_IN;
    return value_set(x, t);
}

static ErrCode one_term(Lex *x, LabelTerm *t)
{
    blanks(x);
    bool absent = *x->p == '!';
    if (absent)
        x->p++;
    t->key = word(x);
    if (!kname_label_key(t->key))
        return fail(x, "want a label key: [prefix/]name");
    if (!absent)
        return operator_and_values(x, t);
    t->op = LABEL_ABSENT;
    blanks(x);
    return !*x->p || *x->p == ',' ? ERR_OK : fail(x, "want ',' or the end behind !key");
}

enum { TERMS_MAX = 64, SELECTOR_MAX = 4096 };

ErrCode labels_parse(Arena *a, const char *text, LabelSelector *ret, Error *err)
{
    Lex x = {text, text, a, err};
    LabelSelector s = {.at = NULL};
    if (strlen(text) > SELECTOR_MAX)
        return err_set(err, ERR_INVALID, "selector: longer than %d bytes", SELECTOR_MAX);
    blanks(&x);
    if (!*x.p) {
        *ret = s;
        return ERR_OK;
    }
    s.at = arena_array(a, LabelTerm, TERMS_MAX);
    for (;;) {
        if (s.n == TERMS_MAX)
            return fail(&x, "more than 64 terms");
        ErrCode rc = one_term(&x, &s.at[s.n++]);
        if (rc)
            return rc;
        blanks(&x);
        if (!*x.p)
            break;
        if (*x.p++ != ',')
            return fail(&x, "want ',' between terms");
    }
    *ret = s;
    return ERR_OK;
}

static bool term_holds(const LabelTerm *t, StrMap labels)
{
    const char *v = strmap_get(labels, t->key);
    switch (t->op) {
    case LABEL_EQ:
    case LABEL_IN:
        return v && strlist_has(t->values, v);
    case LABEL_NE:
    case LABEL_NOT_IN:
        return !v || !strlist_has(t->values, v);
    case LABEL_EXISTS:
        return v != NULL;
    case LABEL_ABSENT:
        return v == NULL;
    }
    return false;
}

bool labels_select(const LabelSelector *s, StrMap labels)
{
    for (size_t i = 0; i < s->n; i++)
        if (!term_holds(&s->at[i], labels))
            return false;
    return true;
}

char *labels_text(Arena *a, StrMap labels)
{
    AUTO_STRBUF b = {0};
    for (size_t i = 0; i < labels.n; i++)
        strbuf_addf(&b, "%s%s=%s", i ? "," : "", labels.at[i].key, labels.at[i].value);
    return arena_strdup(a, strbuf_str(&b));
}

ErrCode labels_map_parse(Arena *a, const char *text, StrMap *ret, Error *err)
{
    StrMap m = {0};
    StrView rest = sv(text);
    while (rest.n) {
        StrView value = sv_trim(sv_cut(&rest, ','));
        StrView key = sv_trim(sv_cut(&value, '='));
        const char *k = sv_dup(a, key), *v = value.p ? sv_dup(a, sv_trim(value)) : NULL;
        if (!v)
            return err_set(err, ERR_INVALID, "labels: \"%s\": want key=value", k);
        if (!kname_label_key(k))
            return err_set(err, ERR_INVALID, "labels: \"%s\": want a key like [prefix/]name", k);
        if (!kname_label_value(v))
            return err_set(err, ERR_INVALID,
                           "labels: %s: \"%s\": want up to 63 of A-Z a-z 0-9 - _ . with "
                           "alphanumeric ends",
                           k, v);
        if (strmap_get(m, k))
            return err_set(err, ERR_INVALID, "labels: the key \"%s\" stands twice", k);
        strmap_put(a, &m, k, v);
    }
    *ret = m;
    return ERR_OK;
}
