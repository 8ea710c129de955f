#include "sandbox.h"

#include "core/file.h"
#include "core/map.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static const char *state_dir(Cli *c)
{
    const char *given = getenv("PGSWARM_SANDBOX_DIR"), *xdg = getenv("XDG_STATE_HOME");
    if (!str_empty(given))
        return given;
    if (!str_empty(xdg))
        return arena_printf(c->arena, "%s/pgswarm/sandbox", xdg);
    return arena_printf(c->arena, "%s/.local/state/pgswarm/sandbox",
                        str_or(getenv("HOME"), "/tmp"));
}

/* The folder that this swarmctl was started from: the programs of one build belong together. */
static const char *program_dir(Cli *c)
{
    char path[4096];
    const char *given = getenv("PGSWARM_BIN");
    if (!str_empty(given))
        return given;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return "/usr/local/bin";
    path[n] = 0;
    char *slash = strrchr(path, '/');
    *slash = 0;
    return arena_strdup(c->arena, path);
}

const char *sandbox_path(Sandbox *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *tail = arena_vprintf(s->c->arena, fmt, ap);
    va_end(ap);
    return arena_printf(s->c->arena, "%s/%s", s->dir, tail);
}

static ErrCode load(Sandbox *s, Error *err)
{
    StrView text;
    cJSON *tree;
    const char *path = sandbox_path(s, "sandbox.json");
    ErrCode rc = file_read(s->c->arena, path, 65536, &text, err);
    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    if (rc || json_parse(s->c->arena, text, 65536, &tree, err))
        return err_wrap(err, "%s", path);
    s->http_port = (int)json_int_at(tree, "http_port", 0);
    s->grpc_port = (int)json_int_at(tree, "grpc_port", 0);
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(tree, "sites"))
    {
        if (s->nsites == SITES_MAX)
            break;
        const char *name = json_str_at(item, "name", "");
        s->sites[s->nsites] = (Site){.name = name,
                                     .labels = json_str_at(item, "labels", ""),
                                     .api_port = (int)json_int_at(item, "api_port", 0),
                                     .index = (int)s->nsites,
                                     .dir = sandbox_path(s, "sites/%s", name)};
        s->nsites++;
    }
    return ERR_OK;
}

static ErrCode take_lock(Sandbox *s, Error *err)
{
    if (file_mkdirs(s->dir, 0700, err))
        return err->code;
    const char *path = sandbox_path(s, "lock");
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return err_errno(err, errno, "open %s", path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return ERR_OK;
    cli_say(s->c, "waiting for another `swarmctl sandbox` to end");
    return flock(s->lock_fd, LOCK_EX) == 0 ? ERR_OK : err_errno(err, errno, "lock %s", path);
}

/* Kubernetes' own range is 30000 to 32767. The user's own sandbox has its beginning; one in a
 * folder of its own choice has a place that its name decides, the same after every restart. */
static int node_base(const char *dir)
{
    enum { FIRST = 30000, STEP = 120, PLACES = 15 };
    return str_empty(getenv("PGSWARM_SANDBOX_DIR"))
               ? FIRST
               : FIRST + STEP * (int)(1 + hash_bytes(dir, strlen(dir), 0) % PLACES);
}

ErrCode sandbox_open(Cli *c, bool lock, Sandbox *ret, Error *err)
{
    *ret = (Sandbox){.c = c, .dir = state_dir(c), .bin = program_dir(c), .lock_fd = -1};
    ret->node_base = node_base(ret->dir);
    ErrCode rc = lock ? take_lock(ret, err) : ERR_OK;
    return rc ? rc : load(ret, err);
}

ErrCode sandbox_save(Sandbox *s, Error *err)
{
    cJSON *tree = json_own(s->c->arena, cJSON_CreateObject());
    cJSON_AddNumberToObject(tree, "http_port", s->http_port);
    cJSON_AddNumberToObject(tree, "grpc_port", s->grpc_port);
    cJSON *sites = cJSON_AddArrayToObject(tree, "sites");
    for (size_t i = 0; i < s->nsites; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", s->sites[i].name);
        cJSON_AddStringToObject(o, "labels", s->sites[i].labels);
        cJSON_AddNumberToObject(o, "api_port", s->sites[i].api_port);
        cJSON_AddItemToArray(sites, o);
    }
    char *text = json_text(s->c->arena, tree);
    return file_write_atomic(sandbox_path(s, "sandbox.json"), sv(text), 0600, err);
}

void sandbox_close(Sandbox *s)
{
    if (s->lock_fd >= 0)
        close(s->lock_fd);
}
