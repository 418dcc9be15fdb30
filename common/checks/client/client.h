/*
 * Client facts, as a pure check that can be run again: the reverse name and its confirmation, DNS lists
 * (RFC 5782), the table of [clients] networks, and HELO. Unlike other checks it reads no message, so that no
 * inspector is needed: proxy, milter and scan run it themselves.
 */
#pragma once

#include "base/configuration.h"
#include "dns/answers.h"
#include "mail/envelope.h"
#include "verdict/findings.h"

/*
 * What it goes by, of one configuration, for all threads. It remembers which lists can be believed: each is
 * tested before it is asked and every hour (RFC 5782 5); one that fails, or gives no answer several times in
 * a row, is not asked for a minute, and the log has one line of it.
 */
typedef struct PosternClientRules PosternClientRules;

/* configuration must outlive them. NULL and error: the table of networks cannot be read. */
PosternClientRules *postern_client_rules_new(const PosternConfiguration *configuration,
                                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_client_rules_free(PosternClientRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternClientRules, postern_client_rules_free)

/* FALSE: there are neither DNS lists nor a table of networks. */
gboolean postern_client_rules_look_up(const PosternClientRules *rules);

/* What the client table of the proxy remembers of a client; zeros elsewhere. */
typedef struct {
    gboolean good; /* mail of it was accepted */
    guint points;  /* of suspicion */
} PosternClientHistory;

/*
 * Fills findings->client, of client, HELO, our name, receiver, and history. now: monotonic milliseconds. 1:
 * it is complete; 0: answers lacks something; ask, and call again. What is not answered (SERVFAIL, time-out)
 * lists nobody and is never a missing name.
 */
int postern_client_check(PosternClientRules *rules, const PosternEnvelope *envelope, const char *receiver,
                         PosternClientHistory history, gint64 now, PosternAnswers *answers,
                         PosternFindings *findings);

/* The part of it that is about lists, and the table of networks: TRUE, and finding (initial) has it; FALSE:
 * answers lacks something. finding NULL: only the questions are raised. */
gboolean postern_client_check_lists(PosternClientRules *rules, const PosternAddress *client, gint64 now,
                                    PosternAnswers *answers, PosternClientFinding *finding);

/* "confirmed", "unconfirmed" …, "not_checked". */
const char *postern_client_name_result(guint result);

/* What HELO is worth: helo as given, hostname our name; server is our own address, or of AF_UNSPEC. */
PosternClientHelo postern_client_check_helo(const char *helo, const PosternAddress *client,
                                            const PosternAddress *server, const char *hostname);

/* One with its initial values, and its end. */
PosternClientFinding *postern_client_finding_new(void);
void postern_client_finding_free(PosternClientFinding *finding);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternClientFinding, postern_client_finding_free)
