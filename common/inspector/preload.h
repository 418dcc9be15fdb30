/*
 * What libraries load on first use (character sets, time zone, tables), loaded before the sandbox closes.
 */
#pragma once

typedef struct PosternPreload PosternPreload;

PosternPreload *postern_preload_new(void);
/* Lets go of it. */
void postern_preload_free(PosternPreload *preload);
