#include "kube/kube.h"

#include "codec/yaml.h"
#include "core/file.h"
#include "core/ident.h"
#include <stdlib.h>

#define SA_DIR "/var/run/secrets/kubernetes.io/serviceaccount"
enum { FILE_MAX = 1024 * 1024 };

static ErrCode read_text(Arena *a, const char *path, const char **ret, Error *err)
{
    StrView v;
    if (file_read(a, path, FILE_MAX, &v, err))
        return err->code;
    *ret = v.p;
    return ERR_OK;
}

ErrCode kube_config_in_cluster(Arena *a, KubeConfig *ret, Error *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (str_empty(host) || str_empty(port))
        return err_set(err, ERR_NOT_FOUND,
                       "not inside of a pod: KUBERNETES_SERVICE_HOST and _PORT are not set");
    KubeConfig c = {.token_file = SA_DIR "/token"};
    StrView ns;
    if (read_text(a, SA_DIR "/ca.crt", &c.ca_pem, err))
        return err_wrap(err, "service account");
    if (!file_exists(c.token_file))
        return err_set(err, ERR_NOT_FOUND, "service account: %s is not there", c.token_file);
    if (file_read(a, SA_DIR "/namespace", 256, &ns, NULL) == ERR_OK)
        c.namespace_ = sv_dup(a, sv_trim(ns));
    c.server = arena_printf(a, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);
    *ret = c;
    return ERR_OK;
}

/* The entry of a kubeconfig list by its name: {name: X, KEY: {...}} gives the {...}. */
static const cJSON *named(const cJSON *root, const char *list, const char *key, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, kube_at(root, list))
    {
        if (str_eq(kube_str(item, "name"), name))
            return kube_at(item, key);
    }
    return NULL;
}

/* KEY-data (base64, inline) or KEY (a file, relative to the kubeconfig). *ret stays when neither is
 * there. */
static ErrCode data_or_file(Arena *a, const cJSON *from, const char *dir, const char *key,
                            const char **ret, Error *err)
{
    const char *data = kube_str(from, arena_printf(a, "%s-data", key));
    const char *file = kube_str(from, key);
    size_t n;
    if (!str_empty(data)) {
        *ret = (const char *)base64_decode(a, data, strlen(data), &n);
        return *ret ? ERR_OK : err_set(err, ERR_INVALID, "%s-data: not base64", key);
    }
    if (str_empty(file))
        return ERR_OK;
    if (*file != '/')
        file = arena_printf(a, "%s/%s", dir, file);
    return read_text(a, file, ret, err);
}

static ErrCode fill_user(Arena *a, const cJSON *user, const char *dir, KubeConfig *c, Error *err)
{
    if (data_or_file(a, user, dir, "client-certificate", &c->cert_pem, err) ||
        data_or_file(a, user, dir, "client-key", &c->key_pem, err))
        return err->code;
    c->token = kube_str(user, "token");
    const char *file = kube_str(user, "tokenFile");
    if (!str_empty(file))
        c->token_file = *file == '/' ? file : arena_printf(a, "%s/%s", dir, file);
    if (kube_at(user, "exec") || kube_at(user, "auth-provider"))
        return err_set(err, ERR_UNIMPLEMENTED,
                       "the user signs in by a plugin; a token or a client certificate is needed");
    return ERR_OK;
}

ErrCode kube_config_file(Arena *a, const char *path, KubeConfig *ret, Error *err)
{
    StrView text;
    cJSON *root;
    if (file_read(a, path, FILE_MAX, &text, err) || yaml_parse(a, text, FILE_MAX, &root, err))
        return err_wrap(err, "kubeconfig %s", path);
    const char *slash = strrchr(path, '/');
    const char *dir = slash ? arena_strndup(a, path, (size_t)(slash - path)) : ".";
    const char *current = kube_str(root, "current-context");
    const cJSON *ctx = named(root, "contexts", "context", current);
    if (!ctx)
        return err_set(err, ERR_INVALID, "kubeconfig %s: current-context \"%s\" is not there", path,
                       str_or(current, ""));
    const cJSON *cluster = named(root, "clusters", "cluster", kube_str(ctx, "cluster"));
    const cJSON *user = named(root, "users", "user", kube_str(ctx, "user"));
    KubeConfig c = {.server = kube_str(cluster, "server"),
                    .namespace_ = kube_str(ctx, "namespace"),
                    .insecure = kube_bool(cluster, "insecure-skip-tls-verify", false)};
    if (str_empty(c.server))
        return err_set(err, ERR_INVALID, "kubeconfig %s: cluster \"%s\" has no server", path,
                       str_or(kube_str(ctx, "cluster"), ""));
    if (data_or_file(a, cluster, dir, "certificate-authority", &c.ca_pem, err) ||
        fill_user(a, user, dir, &c, err))
        return err_wrap(err, "kubeconfig %s", path);
    *ret = c;
    return ERR_OK;
}

ErrCode kube_config_any(Arena *a, const char *path, KubeConfig *ret, Error *err)
{
    if (str_empty(path))
        path = getenv("KUBECONFIG");
    if (str_empty(path))
        return kube_config_in_cluster(a, ret, err);
    return kube_config_file(a, path, ret, err);
}
