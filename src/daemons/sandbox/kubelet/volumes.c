#include "kubelet/volumes.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/ident.h"
#include "core/limits.h"
#include "core/vec.h"
#include "kubelet/voldir.h"
#include <sys/stat.h>

enum { DEFAULT_MODE = 0644, TOKEN_TTL_S = 3600 };

typedef VEC(VolFile) Files;

typedef struct Fill {
    const PodVolumes *v;
    Arena *a;
    Files *files;
    const char *dir; /* where the volume is; a token that is still good is read back from there */
    unsigned mode;
} Fill;

static const char *store_dir(const PodVolumes *v, Arena *a, const cJSON *vol)
{
    bool disk = js_get(vol, "emptyDir") && !str_eq(js_text(vol, "emptyDir.medium"), "Memory");
    return arena_printf(a, "%s/volumes/%s", disk ? v->disk_dir : v->mem_dir, js_text(vol, "name"));
}

const char *volumes_pv_dir(Arena *a, const App *app, const char *pv)
{
    return arena_printf(a, "%s/pvs/%s", app->cfg.state_dir, pv);
}

/* ---- what the files of a volume are ---- */

static void add_file(Fill *f, const char *path, const void *p, size_t n, unsigned mode)
{
    vec_push(f->files, ((VolFile){arena_strdup(f->a, path), p, n, mode}));
}

static bool file_data(Fill *f, const Obj *o, const char *key, bool secret, StrView *ret)
{
    const char *v = cJSON_GetStringValue(js_get(js_get(o->json, "data"), key));
    if (v && !secret) {
        *ret = sv(v);
        return true;
    }
    if (!v)
        v = cJSON_GetStringValue(js_get(js_get(o->json, "binaryData"), key));
    if (!v)
        return false;
    ret->p = (const char *)base64_decode(f->a, v, strlen(v), &ret->n);
    return ret->p != NULL;
}

static void add_keys(Fill *f, const Obj *o, const char *member, bool secret)
{
    const cJSON *kv;
    StrView data;
    js_each(kv, js_get(o->json, member))
    {
        if (file_data(f, o, kv->string, secret, &data))
            add_file(f, kv->string, data.p, data.n, f->mode);
    }
}

static ErrCode add_object(Fill *f, const cJSON *src, bool secret, Error *err)
{
    const char *name = str_or(js_str(src, "secretName"), js_text(src, "name"));
    bool optional = js_bool(src, "optional", false);
    const char *ns = f->v->facts.ns;
    const Obj *o = store_get(f->v->app->store, f->a, secret ? K(SECRET) : K(CONFIGMAP), ns, name);
    if (!o)
        return optional ? ERR_OK
                        : err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found",
                                  secret ? "secret" : "configmap", name);
    const cJSON *items = js_get(src, "items"), *item;
    if (!items) {
        add_keys(f, o, "data", secret);
        add_keys(f, o, "binaryData", secret);
    }
    js_each(item, items)
    {
        StrView data;
        const char *key = js_text(item, "key");
        if (file_data(f, o, key, secret, &data))
            add_file(f, js_text(item, "path"), data.p, data.n,
                     (unsigned)js_int(item, "mode", f->mode));
        else if (!optional)
            return err_set(err, ERR_NOT_FOUND, "references non-existent %s key: %s",
                           secret ? "secret" : "config", key);
    }
    return ERR_OK;
}

static ErrCode add_downward(Fill *f, const cJSON *src, Error *err)
{
    const cJSON *item;
    js_each(item, js_get(src, "items"))
    {
        const char *path = js_str(item, "fieldRef.fieldPath"), *v = "";
        AUTO_STRBUF b = {0};
        const cJSON *kv;
        if (!path)
            return err_set(err, ERR_UNIMPLEMENTED, "downwardAPI: the sandbox has only fieldRef");
        if (str_eq(path, "metadata.labels") || str_eq(path, "metadata.annotations")) {
            js_each(kv, js_at(f->v->facts.pod, path))
            {
                strbuf_addf(&b, "%s%s=\"%s\"", b.n ? "\n" : "", kv->string,
                            str_or(cJSON_GetStringValue(kv), ""));
            }
            v = arena_strdup(f->a, strbuf_str(&b));
        } else {
            ErrCode rc = podenv_field(f->a, &f->v->facts, path, &v, err);
            if (rc)
                return rc;
        }
        add_file(f, js_text(item, "path"), v, strlen(v), (unsigned)js_int(item, "mode", f->mode));
    }
    return ERR_OK;
}

static ErrCode add_token(Fill *f, const cJSON *src, Error *err)
{
    const PodFacts *facts = &f->v->facts;
    int64_t now = clock_wall_us(), ttl = js_int(src, "expirationSeconds", TOKEN_TTL_S);
    const char *path = str_or(js_str(src, "path"), "token");
    StrView have;
    if (now < *f->v->token_renew_us && file_read(f->a, arena_printf(f->a, "%s/%s", f->dir, path),
                                                 LIMIT_HTTP_BODY, &have, NULL) == ERR_OK) {
        add_file(f, path, have.p, have.n, f->mode);
        return ERR_OK;
    }
    TokenSpec spec = {.ns = facts->ns,
                      .service_account =
                          str_or(js_str(facts->pod, "spec.serviceAccountName"), "default"),
                      .pod_name = js_text(facts->pod, "metadata.name"),
                      .pod_uid = js_text(facts->pod, "metadata.uid"),
                      .audience = js_str(src, "audience"),
                      .ttl_seconds = ttl};
    char *token;
    ErrCode rc = auth_token_issue(f->v->app->auth, f->a, &spec, &token, err);
    if (rc)
        return err_wrap(err, "service account token");
    *f->v->token_renew_us = now + ttl * 1000000 / 5 * 4;
    add_file(f, path, token, strlen(token), f->mode);
    return ERR_OK;
}

static ErrCode add_projected(Fill *f, const cJSON *src, Error *err)
{
    const cJSON *item, *s;
    ErrCode rc = ERR_OK;
    js_each(item, js_get(src, "sources"))
    {
        if (rc)
            break;
        if ((s = js_get(item, "configMap")))
            rc = add_object(f, s, false, err);
        else if ((s = js_get(item, "secret")))
            rc = add_object(f, s, true, err);
        else if ((s = js_get(item, "downwardAPI")))
            rc = add_downward(f, s, err);
        else if ((s = js_get(item, "serviceAccountToken")))
            rc = add_token(f, s, err);
        else
            rc =
                err_set(err, ERR_UNIMPLEMENTED, "projected: the sandbox does not have this source");
    }
    return rc;
}

/* ---- making them ---- */

static ErrCode write_files(const PodVolumes *v, Arena *a, const cJSON *vol, Error *err)
{
    static const struct {
        const char *member;
        int what;
    } rows[] = {{"configMap", 0}, {"secret", 1}, {"downwardAPI", 2}, {"projected", 3}};
    Files files = {0};
    Fill f = {.v = v, .a = a, .files = &files, .mode = DEFAULT_MODE};
    ErrCode rc = ERR_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const cJSON *src = js_get(vol, rows[i].member);
        if (!src)
            continue;
        f.dir = store_dir(v, a, vol);
        f.mode = (unsigned)js_int(src, "defaultMode", DEFAULT_MODE);
        rc = rows[i].what == 2   ? add_downward(&f, src, err)
             : rows[i].what == 3 ? add_projected(&f, src, err)
                                 : add_object(&f, src, rows[i].what == 1, err);
    }
    if (!rc && f.dir)
        rc = file_mkdirs(f.dir, 0755, err);
    if (!rc && f.dir)
        rc = voldir_write(f.dir, files.at, files.n, err);
    vec_done(&files);
    return rc;
}

static ErrCode claim_dir(const PodVolumes *v, Arena *a, const cJSON *vol, const char **ret,
                         Error *err)
{
    const char *name = js_text(vol, "persistentVolumeClaim.claimName");
    const Obj *o = store_get(v->app->store, a, K(PVC), v->facts.ns, name);
    if (!o)
        return err_set(err, ERR_NOT_FOUND, "persistentvolumeclaim \"%s\" not found", name);
    const char *pv = js_text(o->json, "spec.volumeName");
    if (!*pv || !str_eq(js_text(o->json, "status.phase"), "Bound"))
        return err_set(err, ERR_NOT_FOUND, "persistentvolumeclaim \"%s\" is not bound", name);
    *ret = volumes_pv_dir(a, v->app, pv);
    ErrCode rc = file_mkdirs(*ret, 0755, err);
    const Obj *vol_obj = rc ? NULL : store_get(v->app->store, a, K(PV), "", pv);
    return vol_obj ? volumes_mount(a, *ret, vol_obj, err) : rc;
}

static ErrCode prepare_one(const PodVolumes *v, Arena *a, const cJSON *vol, Error *err)
{
    const char *dir;
    if (js_get(vol, "persistentVolumeClaim"))
        return claim_dir(v, a, vol, &dir, err);
    if (js_get(vol, "emptyDir"))
        return file_mkdirs(store_dir(v, a, vol), 0777, err);
    if (js_get(vol, "configMap") || js_get(vol, "secret") || js_get(vol, "downwardAPI") ||
        js_get(vol, "projected"))
        return write_files(v, a, vol, err);
    return err_set(err, ERR_UNIMPLEMENTED,
                   "the sandbox has emptyDir, persistentVolumeClaim, configMap, secret, "
                   "downwardAPI and projected volumes, and no other kind");
}

ErrCode volumes_prepare(const PodVolumes *v, Arena *a, Error *err)
{
    const cJSON *vol;
    js_each(vol, js_at(v->facts.pod, "spec.volumes"))
    {
        if (prepare_one(v, a, vol, err))
            return err_wrap(err, "MountVolume.SetUp failed for volume \"%s\"",
                            js_text(vol, "name"));
    }
    return ERR_OK;
}

static bool source_uses(const cJSON *src, const Kind *k, const char *name)
{
    const cJSON *s = js_get(src, kind_id(k) == KIND_SECRET ? "secret" : "configMap");
    return s && str_eq(str_or(js_str(s, "secretName"), js_text(s, "name")), name);
}

bool volumes_use(const cJSON *pod, const Kind *k, const char *name)
{
    const cJSON *vol, *item;
    js_each(vol, js_at(pod, "spec.volumes"))
    {
        if (source_uses(vol, k, name))
            return true;
        js_each(item, js_at(vol, "projected.sources"))
        {
            if (source_uses(item, k, name))
                return true;
        }
    }
    return false;
}

/* ---- mounting them ---- */

static ErrCode mount_source(const PodVolumes *v, Arena *a, const cJSON *mount, Mount *ret,
                            Error *err)
{
    const char *name = js_text(mount, "name"), *dir, *sub = js_text(mount, "subPath");
    const cJSON *vol = js_find(js_at(v->facts.pod, "spec.volumes"), "name", name);
    bool files = !js_get(vol, "emptyDir") && !js_get(vol, "persistentVolumeClaim");
    if (!vol)
        return err_set(err, ERR_INVALID, "volumeMounts: no volume is named \"%s\"", name);
    ErrCode rc = ERR_OK;
    if (js_get(vol, "persistentVolumeClaim"))
        rc = claim_dir(v, a, vol, &dir, err);
    else
        dir = store_dir(v, a, vol);
    if (rc)
        return rc;
    if (*sub && (strstr(sub, "..") || *sub == '/'))
        return err_set(err, ERR_INVALID, "volumeMounts: subPath '%s' must stay in the volume", sub);
    if (*sub)
        dir = arena_printf(a, "%s/%s", dir, sub);
    if (*sub && !files && file_mkdirs(dir, 0755, err))
        return err->code;
    *ret = (Mount){.source = dir,
                   .target = js_text(mount, "mountPath"),
                   .writable = !files && !js_bool(mount, "readOnly", false)};
    return ERR_OK;
}

ErrCode volumes_mounts(const PodVolumes *v, Arena *a, const cJSON *container, const Mount **ret,
                       size_t *ret_n, Error *err)
{
    const cJSON *list = js_get(container, "volumeMounts"), *m;
    Mount *out = arena_array(a, Mount, (size_t)cJSON_GetArraySize(list) + 1);
    size_t n = 0;
    js_each(m, list)
    {
        ErrCode rc = mount_source(v, a, m, &out[n++], err);
        if (rc)
            return rc;
    }
    *ret = out;
    *ret_n = n;
    return ERR_OK;
}

void volumes_remove(const PodVolumes *v)
{
    voldir_remove_later(v->app->loop, v->disk_dir);
    voldir_remove_later(v->app->loop, v->mem_dir);
}
