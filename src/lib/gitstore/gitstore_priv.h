/* gitstore/gitstore_priv.h - inside: the set as a libgit2 repository. */
#pragma once
#include "gitstore/gitstore.h"
#include <git2.h>

/* A repository over the set, without refs, without files; owned by the set. */
git_repository *gitobjs_repo(GitObjects *o);
/* libgit2's last error as ours. */
ErrCode gitstore_err(Error *err, int rc, const char *what);
