/*
 * The checks: what each of them finds is a member of PosternFindings (verdict/findings.h), and all else about
 * it is in its folder, checks/MEMBER/.
 */
#pragma once

/*
 * One line a check: NAME of POSTERN_CHECK_NAME, the member, and its type (checks/MEMBER/finding.h). Results
 * are told in this order; a check is known by its place, in capsules too: a new one goes to the end.
 */
#define POSTERN_CHECKS_LIST(CHECK)                                                                           \
    CHECK(SPF, spf, PosternSpfFinding)                                                                       \
    CHECK(SPF_HELO, spf_helo, PosternSpfFinding)                                                             \
    CHECK(DKIM, dkim, PosternDkimFindings)                                                                   \
    CHECK(DMARC, dmarc, PosternDmarcFinding)                                                                 \
    CHECK(ARC, arc, PosternArcFinding)                                                                       \
    CHECK(VIRUS, virus, PosternVirusFinding)                                                                 \
    CHECK(CONTENT, content, PosternContentFinding)                                                           \
    CHECK(SIGN, sign, PosternSignFinding)                                                                    \
    CHECK(HOPS, hops, PosternHopsFinding)                                                                    \
    CHECK(RULES, rules, PosternRulesFinding)                                                                 \
    CHECK(CLIENT, client, PosternClientFinding)                                                              \
    CHECK(GREYLIST, greylist, PosternGreylistFinding)                                                        \
    /* The next stands here. */
