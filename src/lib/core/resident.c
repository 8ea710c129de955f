#include "core/resident.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE = 32 * 1024, TOP = 32 * 1024 };

void resident_start(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, LARGE); /* set once, it does not grow by itself any more */
    mallopt(M_TRIM_THRESHOLD, TOP);
    mallopt(M_TOP_PAD, TOP);
}

static int drop_segments(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size, (void)ctx;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        /* Relocated read-only data lies in writable segments by these flags, so it stays. */
        if (ph->p_type != PT_LOAD || ph->p_flags & PF_W)
            continue;
        uintptr_t from = info->dlpi_addr + ph->p_vaddr, to = from + ph->p_memsz;
        if (vdso >= from && vdso < to)
            continue;
        from = (from + page - 1) & ~(page - 1);
        to &= ~(page - 1);
        if (from < to)
            madvise((void *)from, to - from, MADV_DONTNEED); /* advice: failing is fine */
    }
    return 0;
}

void resident_settle(void)
{
    malloc_trim(0);
    dl_iterate_phdr(drop_segments, NULL);
}
