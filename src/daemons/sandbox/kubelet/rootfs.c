#include "kubelet/rootfs.h"

#include "core/str.h"
#include "core/vec.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_CAP = 1024 };

typedef struct Plan {
    Arena *a;
    const RootSpec *spec;
    VEC(const char *) out;
    VEC(Mount) mounts; /* image binds, then the pod's, each sorted by target */
    VEC(const char *) apart;
} Plan;

/* The host as an image: its programs and what they need to run, none of its data. */
static const char *const host_top[] = {"usr",   "bin",    "sbin", "lib", "lib32",
                                       "lib64", "libx32", "opt",  "etc", NULL};
static const char *const host_etc[] = {
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",    "localtime",  "nsswitch.conf",
    "protocols",    "services",    "timezone",   "ca-certificates", "os-release", "debian_version",
    "python3",      NULL};
/* Made by us, whatever the image has there. */
static const char *const special[] = {"dev", "proc", "sys", "tmp", "run", ".image", NULL};

static bool listed(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (str_eq(*list, name))
            return true;
    return false;
}

static bool is_host(const Plan *p)
{
    return str_eq(p->spec->image->root, "/");
}

static bool visible(const Plan *p, const char *dir, const char *name)
{
    if (!*dir && listed(special, name))
        return false;
    if (!is_host(p))
        return true;
    if (!*dir)
        return listed(host_top, name);
    return !str_eq(dir, "/etc") || listed(host_etc, name);
}

/* The path of `p` in the image; root "/" adds nothing. */
static char *in_image(const Plan *p, const char *path)
{
    const char *root = p->spec->image->root;
    return arena_printf(p->a, "%s%s", str_eq(root, "/") ? "" : root, path);
}

static void add(Plan *p, const char *s)
{
    vec_push(&p->out, s);
}

static void add2(Plan *p, const char *option, const char *x, const char *y)
{
    add(p, option);
    add(p, x);
    if (y)
        add(p, y);
}

static bool special_path(const char *path)
{
    char first[64];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(path + 1, "/"), path + 1);
    return listed(special, first);
}

/* ---- which folders to take apart ---- */

static bool is_apart(const Plan *p, const char *dir)
{
    for (size_t i = 0; i < p->apart.n; i++)
        if (str_eq(p->apart.at[i], dir))
            return true;
    return false;
}

static bool exists_in_image(const Plan *p, const char *path)
{
    struct stat st;
    char top[64];
    snprintf(top, sizeof top, "%.*s", (int)strcspn(path + 1, "/"), path + 1);
    return visible(p, "", top) && lstat(in_image(p, path), &st) == 0;
}

/* Take apart every folder above `path` that the image has. "" is the root, always apart. */
static void take_apart_above(Plan *p, const char *path)
{
    for (size_t i = 1; path[i]; i++) {
        if (path[i] != '/')
            continue;
        char *dir = arena_strndup(p->a, path, i);
        struct stat st;
        if (!exists_in_image(p, dir) || lstat(in_image(p, dir), &st) < 0 || !S_ISDIR(st.st_mode))
            return;
        if (!is_apart(p, dir))
            vec_push(&p->apart, dir);
    }
}

/* A mount over something that is a link would land where the link points to. */
static bool needs_room(const Plan *p, const char *target)
{
    struct stat st;
    if (special_path(target))
        return false;
    if (!exists_in_image(p, target) || (is_host(p) && str_starts(target, "/etc/")))
        return true;
    return lstat(in_image(p, target), &st) < 0 || S_ISLNK(st.st_mode);
}

/* ---- emitting ---- */

static bool is_target(const Plan *p, const char *path)
{
    for (size_t i = 0; i < p->mounts.n; i++)
        if (str_eq(p->mounts.at[i].target, path))
            return true;
    return false;
}

static bool target_below(const Plan *p, const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < p->mounts.n; i++) {
        const char *t = p->mounts.at[i].target;
        if (str_starts(t, path) && t[n] == '/')
            return true;
    }
    return false;
}

static void emit_dir(Plan *p, const char *dir);

static void emit_child(Plan *p, const char *dir, const char *name)
{
    char *path = arena_printf(p->a, "%s/%s", dir, name);
    char *source = in_image(p, path), link[PATH_CAP];
    struct stat st;
    if (lstat(source, &st) < 0)
        return;
    if (is_apart(p, path)) {
        emit_dir(p, path);
        return;
    }
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(source, link, sizeof link - 1);
        if (n > 0 && !is_target(p, path))
            add2(p, "--symlink", arena_strndup(p->a, link, (size_t)n), path);
        return;
    }
    /* A whole top folder is bound; lower ones are links, because each bind costs bubblewrap a look
     * through all mounts. */
    if (is_target(p, path) && !S_ISDIR(st.st_mode))
        return;
    if (!*dir || target_below(p, path) || is_target(p, path) || is_host(p))
        add2(p, "--ro-bind-try", source, path);
    else
        add2(p, "--symlink", arena_printf(p->a, "/.image%s", path), path);
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static void emit_dir(Plan *p, const char *dir)
{
    DIR *d = opendir(*dir || !is_host(p) ? in_image(p, dir) : "/");
    if (!d)
        return;
    if (*dir) {
        add2(p, "--dir", dir, NULL);
        if (!is_host(p))
            add2(p, "--ro-bind", in_image(p, dir), arena_printf(p->a, "/.image%s", dir));
    }
    VEC(const char *) names = {0};
    for (struct dirent *e; (e = readdir(d));)
        if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") && visible(p, dir, e->d_name))
            vec_push(&names, arena_strdup(p->a, e->d_name));
    closedir(d);
    if (names.n)
        qsort(names.at, names.n, sizeof *names.at, by_name);
    for (size_t i = 0; i < names.n; i++)
        emit_child(p, dir, names.at[i]);
    vec_done(&names);
}

static void emit_env(Plan *p)
{
    add(p, "--clearenv");
    for (const char *const *e = p->spec->env; e && *e; e++) {
        const char *eq = strchr(*e, '=');
        if (eq && eq > *e)
            add2(p, "--setenv", arena_strndup(p->a, *e, (size_t)(eq - *e)), eq + 1);
    }
}

static int by_target(const void *x, const void *y)
{
    return strcmp(((const Mount *)x)->target, ((const Mount *)y)->target);
}

/* "/var/run" has been a link to /run everywhere for long; a mount point must not go through it. */
static const char *clean_target(Arena *a, const char *t)
{
    size_t n = strlen(t);
    while (n > 1 && t[n - 1] == '/')
        n--;
    char *s = arena_strndup(a, t, n);
    return str_starts(s, "/var/run/") ? s + strlen("/var") : s;
}

static void collect_mounts(Plan *p)
{
    const Image *im = p->spec->image;
    for (size_t i = 0; i < im->bind_count; i++)
        vec_push(&p->mounts,
                 ((Mount){im->binds[i].source, clean_target(p->a, im->binds[i].target), false}));
    if (p->mounts.n)
        qsort(p->mounts.at, p->mounts.n, sizeof(Mount), by_target);
    size_t first = p->mounts.n;
    for (size_t i = 0; i < p->spec->mount_count; i++) {
        Mount m = p->spec->mounts[i];
        m.target = clean_target(p->a, m.target);
        vec_push(&p->mounts, m);
    }
    if (p->mounts.n > first)
        qsort(p->mounts.at + first, p->mounts.n - first, sizeof(Mount), by_target);
    for (size_t i = 0; i < p->mounts.n; i++)
        if (needs_room(p, p->mounts.at[i].target))
            take_apart_above(p, p->mounts.at[i].target);
}

static const char *const *finish(Plan *p)
{
    const char **out = arena_array(p->a, const char *, p->out.n + 1);
    memcpy(out, p->out.at, p->out.n * sizeof *out);
    vec_done(&p->out);
    vec_done(&p->mounts);
    vec_done(&p->apart);
    return out;
}

const char *const *rootfs_options(Arena *a, const RootSpec *spec)
{
    static const char *const head[] = {"--unshare-user", "--unshare-pid", "--as-pid-1",
                                       "--cap-drop",     "ALL",           "--die-with-parent"};
    Plan p = {.a = a, .spec = spec};
    collect_mounts(&p);
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        add(&p, head[i]);
    add2(&p, "--uid", arena_printf(a, "%u", spec->uid), NULL);
    add2(&p, "--gid", arena_printf(a, "%u", spec->gid), NULL);
    if (is_host(&p))
        vec_push(&p.apart, "/etc");
    emit_dir(&p, "");
    if (is_host(&p)) {
        add2(&p, "--ro-bind-try", "/etc/ssl/certs", "/etc/ssl/certs"); /* not its private keys */
        add2(&p, "--symlink", "/run", "/var/run");
    }
    add2(&p, "--dev", "/dev", NULL);
    add2(&p, "--proc", "/proc", NULL);
    add2(&p, "--tmpfs", "/tmp", NULL);
    add2(&p, "--tmpfs", "/run", NULL);
    for (size_t i = 0; i < p.mounts.n; i++)
        add2(&p, p.mounts.at[i].writable ? "--bind" : "--ro-bind", p.mounts.at[i].source,
             p.mounts.at[i].target);
    add2(&p, "--remount-ro", "/", NULL);
    add2(&p, "--chdir", str_or(spec->cwd, "/"), NULL);
    emit_env(&p);
    return finish(&p);
}
