/*
 * Files of certificates, keys and authorities that are renewed while the proxy runs: new connections get the
 * new ones, no session ends.
 */
#pragma once

#include "proxy/settings/settings.h"

typedef struct PosternTlsWatch PosternTlsWatch;

/* What settings were made of is known. */
PosternTlsWatch *postern_tls_watch_new(const PosternProxySettings *settings);
void postern_tls_watch_free(PosternTlsWatch *watch);

/* settings are others than before, made of the files as they are now. */
void postern_tls_watch_reset(PosternTlsWatch *watch, const PosternProxySettings *settings);

/*
 * To be called a few times a second: looks at the files every two seconds. Those that are new, and have not
 * changed since the last look, are taken; if they cannot be used the old ones stay in service and the log
 * says why, once.
 */
void postern_tls_watch_look(PosternTlsWatch *watch, const PosternProxySettings *settings);
