/* core/resident.h - a small resident set for daemons that mostly wait.
 *
 * Loading a dozen libraries touches megabytes of code and tables that are never needed again:
 * relocation, locale, cipher and error tables. resident_settle gives those pages back once the
 * program has started; what is still in use comes back by itself from the page cache, page by page.
 * Only segments that are never written are touched, and heap that is free. */
#pragma once

/* First thing in main: one heap for all threads, and large blocks beside it, so that a burst leaves
 * no holes. */
void resident_start(void);
void resident_settle(void);
