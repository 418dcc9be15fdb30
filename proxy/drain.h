/*
 * Servers that are to get nobody new, while what runs there ends: those that [proxy] drain_file has, one a
 * line, and those that the control socket was told of, until it is told otherwise or the proxy ends. Of the
 * thread that reloads.
 */
#pragma once

#include "proxy/settings/settings.h"

typedef struct PosternDrain PosternDrain;

PosternDrain *postern_drain_new(void);
/* NULL is allowed. */
void postern_drain_free(PosternDrain *drain);

/* Looks after the file, not too often: it may be there, changed or gone. */
void postern_drain_look(PosternDrain *drain, const PosternProxySettings *settings);
/* settings are new: all their groups are told, and the file is read. */
void postern_drain_reset(PosternDrain *drain, const PosternProxySettings *settings);

/* "drain SERVER" and "undrain SERVER": appends where the server stands now. 1: it is done; 0: request is
 * another; -1: it is wrong, and out says why. */
int postern_drain_request(PosternDrain *drain, const PosternProxySettings *settings, const char *request,
                          GString *out);
