/* The three patches and server-side apply of the sandbox's API, on random documents; and bodies in
 * protobuf. First byte: what to try. Then JSON (or protobuf) text; a document to patch and a patch
 * are divided by a newline. Whatever is accepted must come out as a valid tree, and the same apply
 * twice must change nothing. */
#include "store/managed.h"
#include "store/patch.h"
#include "store/store.h"
#include <stdint.h>
#include <stdlib.h>

enum { TRY_JSON, TRY_MERGE, TRY_STRATEGIC, TRY_APPLY, TRY_PROTOBUF, TRY_STORE, TRIES };

static const Kind *kind_of(const cJSON *o)
{
    const Kind *k = kind_by_name(js_text(o, "apiVersion"), js_text(o, "kind"));
    return k ? k : K(STATEFULSET);
}

static void must_print(const cJSON *o)
{
    cJSON *again = NULL;
    Error err = {0};
    char *text = js_print(o);
    if (js_parse(sv(text), &again, &err) && strstr(err.msg, "invalid JSON at byte"))
        abort();
    cJSON_Delete(again);
    free(text);
}

static void try_apply(const Kind *k, cJSON *live, const cJSON *config)
{
    const Manager m = {"fuzz", "Apply", "", kind_api_version(k), "2026-01-01T00:00:00Z"};
    const Apply ap = {schema_of(k), config, &m, true};
    Causes c = {cJSON_CreateArray()};
    if (!managed_apply(&ap, live, &c, NULL)) {
        cJSON *once = js_dup(live);
        if (managed_apply(&ap, live, &c, NULL) || !js_equal(once, live))
            abort();
        cJSON_Delete(once);
    }
    cJSON_Delete(c.list);
}

/* The whole way of a request: create, then patch. Nothing is expected but order. */
static void try_store(const cJSON *doc, const cJSON *patch, unsigned how)
{
    Store *s = NULL;
    Arena *a = arena_new();
    AUTO_JSON ns = cJSON_Parse("{\"metadata\":{\"name\":\"default\"}}");
    const Kind *k = kind_of(doc);
    if (store_open(&(StoreConfig){0}, &s, NULL))
        abort();
    const StoreWrite first = {.kind = K(NAMESPACE), .obj = ns};
    if (store_create(s, a, &first, NULL, NULL))
        abort();
    const Obj *o = NULL;
    StoreWrite w = {
        .kind = k, .ns = kind_namespaced(k) ? "default" : "", .obj = doc, .user = "fuzz"};
    w.manager = "fuzz";
    Error err = {0};
    if (!store_create(s, a, &w, &o, &err)) {
        w.name = o->name;
        w.obj = patch;
        w.patch = (PatchType)(how % 4);
        if (!store_patch(s, a, &w, &o, &err))
            must_print(o->json);
    }
    store_dispatch(s);
    arena_free(a);
    store_close(s);
}

static void try_protobuf(StrView bytes)
{
    cJSON *o = NULL;
    Error err = {0};
    if (schema_from_protobuf(bytes, &o, &err) == ERR_OK) {
        must_print(o);
        (void)!schema_decode(kind_of(o), o, NULL, &err);
        cJSON_Delete(o);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    cJSON *doc = NULL, *patch = NULL;
    if (n < 2)
        return 0;
    unsigned how = data[0] % TRIES;
    StrView rest = sv_n((const char *)data + 1, n - 1);
    if (how == TRY_PROTOBUF) {
        try_protobuf(rest);
        return 0;
    }
    StrView first = sv_cut(&rest, '\n');
    if (!js_parse(first, &doc, NULL) && rest.n && !js_parse(rest, &patch, NULL)) {
        const Kind *k = kind_of(doc);
        if (how == TRY_JSON) {
            (void)!patch_json(&doc, patch, NULL);
        } else if (how == TRY_MERGE) {
            cJSON *out = patch_merge(doc, patch);
            must_print(out);
            cJSON_Delete(out);
        } else if (how == TRY_STORE) {
            try_store(doc, patch, data[0] / TRIES);
        } else if (cJSON_IsObject(doc) && cJSON_IsObject(patch) && how == TRY_STRATEGIC) {
            (void)!patch_strategic(schema_of(k), doc, patch, NULL);
        } else if (!schema_decode(k, doc, NULL, NULL) && !schema_decode(k, patch, NULL, NULL)) {
            try_apply(k, doc, patch);
        }
        must_print(doc);
    }
    cJSON_Delete(doc);
    cJSON_Delete(patch);
    return 0;
}
