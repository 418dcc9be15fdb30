/*
 * A capsule judged again: with its own answers, clock, configuration and policy, and no network. What its
 * scan for viruses said is taken as it was, for signatures change; so is what could not be done then.
 */
#pragma once

#include "capsule/capsule.h"
#include "scan/result.h"

typedef struct PosternReplay PosternReplay;

/* Reads the capsule at path. An error names path. */
PosternReplay *postern_replay_open(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_replay_free(PosternReplay *replay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternReplay, postern_replay_free)

/* Octets of its message. */
guint64 postern_replay_size(const PosternReplay *replay);

/* [inspector] spf_engine and dkim_partial_body as one number: those by which it was judged, which the
 * inspector has to have too, and those of a configuration. */
guint postern_replay_engines(const PosternReplay *replay);
guint postern_replay_engines_of(const PosternConfiguration *configuration);

typedef struct {
    PosternInspectorClient *client;
    guint deadline_ms;
    gboolean rescan; /* the body is scanned too, with today's signatures */
    gboolean explain;
} PosternReplayOptions;

/* Runs the checks again, and then done. */
void postern_replay_run(PosternReplay *replay, const PosternReplayOptions *options,
                        PosternInspectionDone done, gpointer user_data);

/* From done: what came of it goes into result, which lives no longer than replay. findings is taken over. */
void postern_replay_conclude(PosternReplay *replay, PosternFindings *findings, const GError *error,
                             PosternScanResult *result);

/*
 * The configuration for an inspector that replays it: configuration without keys, without signatures unless
 * rescan, and with its SPF engine. As a file that is the caller's to remove; its name is a new string.
 */
char *postern_replay_configuration(const PosternReplay *replay, const PosternConfiguration *configuration,
                                   gboolean rescan, GError **error) G_GNUC_WARN_UNUSED_RESULT;
