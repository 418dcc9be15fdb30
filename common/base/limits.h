/*
 * Every bound that hostile input can meet, in one place. The unit stands in the name; if a standard
 * gives or constrains the number, its section stands beside it. What an administrator may change has a row
 * in the configuration table (base/configuration.h) whose range ends at the bound here.
 */
#pragma once

/* SMTP, what a client sends. Octets include CRLF. */
#define POSTERN_COMMAND_LINE_MAX_OCTETS 2048  /* RFC 5321 4.5.3.1.4 asks for 512 and extensions add */
#define POSTERN_AUTH_LINE_MAX_OCTETS 12288    /* RFC 4954 4 */
#define POSTERN_PATH_MAX_OCTETS 1024          /* RFC 5321 4.5.3.1.3 asks for 256; RFC 6531 adds */
#define POSTERN_HELO_NAME_MAX_OCTETS 512      /* RFC 5321 4.5.3.1.2 asks for 255; address literals add */
#define POSTERN_PARAMETERS_MAX 32             /* ESMTP parameters of one MAIL or RCPT */
#define POSTERN_RECIPIENTS_MAX 1000           /* RFC 5321 4.5.3.1.8 asks for at least 100 */
#define POSTERN_COMMANDS_WITHOUT_MAIL_MAX 100 /* as Postfix, smtpd_junk_command_limit */
#define POSTERN_REFUSALS_MAX 1000 /* 4xx and 5xx of ours in one session, mistakes of the client or not */
#define POSTERN_REFUSED_RECIPIENTS_MAX 100000 /* that [proxy] max_refused_recipients may be */
#define POSTERN_FAILED_LOGINS_MAX 1000        /* that [proxy] max_failed_logins may be */
#define POSTERN_ERRORS_MAX 20                 /* 5xx replies until 421; as Postfix, smtpd_hard_error_limit */
#define POSTERN_PIPELINE_MAX_OCTETS 65536     /* unread input of a client that we are not ready for */
#define POSTERN_STREAM_UNSENT_MAX_OCTETS 1048576 /* kept for a peer that does not read */
#define POSTERN_WRITE_PIECES_MAX 16              /* of one writev(2) */

/* SMTP, what a back-end sends. */
#define POSTERN_REPLY_LINE_MAX_OCTETS 2048 /* RFC 5321 4.5.3.1.5 asks for 512 */
#define POSTERN_REPLY_LINES_MAX 64
#define POSTERN_REPLY_MAX_OCTETS 16384           /* of one that are kept; the rest of it is passed over */
#define POSTERN_REPLY_SKIPPED_MAX_OCTETS 1048576 /* of one in all */
/* A reply of ours that names a check; the id of the message follows */
#define POSTERN_REFUSAL_MAX_OCTETS 400

/* Messages. */
#define POSTERN_TEXT_LINE_STANDARD_OCTETS 1000 /* RFC 5321 4.5.3.1.6; longer ones pass and are counted */
#define POSTERN_HEADER_BLOCK_MAX_OCTETS (1024 * 1024)
#define POSTERN_HEADER_FIELDS_MAX 10000
/* What is longer some mail servers read as something else (mail/header.h). */
#define POSTERN_HEADER_NAME_MAX_OCTETS 100           /* Sendmail: a longer name is body */
#define POSTERN_HEADER_SHOWN_FIELD_MAX_OCTETS 102400 /* Postfix, header_size_limit: the rest is cut off */
#define POSTERN_MESSAGE_DEFAULT_OCTETS (50 * 1024 * 1024)
#define POSTERN_MESSAGE_MAX_OCTETS (1024 * 1024 * 1024)
#define POSTERN_MESSAGE_CHUNK_OCTETS 65536 /* what is read, stored or sent in one go */
#define POSTERN_READ_MAX_OCTETS (4 * POSTERN_MESSAGE_CHUNK_OCTETS) /* of a message in one go */
/* of the memory for messages, that a client has whatever is left for others */
#define POSTERN_BUDGET_ASSURED_OCTETS 65536
#define POSTERN_MESSAGE_HEAP_MAX_OCTETS (48 * 1024) /* over it a message is in a memfd */
/* of memory that is free, kept by each arena of malloc(3) for messages to come */
#define POSTERN_HEAP_SPARE_OCTETS (16 * 1024 * 1024)
#define POSTERN_RESERVED_MAX_OCTETS (1024 * 1024) /* of a message, before its first octet */
#define POSTERN_MESSAGE_PAGE_OCTETS 4096          /* what a small message is charged in */
#define POSTERN_RECIPIENT_CHARGE_OCTETS 256       /* what a recipient is charged, beside its text */
#define POSTERN_RECEIVED_FIELDS_MAX 100           /* RFC 5321 6.3 counts as many a loop */
#define POSTERN_HEADER_EDITS_MAX 64
#define POSTERN_HEADER_EDIT_MAX_OCTETS 65536
#define POSTERN_MIME_PARTS_MAX 10000
#define POSTERN_MIME_PARTS_MIN 5000       /* of the smallest message, and one more for each so many octets: */
#define POSTERN_MIME_PART_OCTETS 128      /* a scan of a part costs what this much text does, and more */
#define POSTERN_TEXT_FILES_MAX 5000       /* taken for files, in text, that look like one, */
#define POSTERN_TEXT_FILES_OTHER_MAX 1000 /* and that do not; what is beyond is scanned together */
#define POSTERN_ITEMS_MAX 20000           /* parts of a message, and what is in them, by all readings */
#define POSTERN_ITEM_LEVELS_MAX 100       /* of enclosed messages and containers in one another */
#define POSTERN_ITEM_READINGS_MAX 16      /* of one part */
#define POSTERN_ITEM_OCTETS_MIN (64 * 1024 * 1024) /* decoded and unpacked; so much more: */
#define POSTERN_ITEM_OCTETS_FACTOR 16              /* times the message */
#define POSTERN_MIME_DECODED_MIN (4 * 1024 * 1024) /* octets given to decoders, by all readings, and */
#define POSTERN_MIME_DECODED_FACTOR 8              /* so many times those of the message */
#define POSTERN_MIME_DECODED_UNPACKED_FACTOR 4     /* and of what is unpacked */
#define POSTERN_MIME_LOOKS_MIN 100000 /* lines compared with a boundary, and so many times the octets: */
#define POSTERN_MIME_LOOKS_FACTOR 40
#define POSTERN_BINHEX_MAX_OCTETS (64 * 1024 * 1024)
#define POSTERN_CONTENT_FIELD_MAX_OCTETS 16384 /* of a Content- field; the rest is not read */
#define POSTERN_ATTACHMENTS_REPORTED_MAX 100
#define POSTERN_ATTACHMENT_NAME_MAX_OCTETS 255
#define POSTERN_CONTAINER_NAME_MAX_OCTETS 4096 /* of a longer one the end is kept */
#define POSTERN_CONTAINER_NAMES_MAX 16         /* of one member */
/* What unpacks to more than so many times its size is a bomb, once it has unpacked to so much. */
#define POSTERN_CONTAINER_RATIO_MAX 250
#define POSTERN_CONTAINER_RATIO_FREE_OCTETS (8 * 1024 * 1024)

/* DNS questions and answers. */
/* Room for all that one message may rightly ask: what SPF raises (10 look-ups and 10 names of each MX, RFC
 * 7208 4.6.4) must not use up what DMARC needs, or a sender could make it end in a temporary error. */
#define POSTERN_QUESTIONS_PER_MESSAGE_MAX 250
#define POSTERN_QUESTION_ROUNDS_MAX 24     /* SPF needs at most its 10 look-ups, nested, twice */
#define POSTERN_DOMAIN_NAME_MAX_OCTETS 253 /* RFC 1035 2.3.4, text form without the final dot */
#define POSTERN_DOMAIN_LABEL_MAX_OCTETS 63 /* RFC 1035 2.3.4 */
#define POSTERN_RECORDS_PER_ANSWER_MAX 256
#define POSTERN_RECORD_MAX_OCTETS 65535          /* RFC 1035 3.2.1, RDLENGTH */
#define POSTERN_ANSWERS_MAX_OCTETS (1024 * 1024) /* of one message, without the small ones: */
#define POSTERN_ANSWER_SMALL_OCTETS                                                                          \
    2048 /* such answers always have room; records of DMARC and keys are so                                  \
          */
#define POSTERN_ANSWERS_FILE_MAX_OCTETS (16 * 1024 * 1024)
#define POSTERN_CNAME_CHAIN_MAX 8 /* RFC 1034 5.2.2: chains are followed, loops caught */
#define POSTERN_RESOLVER_CACHE_MIN_OCTETS (64 * 1024)
#define POSTERN_RESOLVER_UNDER_WAY_MAX 1000 /* servers that are asked at once; the rest waits in lines */
#define POSTERN_RESOLVER_DOMAIN_MAX 128     /* of them for one domain */
#define POSTERN_RESOLVER_DOMAIN_SLOW_MAX 16 /* the same, while the oldest is older than this: */
#define POSTERN_RESOLVER_SLOW_MS 1000
#define POSTERN_RESOLVER_DEAD_QUESTIONS 10 /* that fail in a row: the DNS does not answer at all */
#define POSTERN_RESOLVER_DEAD_SECONDS 5
#define POSTERN_RESOLVER_QUESTIONS_MAX 16384 /* of one resolver, on their way, given up ones included */

/* SPF, RFC 7208 4.6.4. */
#define POSTERN_SPF_LOOKUPS_MAX 10
#define POSTERN_SPF_VOID_LOOKUPS_MAX 2
#define POSTERN_SPF_MX_NAMES_MAX 10
#define POSTERN_SPF_PTR_NAMES_MAX 10
#define POSTERN_SPF_RECORD_MAX_OCTETS 8192
#define POSTERN_SPF_EXPLANATION_MAX_OCTETS 400
#define POSTERN_SPF_PREFETCH_QUESTIONS_MAX 32 /* that one run of an evaluation may note */
/* libspf2 counts those of each include alone; as many as RFC 7208 4.6.4 allows in all, and some */
#define POSTERN_SPF_LIBSPF2_LOOKUPS_MAX 125

/* DKIM. */
#define POSTERN_DKIM_SIGNATURES_MAX 10 /* each may hash the whole body; RFC 6376 8.4 */
#define POSTERN_DKIM_RSA_MIN_BITS 1024 /* RFC 8301 3.2 */
#define POSTERN_DKIM_RSA_MAX_BITS 4096 /* RFC 8301 3.2 asks for as many */
#define POSTERN_DKIM_FIELD_MAX_OCTETS 16384
#define POSTERN_DKIM_IDENTITY_MAX_OCTETS 255 /* i=; RFC 5321 4.5.3.1.3 */
#define POSTERN_DKIM_SIGNATURES_REPORTED_MAX 100
/* More would not fit into POSTERN_HEADER_EDIT_MAX_OCTETS, with the longest of texts and the other methods */
#define POSTERN_DKIM_SIGNATURES_LISTED_MAX 15
#define POSTERN_DKIM_KEYS_KEPT_MAX 256 /* decoded, between messages */
#define POSTERN_DKIM_TAGS_MAX 256      /* of one field or record; RFC 6376 3.5 names 14 */
#define POSTERN_DKIM_CLOCK_DRIFT_SECONDS 300
#define POSTERN_DKIM_KEYS_TRIED_MAX 8     /* records at one selector; RFC 6376 3.6.2.2 */
#define POSTERN_DKIM_FIELDS_READ_MAX 1000 /* of the signatures; the first and the last of more */

/* DMARC and ARC. */
#define POSTERN_MAILBOX_DOMAINS_MAX 64   /* of one address list, named; From has one of them */
#define POSTERN_DMARC_AUTHORS_MAX 4      /* Author Domains of one message that are looked up */
#define POSTERN_DMARC_WALK_QUERIES_MAX 8 /* RFC 9989 4.10: of one tree walk */
#define POSTERN_DMARC_RECORD_MAX_OCTETS 8192
#define POSTERN_DMARC_QUESTIONS_MAX 48    /* of one message, all walks together */
#define POSTERN_ARC_SETS_MAX 50           /* RFC 8617 4.2.1 */
#define POSTERN_ARC_SIGNED_FIELDS_MAX 500 /* names in h=; more do not verify */

/* Our own signatures. */
#define POSTERN_SIGN_KEYS_MAX 1000
#define POSTERN_SIGN_FIELDS_MAX 4 /* signatures of ours that one message gets */
/* of a message that are signed; libopendkim cuts h= at 4,096 octets */
#define POSTERN_SIGN_HEADER_FIELDS_MAX 100
#define POSTERN_SIGN_HEADER_FIELD_MAX_OCTETS 65536 /* one of them */
/* Lines that are longer, CRLF not counted, are broken on the way: those of the body by Postfix at 998 (RFC
 * 5322 2.1.1); fields are folded to less, for Sendmail breaks its lines at 990 */
#define POSTERN_SIGN_BODY_LINE_MAX_OCTETS 998
#define POSTERN_SIGN_LINE_MAX_OCTETS 980
#define POSTERN_SIGN_FOLDS_MAX 16 /* fields of one message with longer lines, that are folded */
#define POSTERN_SIGN_TABLE_MAX_OCTETS (1024 * 1024)
#define POSTERN_SIGN_KEY_FILE_MAX_OCTETS 65536
#define POSTERN_SIGN_WARNINGS_MAX 20 /* about the files of keys that one load logs */

#define POSTERN_CHECKS_MAX 31               /* in checks/list.h: bits of a mask */
#define POSTERN_CHECK_OPTIONS_MAX_OCTETS 48 /* of a structure of one check's own */

/* Explanations. */
#define POSTERN_STEPS_MAX 1000
#define POSTERN_STEP_MAX_OCTETS 512

/* Capsules. */
#define POSTERN_CAPSULE_TEXT_MAX_OCTETS 8192
#define POSTERN_CAPSULE_MAX_OCTETS (POSTERN_MESSAGE_MAX_OCTETS + 8 * 1024 * 1024)
#define POSTERN_CAPSULE_QUEUE_MAX 256 /* that wait to be written; the message of each is held so long */
#define POSTERN_CAPSULE_QUEUE_MAX_OCTETS (64 * 1024 * 1024)
#define POSTERN_CAPSULE_FILES_MAX 1000000 /* in one directory */

/* The virus scan. */
#define POSTERN_VIRUS_UNPACKED_FACTOR 4 /* so many times the largest message is unpacked in all */
#define POSTERN_VIRUS_SCANS_MAX 20000   /* files and enclosed messages of one that are scanned apart */
#define POSTERN_CLAMD_REPLY_MAX_OCTETS 1024
#define POSTERN_CLAMD_COMMANDS_MAX 8   /* that it has not answered yet, in one session */
#define POSTERN_CLAMD_PROOF_SECONDS 10 /* how long a worker believes that clamd finds viruses */
#define POSTERN_VIRUS_SCAN_MIN_OCTETS (1024 * 1024)
#define POSTERN_VIRUS_SCAN_DESCRIPTORS 64                   /* 17 levels of archive hold at most 3 each */
#define POSTERN_VIRUS_SCAN_MEMORY_OCTETS (64 * 1024 * 1024) /* beside what is unpacked */

/* Content rules. */
#define POSTERN_RULES_MAX 10000 /* of both files together */
#define POSTERN_RULES_FILE_MAX_OCTETS (4 * 1024 * 1024)
#define POSTERN_RULE_NAME_MAX_OCTETS 64
#define POSTERN_RULE_REPLY_MAX_OCTETS 200
#define POSTERN_RULE_VALUES_MAX 10000        /* of one condition */
#define POSTERN_RULE_VALUE_MAX_OCTETS 2048   /* one pattern or phrase */
#define POSTERN_RULE_DIAGNOSTICS_MAX 20      /* mistakes of one file that are told */
#define POSTERN_RULE_EXEMPT_MAX 20           /* policies that one rule is not for */
#define POSTERN_RULE_MATCHES_MAX 100         /* rules that hold for one message and are told */
#define POSTERN_RULES_CPU_MS 500             /* of processor time for one message */
#define POSTERN_RULES_SNIFFED_OCTETS 65536   /* of a file that libmagic is given */
#define POSTERN_RULES_HTML_CHUNK_OCTETS 4096 /* that libxml2 is given before the time is looked at */
#define POSTERN_RULES_LINKS_MAX 10000        /* of one message that are judged */
/* A pattern: where it may begin, and how far it may reach from there, in one go; backtracking from one
 * beginning, and the memory for it */
#define POSTERN_PATTERN_WINDOW_OCTETS 1024
#define POSTERN_PATTERN_REACH_OCTETS 8192
#define POSTERN_PATTERN_STEPS_MAX 30000
#define POSTERN_PATTERN_HEAP_MAX_KIBIBYTES 1024

#define POSTERN_SIGNATURES_HELD_MAX 64     /* files that are held open, to load them again */
#define POSTERN_SIGNATURES_STOP_MS 1000    /* a scan that takes longer is begun anew with the new ones */
#define POSTERN_SIGNATURES_MEMORY_MS 60000 /* until it is seen again whether there is memory for them */
#define POSTERN_SIGNATURES_SETTLE_MS 2000  /* new files are loaded once they have not changed for so long */

/* The inspector. */
#define POSTERN_INSPECTOR_WORKERS_MAX 64
#define POSTERN_INSPECTOR_LIGHT_WORKERS_MAX 4
#define POSTERN_INSPECTOR_SIGNERS_MAX 2
#define POSTERN_INSPECTOR_QUEUE_MAX 4096                      /* requests that wait for a worker */
#define POSTERN_INSPECTOR_QUEUE_MAX_OCTETS (64 * 1024 * 1024) /* in all that wait or run */
#define POSTERN_INSPECTOR_CLIENTS_MAX 1024
#define POSTERN_INSPECTOR_CLIENT_READS_SECONDS 20 /* who reads no answer for so long is gone */
#define POSTERN_INSPECTOR_REQUEST_MAX_OCTETS (4 * 1024 * 1024)
#define POSTERN_INSPECTOR_RESPONSE_MAX_OCTETS (1024 * 1024)
/* In a packet of the inspector's socket; what is more goes beside it in a memfd. The first is for the content
 * of a request or response, the second for that and a small message. */
#define POSTERN_PACKET_CONTENT_MAX_OCTETS (16 * 1024)
#define POSTERN_PACKET_OCTETS_MAX (POSTERN_PACKET_CONTENT_MAX_OCTETS + POSTERN_MESSAGE_HEAP_MAX_OCTETS)
/* one text of a finding, on its way out of the inspector */
#define POSTERN_FINDING_TEXT_MAX_OCTETS 1024
#define POSTERN_INSPECTOR_CRASHES_MAX 3 /* in the window below: the template is exec'd anew */
#define POSTERN_INSPECTOR_CRASH_WINDOW_SECONDS 600
#define POSTERN_INSPECTOR_REQUEST_DEATHS_MAX 2 /* workers that one request may kill */
#define POSTERN_INSPECTOR_PROCESSOR_SHARE 4 /* one in so many of [inspector] scan_timeout: processor time */
/* Messages remembered, and what was found in them: those that took longer than the first, and those that cost
 * two workers. */
#define POSTERN_INSPECTOR_REMEMBER_MS 100
#define POSTERN_INSPECTOR_REMEMBERED_MAX 4096
#define POSTERN_INSPECTOR_REMEMBERED_MAX_OCTETS (16 * 1024 * 1024)
#define POSTERN_INSPECTOR_KILLERS_MAX 4096
#define POSTERN_INSPECTOR_KILLER_SECONDS 86400
/* Trace that a message may have on top and still be known for another (mail/fingerprint.h). */
#define POSTERN_TRACE_FIELDS_MAX 16
#define POSTERN_TRACE_MAX_OCTETS 8192
/* What is counted against the client whose mail it is */
#define POSTERN_INSPECTOR_ACCOUNTS_MAX 16384    /* clients remembered */
#define POSTERN_INSPECTOR_CLIENT_CRASHES_MAX 20 /* workers lost to it in that window: then it must pause */
#define POSTERN_INSPECTOR_CLIENT_PAUSE_SECONDS 30
#define POSTERN_INSPECTOR_GROWTH_SHARE                                                                       \
    2 /* who takes one in so many of [inspector] worker_memory has cost one */
#define POSTERN_INSPECTOR_BUDGET_WINDOW_SECONDS 60
#define POSTERN_INSPECTOR_BUDGET_MS 6000 /* of processor time in that window; over it a client is heavy: */
#define POSTERN_INSPECTOR_HEAVY_NICE 10  /* its scans run behind others */
#define POSTERN_INSPECTOR_HEAVY_WAITING_MAX 16 /* and so many of its requests may wait, for each worker */
/* A scan that takes longer than the first, of processor time, holds up no others; longer than the second, it
 * runs behind them; of those that have been there for the third, a client has not all workers at once. */
#define POSTERN_INSPECTOR_QUICK_MS 10
#define POSTERN_INSPECTOR_BEHIND_MS 100
#define POSTERN_INSPECTOR_SLOW_MS 500
/* What was put off has so much of a spare worker, if others wait that had less; so often it may be put off.
 */
#define POSTERN_INSPECTOR_SLICE_MS 1000
#define POSTERN_INSPECTOR_PUT_OFF_TIMES_MAX 3
#define POSTERN_INSPECTOR_PUT_OFF_MAX 256           /* scans of a user that wait until they may take long, */
#define POSTERN_INSPECTOR_PUT_OFF_OF_CLIENT_MAX 128 /* and of one client: no fewer than it sends at once */
#define POSTERN_INSPECTOR_SPARE_IDLE_SECONDS 10     /* then a worker that took over from a slow one ends */
/* Then a fresh worker takes its place */
#define POSTERN_INSPECTOR_WORKER_SCANS_MAX 1000
#define POSTERN_INSPECTOR_WORKER_REQUESTS_MAX 100000
#define POSTERN_INSPECTOR_LIGHT_TIMEOUT_MS 10000
#define POSTERN_INSPECTOR_WORKER_START_SECONDS 60    /* until a new worker must have proved itself */
#define POSTERN_INSPECTOR_TEMPLATE_START_SECONDS 300 /* until a template must have loaded all signatures */
#define POSTERN_INSPECTOR_TEMPLATE_END_MS 2000       /* that it has to end when it is bidden to */
#define POSTERN_INSPECTOR_END_MS 4000                /* the same of an inspector that a program has started */
#define POSTERN_RESTART_PAUSE_MAX_MS 60000      /* before an inspector that keeps ending is started again */
#define POSTERN_INSPECTOR_START_FAILURES_MAX 3  /* of workers in a row: the template is exec'd anew */
#define POSTERN_INSPECTOR_UNAVAILABLE_SECONDS 5 /* that requests wait once no worker can be had */

/* Connections. */
#define POSTERN_THREADS_MAX 64
#define POSTERN_CLIENTS_REMEMBERED_MAX 10000000 /* addresses and networks */
#define POSTERN_RATE_MAX 8000000                /* of what is counted of a client */
#define POSTERN_POINTS_MAX 1000                 /* of suspicion */
/* recipients of a client that the back-end may refuse, between messages that pass, without suspicion */
#define POSTERN_REFUSED_RECIPIENTS_FREE 2
#define POSTERN_GOOD_DAYS_MAX 365
#define POSTERN_ORDERS_MAX 1000                /* of an administrator, for clients, that hold at once */
#define POSTERN_CONTROL_REQUEST_MAX_OCTETS 512 /* what an administrator asks, names with it */
#define POSTERN_LISTS_MAX 30                   /* DNS lists that one client is looked up in */
#define POSTERN_GREYLIST_WAIT_MS 5000          /* for the store; then nobody is greylisted */
#define POSTERN_TALLY_WAITING_MAX 50000        /* different rows that wait for the store of [report] */
#define POSTERN_TALLY_ROW_MAX_OCTETS 4096      /* of one, as text */
#define POSTERN_FAILURES_WAITING_MAX 500       /* different failures that wait for it */
#define POSTERN_FAILURE_HEADER_MAX_OCTETS 8192 /* of one that a report tells */
#define POSTERN_REPORT_ADDRESSES_MAX 5         /* of rua= or ruf=, that one report goes to */
#define POSTERN_REPORT_ROWS_MAX 100000         /* of one report */
#define POSTERN_REPORT_TRIES_MAX 8             /* to send one */
#define POSTERN_REPORT_DAYS_MAX 3              /* days that reports are still sent for */
#define POSTERN_REPORT_SERVER_SECONDS 60       /* for each reply of the mail server that takes reports */
#define POSTERN_NETWORK_ENTRIES_MAX 200000     /* in the table of [clients] networks */
#define POSTERN_NETWORKS_FILE_MAX_OCTETS (16 * 1024 * 1024)
#define POSTERN_LIST_FAILURES_MAX 5  /* of one list in a row: then it is not asked for a while */
#define POSTERN_LIST_RETRY_MS 60000  /* until it is tested again */
#define POSTERN_LIST_TEST_MS 3600000 /* the same of one that has passed its test */
#define POSTERN_CONNECTIONS_MAX 1000000
#define POSTERN_SERVERS_MAX 1000            /* of one group */
#define POSTERN_KEPT_REFUSALS_MAX 1000000   /* of recipients, that are kept for one group */
#define POSTERN_KEPT_REFUSAL_MAX_OCTETS 512 /* of a reply, else it is not kept */
#define POSTERN_TLS_SESSIONS_MAX 1024       /* that are kept for the servers of one group */
#define POSTERN_SERVER_GROUPS_MAX 1000      /* groups [servers NAME] */
#define POSTERN_SERVER_WEIGHT_MAX 256
#define POSTERN_DRAIN_FILE_MAX_OCTETS (1024 * 1024)
#define POSTERN_ROUTES_MAX 2000000 /* lines of [proxy] routes */
#define POSTERN_ROUTES_FILE_MAX_OCTETS (256 * 1024 * 1024)
/* what is remembered of a client that is parked, without more allocations: names of some 50 octets in all */
#define POSTERN_PARKED_SESSION_OCTETS 119
#define POSTERN_PARKED_PACE_MAX_OCTETS 512 /* that one who is parked is still to hear */
#define POSTERN_MILTER_WAITING_MAX 4096    /* threads of the milter that wait for a verdict */
#define POSTERN_MILTER_COMMAND_MAX_OCTETS (2 * 1024 * 1024) /* one header field may be all of the header */
#define POSTERN_MILTER_NEGOTIATIONS_MAX 65536               /* connections whose negotiation is remembered */
#define POSTERN_LISTENERS_MAX 32
#define POSTERN_PROXY_HEADER_MAX_OCTETS 4096 /* what a balancer says of its client */
#define POSTERN_PROXY_HEADER_TIMEOUT_MS 10000
#define POSTERN_TLS_CERTIFICATES_MAX 1000
#define POSTERN_TLS_PINS_MAX 100
#define POSTERN_TLS_RETRY_MS 600000 /* that a server with which TLS fails is served without, if it may */

/* so long a borrowed back-end connection may wait for its client, or for the verdict, in all, before it is
 * offered to others; and so much more each time that it was given back */
#define POSTERN_BORROW_PATIENCE_MS 500
/* a silent client's goes back to the pool, whether others wait or not; likewise */
#define POSTERN_BORROW_SILENCE_MS 10000
#define POSTERN_BORROW_REPEATS_MAX 4 /* times that one envelope is told anew, before its end */
/* a back-end is not borrowed before the client's name is known or was looked for so long */
#define POSTERN_CLIENT_NAME_WAIT_MS 3000
/* a client that has sent a [proxy] burst_size in that time is fast; one whose message is streamed sends as
 * much in each, or its back-end connection goes to others that wait for one */
#define POSTERN_BURST_MS 1000
#define POSTERN_DATA_RATE_SECONDS 60 /* that [proxy] min_data_rate is an average of */
/* while memory for messages is crowded: in that time so much must come that what a message holds would come
 * in POSTERN_DATA_RATE_SECONDS */
#define POSTERN_DATA_CROWDED_SECONDS 5
/* once another finds no room: in that time what a message holds would have to come, or nothing for so long */
#define POSTERN_DATA_FULL_SECONDS 12
#define POSTERN_DATA_STALLED_MS 2000
/* while there are as many connections as there may be: who is silent so long in the middle of a message may
 * be let go for another; and so many are looked at to find one */
#define POSTERN_CROWDED_SILENCE_MS 10000
#define POSTERN_CROWDED_SEARCH_MAX 256
#define POSTERN_BORROW_PACE_OCTETS 1024 /* of a message in that time: who sends fewer counts as silent */
#define POSTERN_LOGIN_ANSWER_MS 60000   /* for a client's next line of AUTH: a program says it, no person */
/* so long a client that has logged in may be idle before its back-end connection is offered to others */
#define POSTERN_LOGIN_PATIENCE_MS 10000
#define POSTERN_SERVER_REST_MS 30000  /* of one that greets with 421 (RFC 5321 3.8), while others serve */
#define POSTERN_BACKEND_RETRY_MS 1000 /* after a connection that could not be opened */
#define POSTERN_BACKEND_QUIT_TIMEOUT_MS 5000

/* Log and configuration. */
#define POSTERN_LOG_LINE_MAX_OCTETS 4096
#define POSTERN_LOG_PREFIX_MAX_OCTETS 160              /* of it: time stamp, program, process, level */
#define POSTERN_REFUSED_RECIPIENTS_LOGGED_MAX 100      /* of one message, a line each; the rest is counted */
#define POSTERN_COUNTERS_MAX 512                       /* of different names and labels */
#define POSTERN_EVENTS_REMEMBERED_MAX 40               /* refusals on the status page */
#define POSTERN_HTTP_CONNECTIONS_MAX 32                /* of those who read metrics, at the same time */
#define POSTERN_HTTP_CONNECTION_SECONDS 10             /* that each has, for all of it */
#define POSTERN_HTTP_HEADER_MAX_OCTETS 8192            /* of a request; it has no body */
#define POSTERN_HTTP_PASSWORDS_PER_SECOND_MAX 2        /* wrong or new ones that are looked at */
#define POSTERN_LOG_VALUE_MAX_OCTETS 512               /* one peer-supplied value, before escapes */
#define POSTERN_LOG_QUEUE_MAX_OCTETS (4 * 1024 * 1024) /* lines that wait for a slow reader of the log */
#define POSTERN_LOG_FINISH_MS 2000                     /* that they have to get out when the program ends */
#define POSTERN_LOG_TICK_MS 1000
#define POSTERN_LOG_REPEAT_WINDOW_SECONDS 10
#define POSTERN_LOG_REPEAT_LINES_MAX 50 /* lines that say the same of the same peer, in that window */
#define POSTERN_LOG_REPEAT_ALL_MAX 1000
#define POSTERN_LOG_REPEAT_KEYS_MAX 2000
#define POSTERN_CONFIGURATION_FILE_MAX_OCTETS (1024 * 1024)
#define POSTERN_CONFIGURATION_DIAGNOSTICS_MAX 100  /* named in one error; the rest are counted */
#define POSTERN_CONFIGURATION_TEXT_MAX_OCTETS 4095 /* one value, a path at most */
#define POSTERN_CONFIGURATION_NAME_MAX_OCTETS 64   /* a group or key that a suggestion is looked for */
#define POSTERN_CONFIGURATION_DURATION_MAX_MS (24 * 3600 * 1000)
#define POSTERN_SOCKET_PATH_MAX_OCTETS 107 /* unix(7), without the NUL */
#define POSTERN_LIST_ITEMS_MAX 1000
#define POSTERN_TRUST_PUBLIC_PARTS 4 /* a list of trust holds less than one in so many public addresses */
#define POSTERN_POLICIES_MAX 100     /* groups [policy NAME] */
#define POSTERN_CLASSES_MAX 100      /* groups [class NAME] */
#define POSTERN_POLICY_NAME_MAX_OCTETS 32     /* NAME of [policy NAME] and of the others */
#define POSTERN_RECIPIENT_POLICIES_MAX 100000 /* lines of [clients] recipients with a policy */
#define POSTERN_RECIPIENTS_FILE_MAX_OCTETS (32 * 1024 * 1024)
