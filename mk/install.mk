prefix ?= /usr/local
bindir ?= $(prefix)/bin
mandir ?= $(prefix)/share/man
bashcompdir ?= $(prefix)/share/bash-completion/completions

install: all ## honours DESTDIR, prefix, bindir, mandir, bashcompdir
	install -d $(DESTDIR)$(bindir)
	install -m 0755 $(BINS) $(DESTDIR)$(bindir)
	if ls man/*.[1-8] >/dev/null 2>&1; then for m in man/*.[1-8]; do \
	  install -D -m 0644 $$m $(DESTDIR)$(mandir)/man$${m##*.}/$${m#man/}; done; fi
	if [ -f completions/swarmctl.bash ]; then install -D -m 0644 completions/swarmctl.bash $(DESTDIR)$(bashcompdir)/swarmctl; fi

uninstall: ## remove what install put there
	rm -f $(BINS:$(B)/bin/%=$(DESTDIR)$(bindir)/%) $(DESTDIR)$(bashcompdir)/swarmctl
	for m in man/*.[1-8]; do rm -f $(DESTDIR)$(mandir)/man$${m##*.}/$${m#man/}; done
.PHONY: install uninstall

PG_IMAGES ?= 15 17
images: all ## build/images: docker-archive images of our programs and of PostgreSQL (PG_IMAGES), without Docker
	tools/make-images $(B)/bin build/images
	for major in $(PG_IMAGES); do [ -x /usr/lib/postgresql/$$major/bin/postgres ] || tools/pg-root $$major || exit; \
	  tools/make-images --postgres $$major build/images || exit; done
.PHONY: images
