/* tests/fuzz/driver.c - replay: feeds every file of the given folders and files to a fuzz target,
 * without libFuzzer, so that each ordinary test run tries every input that ever mattered. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned replayed;

static void replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    size_t cap = 1 << 16, n = 0, got;
    uint8_t *all = malloc(cap);
    while (all && (got = fread(all + n, 1, cap - n, f)) > 0)
        if ((n += got) == cap)
            all = realloc(all, cap *= 2);
    fclose(f);
    /* An allocation of exactly n bytes, so that a sanitizer sees one byte too far. */
    uint8_t *exact = malloc(n ? n : 1);
    if (!all || !exact)
        abort();
    for (size_t i = 0; i < n; i++)
        exact[i] = all[i];
    free(all);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    replayed++;
}

static void replay(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        replay_file(path);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        char sub[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
        replay(sub);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (!replayed) {
        fprintf(stderr, "usage: %s FILE-OR-FOLDER...; nothing was replayed\n", argv[0]);
        return 2;
    }
    return 0;
}
