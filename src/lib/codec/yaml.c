#include "codec/yaml.h"
#include "core/limits.h"
#include <math.h>
#include <stdlib.h>
#include <yaml.h>

/* Built from events, so that limits hold while reading and nothing is expanded. */
typedef struct Reader {
    yaml_parser_t parser;
    Error *err;
} Reader;

static ErrCode fail_at(Reader *r, yaml_mark_t at, const char *what)
{
    return err_set(r->err, ERR_MALFORMED, "YAML line %zu column %zu: %s", at.line + 1,
                   at.column + 1, what);
}

static ErrCode next_event(Reader *r, yaml_event_t *ev)
{
    if (yaml_parser_parse(&r->parser, ev))
        return ERR_OK;
    const char *what = r->parser.problem ? r->parser.problem : "not understood";
    yaml_mark_t at = r->parser.problem_mark;
    if (r->parser.error == YAML_READER_ERROR)
        return err_set(r->err, ERR_MALFORMED, "YAML byte %zu: %s", r->parser.problem_offset, what);
    return fail_at(r, at, what);
}

static bool is_one_of(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(s, *words) == 0)
            return true;
    return false;
}

/* Numbers of the YAML 1.2 core schema, without octal and hex: JSON's, with a plus and a bare point
 * allowed. */
static bool plain_number(const char *s, double *ret)
{
    if (!*s || strspn(s, "+-.0123456789eE") != strlen(s) || !strpbrk(s, "0123456789"))
        return false;
    const char *digits = s + (*s == '-' || *s == '+');
    if (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
        return false;
    char *end;
    *ret = strtod(s, &end);
    return !*end && isfinite(*ret);
}

static cJSON *scalar_item(const yaml_event_t *ev)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    const char *s = (const char *)ev->data.scalar.value;
    double num;
    if (ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || ev->data.scalar.tag)
        return cJSON_CreateString(s);
    if (is_one_of(s, nulls))
        return cJSON_CreateNull();
    if (is_one_of(s, trues))
        return cJSON_CreateTrue();
    if (is_one_of(s, falses))
        return cJSON_CreateFalse();
    if (!plain_number(s, &num))
        return cJSON_CreateString(s);
    cJSON *item = cJSON_CreateNumber(num);
    item->valuestring = strdup(s);
    return item;
}

static ErrCode check_extras(Reader *r, const yaml_event_t *ev)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (ev->type == YAML_ALIAS_EVENT)
        return fail_at(r, ev->start_mark, "aliases (*name) are not accepted");
    if (ev->type == YAML_SCALAR_EVENT) {
        anchor = ev->data.scalar.anchor;
        tag = ev->data.scalar.tag;
        if (strlen((const char *)ev->data.scalar.value) != ev->data.scalar.length)
            return fail_at(r, ev->start_mark, "a NUL character is not accepted");
    } else if (ev->type == YAML_SEQUENCE_START_EVENT) {
        anchor = ev->data.sequence_start.anchor;
        tag = ev->data.sequence_start.tag;
    } else if (ev->type == YAML_MAPPING_START_EVENT) {
        anchor = ev->data.mapping_start.anchor;
        tag = ev->data.mapping_start.tag;
    }
    if (anchor)
        return fail_at(r, ev->start_mark, "anchors (&name) are not accepted");
    if (tag && strcmp((const char *)tag, YAML_STR_TAG) != 0)
        return fail_at(r, ev->start_mark, "tags (!name) are not accepted");
    return ERR_OK;
}

static ErrCode build(Reader *r, yaml_event_t *ev, unsigned depth, cJSON **ret);

/* Reads the next event and builds an item of it; *ret stays NULL when `end` closed the collection.
 */
static ErrCode build_next(Reader *r, yaml_event_type_t end, unsigned depth, cJSON **ret)
{
    yaml_event_t ev;
    ErrCode rc = next_event(r, &ev);
    if (rc)
        return rc;
    if (ev.type != end)
        rc = build(r, &ev, depth, ret);
    yaml_event_delete(&ev);
    return rc;
}

static ErrCode build_sequence(Reader *r, unsigned depth, cJSON *list)
{
    for (;;) {
        cJSON *item = NULL;
        ErrCode rc = build_next(r, YAML_SEQUENCE_END_EVENT, depth, &item);
        if (rc || !item)
            return rc;
        cJSON_AddItemToArray(list, item);
    }
}

/* The key of a mapping's next member in *key (to be freed), or NULL at the end. */
static ErrCode next_key(Reader *r, const cJSON *obj, char **key)
{
    yaml_event_t ev;
    ErrCode rc = next_event(r, &ev);
    *key = NULL;
    if (rc)
        return rc;
    if (ev.type != YAML_MAPPING_END_EVENT) {
        rc = check_extras(r, &ev);
        const char *s = (const char *)ev.data.scalar.value;
        if (rc)
            ;
        else if (ev.type != YAML_SCALAR_EVENT)
            rc = fail_at(r, ev.start_mark, "a key is a text");
        else if (strcmp(s, "<<") == 0)
            rc = fail_at(r, ev.start_mark, "merge keys (<<) are not accepted");
        else if (cJSON_GetObjectItemCaseSensitive(obj, s))
            rc = fail_at(r, ev.start_mark, "this key stands twice");
        else
            *key = strdup(s);
    }
    yaml_event_delete(&ev);
    return rc;
}

/* Members are looked up one by one for a key that stands twice. */
enum { MEMBERS_MAX = 2000 };

static ErrCode build_mapping(Reader *r, unsigned depth, cJSON *obj)
{
    for (size_t n = 0;; n++) {
        char *key;
        cJSON *item = NULL;
        if (n > MEMBERS_MAX)
            return fail_at(r, r->parser.mark, "more than 2000 keys in one mapping");
        ErrCode rc = next_key(r, obj, &key);
        if (rc || !key)
            return rc;
        rc = build_next(r, YAML_NO_EVENT, depth, &item);
        if (!rc)
            cJSON_AddItemToObject(obj, key, item);
        free(key);
        if (rc)
            return rc;
    }
}

static ErrCode build(Reader *r, yaml_event_t *ev, unsigned depth, cJSON **ret)
{
    ErrCode rc = check_extras(r, ev);
    if (rc)
        return rc;
    if (depth >= LIMIT_JSON_DEPTH)
        return fail_at(r, ev->start_mark, "nested too deeply");
    cJSON *item;
    if (ev->type == YAML_SCALAR_EVENT) {
        *ret = scalar_item(ev);
        return ERR_OK;
    }
    if (ev->type == YAML_SEQUENCE_START_EVENT)
        rc = build_sequence(r, depth + 1, item = cJSON_CreateArray());
    else if (ev->type == YAML_MAPPING_START_EVENT)
        rc = build_mapping(r, depth + 1, item = cJSON_CreateObject());
    else
        return fail_at(r, ev->start_mark, "a value is expected");
    if (rc) {
        cJSON_Delete(item);
        return rc;
    }
    *ret = item;
    return ERR_OK;
}

/* One document behind its start event, or nothing at the end of the stream. */
static ErrCode read_document(Reader *r, bool *ret_more, cJSON **ret)
{
    yaml_event_t ev;
    for (;;) {
        ErrCode rc = next_event(r, &ev);
        if (rc)
            return rc;
        yaml_event_type_t type = ev.type;
        yaml_event_delete(&ev);
        if (type == YAML_STREAM_END_EVENT) {
            *ret_more = false;
            return ERR_OK;
        }
        if (type == YAML_DOCUMENT_START_EVENT) {
            *ret_more = true;
            return build_next(r, YAML_NO_EVENT, 0, ret);
        }
    }
}

static void add_doc(Arena *a, YamlDocs *docs, cJSON *item)
{
    cJSON **grown = arena_array(a, cJSON *, docs->n + 1);
    if (docs->n)
        memcpy(grown, docs->at, docs->n * sizeof(cJSON *));
    grown[docs->n++] = json_own(a, item);
    docs->at = grown;
}

enum { DOCS_MAX = 1000 };

static ErrCode read_all(Arena *a, Reader *r, YamlDocs *docs)
{
    for (;;) {
        cJSON *item = NULL;
        bool more = false;
        ErrCode rc = read_document(r, &more, &item);
        if (rc || !more)
            return rc;
        if (docs->n >= DOCS_MAX) {
            cJSON_Delete(item);
            return err_set(r->err, ERR_TOO_LARGE, "YAML: more than %d documents", DOCS_MAX);
        }
        if (cJSON_IsNull(item))
            cJSON_Delete(item);
        else
            add_doc(a, docs, item);
    }
}

ErrCode yaml_parse_all(Arena *a, StrView text, size_t limit, YamlDocs *ret, Error *err)
{
    Reader r = {.err = err};
    YamlDocs docs = {0};
    if (text.n > limit)
        return err_set(err, ERR_TOO_LARGE, "YAML: %zu bytes, the limit is %zu", text.n, limit);
    if (!yaml_parser_initialize(&r.parser))
        return err_set(err, ERR_INTERNAL, "YAML: no memory");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    ErrCode rc = read_all(a, &r, &docs);
    yaml_parser_delete(&r.parser);
    if (!rc)
        *ret = docs;
    return rc;
}

ErrCode yaml_parse(Arena *a, StrView text, size_t limit, cJSON **ret, Error *err)
{
    YamlDocs docs;
    ErrCode rc = yaml_parse_all(a, text, limit, &docs, err);
    if (rc)
        return rc;
    if (docs.n != 1)
        return err_set(err, ERR_MALFORMED, "YAML: %zu documents, exactly one is expected", docs.n);
    *ret = docs.at[0];
    return ERR_OK;
}
