/*
 * Makes up zones with SPF records, from a seed: mostly valid ones, in the form of an answers file.
 */
#pragma once

#include <glib.h>

#define SPF_ZONE_DOMAINS 8
#define SPF_ZONE_TERMS_MAX 5

static inline const char *spf_zone_pick(GRand *dice, const char *const *choices, guint count)
{
    return choices[g_rand_int_range(dice, 0, (gint32)count)];
}
#define SPF_ZONE_PICK(dice, choices) spf_zone_pick(dice, choices, G_N_ELEMENTS(choices))

static inline gboolean spf_zone_one_in(GRand *dice, gint32 count)
{
    return g_rand_int_range(dice, 0, count) == 0;
}

/* A domain-spec: a domain of the zone, one that is not there, or one with macros; seldom none at all. */
static inline void spf_zone_domain_spec(GRand *dice, GString *out)
{
    static const char *const forms[] = {
        "%{i}.d0.example",
        "%{ir}.%{v}.d1.example",
        "%{l}.d2.example",
        "%{d}",
        "%{o}",
        "%{h}",
        "%{s}.d3.example",
        "%{d2}",
        "%{d1r}.d4.example",
        "%{l1r-}.d5.example",
        "%{L}.d6.example",
        "%{p}.d7.example",
        "%{p}",
        "%{p}",
        "%{p}",
        "%{p}",
        "a%%b.d0.example",
        "a%_b.d0.example",
        "no.such.example",
        "a.d0.example.",
        "%{h}.d1.example",
    };
    static const char *const faulty[] = {
        "", "d0", "d0.example.1", "%{x}.d0.example", "%{d", "d0..example", "%", "1.2.3.4"};

    if (spf_zone_one_in(dice, 100))
        g_string_append(out, SPF_ZONE_PICK(dice, faulty));
    else if (spf_zone_one_in(dice, 4))
        g_string_append(out, SPF_ZONE_PICK(dice, forms));
    else
        g_string_append_printf(out, "d%d.example", g_rand_int_range(dice, 0, SPF_ZONE_DOMAINS));
}

static inline void spf_zone_prefix_length(GRand *dice, GString *out)
{
    static const char *const lengths[] = {"/24", "/32", "/8", "/30", "/16//64", "//32", "//128", "/28"};
    static const char *const faulty[] = {"/0", "//0", "/33", "//129", "/", "/024", "/0//0", "/-1"};

    if (spf_zone_one_in(dice, 25))
        g_string_append(out, SPF_ZONE_PICK(dice, faulty));
    else if (spf_zone_one_in(dice, 3))
        g_string_append(out, SPF_ZONE_PICK(dice, lengths));
}

static inline void spf_zone_term(GRand *dice, GString *out)
{
    static const char *const networks[] = {"ip4:192.0.2.0/24",  "ip4:192.0.2.1",   "ip4:198.51.100.0/25",
                                           "ip6:2001:db8::/32", "ip6:2001:db8::1", "IP4:192.0.2.2",
                                           "ip4:192.0.2.0/0",   "ip6:::/0",        "ip4:1.2.3",
                                           "ip6:192.0.2.1",     "ip4:192.0.2.1/33"};
    static const char *const odd[] = {
        "unknown=%{d}.x", "op=",  "a:",  "all.",       "all:d0.example",
        "include",        "-foo", "x:y", "unknown=%(", "exp=d1.example exp=d2.example"};
    static const char *const qualifiers[] = {"", "", "", "-", "~", "?", "+"};
    static const char *const with_domain[] = {"include", "include", "a", "mx", "ptr", "exists"};
    const char *mechanism;

    if (spf_zone_one_in(dice, 80)) {
        g_string_append(out, SPF_ZONE_PICK(dice, odd));
        return;
    }
    g_string_append(out, SPF_ZONE_PICK(dice, qualifiers));
    if (spf_zone_one_in(dice, 3)) {
        g_string_append(out, networks[g_rand_int_range(dice, 0, spf_zone_one_in(dice, 8) ? 11 : 6)]);
        return;
    }
    mechanism = SPF_ZONE_PICK(dice, with_domain);
    g_string_append(out, mechanism);
    if (mechanism[0] == 'i' || mechanism[0] == 'e' || !spf_zone_one_in(dice, 3)) {
        g_string_append_c(out, ':');
        spf_zone_domain_spec(dice, out);
    }
    if (mechanism[0] == 'a' || mechanism[0] == 'm')
        spf_zone_prefix_length(dice, out);
}

static inline void spf_zone_record(GRand *dice, GString *out)
{
    static const char *const ends[] = {" -all", " ~all", " ?all", " +all", "", " -all", " all"};
    gint32 terms = g_rand_int_range(dice, 0, SPF_ZONE_TERMS_MAX + 1);

    g_string_append(out, "v=spf1");
    for (gint32 i = 0; i < terms; i++) {
        g_string_append_c(out, ' ');
        if (spf_zone_one_in(dice, 60)) {
            g_string_append(out, "redirect=");
            spf_zone_domain_spec(dice, out);
        } else {
            spf_zone_term(dice, out);
        }
    }
    if (spf_zone_one_in(dice, 3)) {
        g_string_append(out, " redirect=");
        spf_zone_domain_spec(dice, out);
    } else {
        g_string_append(out, SPF_ZONE_PICK(dice, ends));
    }
    if (spf_zone_one_in(dice, 8)) {
        g_string_append(out, " exp=");
        spf_zone_domain_spec(dice, out);
    }
}

/* The names that stand beside the records of domain number: addresses and hosts. */
static inline void spf_zone_hosts(GRand *dice, GString *zone, gint32 number)
{
    static const char *const ipv4[] = {"192.0.2.1", "192.0.2.2", "198.51.100.7", "203.0.113.1"};
    static const char *const ipv6[] = {"2001:db8::1", "2001:db8:1::1", "fe80::1"};

    if (!spf_zone_one_in(dice, 4))
        g_string_append_printf(zone, "d%d.example A %s\n", number, SPF_ZONE_PICK(dice, ipv4));
    if (!spf_zone_one_in(dice, 3))
        g_string_append_printf(zone, "d%d.example AAAA %s\n", number, SPF_ZONE_PICK(dice, ipv6));
    if (spf_zone_one_in(dice, 16))
        g_string_append_printf(zone, "d%d.example MX !%s\n", number,
                               spf_zone_one_in(dice, 2) ? "TIMEOUT" : "SERVFAIL");
    else
        for (gint32 hosts = g_rand_int_range(dice, 0, 14) / 4; hosts > 0; hosts--)
            g_string_append_printf(zone, "d%d.example MX 10 d%d.example\n", number,
                                   g_rand_int_range(dice, 0, SPF_ZONE_DOMAINS + 1));
}

static inline char *spf_zone_make(GRand *dice)
{
    static const char *const reverse[] = {
        "1.2.0.192.in-addr.arpa", "2.2.0.192.in-addr.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"};
    /* What macros make of the envelopes of t/unit/spf_differential_test.c. */
    static const char *const expanded[] = {"192.0.2.1.d0.example", "1.2.0.192.in-addr.d1.example",
                                           "u-ser.d2.example",     "u-ser@d0.example.d3.example",
                                           "d0.d4.example",        "u.d5.example",
                                           "d1.example.d1.example"};
    GString *zone = g_string_new(NULL);

    for (gint32 i = 0; i < SPF_ZONE_DOMAINS; i++) {
        if (spf_zone_one_in(dice, 20)) {
            g_string_append_printf(zone, "d%d.example TXT !%s\n", i,
                                   spf_zone_one_in(dice, 2) ? "SERVFAIL" : "TIMEOUT");
        } else {
            for (gint32 records = spf_zone_one_in(dice, 25) ? 2 : !spf_zone_one_in(dice, 15); records > 0;
                 records--) {
                g_string_append_printf(zone, "d%d.example TXT \"", i);
                spf_zone_record(dice, zone);
                g_string_append(zone, "\"\n");
            }
            if (spf_zone_one_in(dice, 8))
                g_string_append_printf(zone, "d%d.example TXT \"other text\"\n", i);
        }
        spf_zone_hosts(dice, zone, i);
    }
    for (guint i = 0; i < G_N_ELEMENTS(expanded); i++)
        if (spf_zone_one_in(dice, 2))
            g_string_append_printf(zone, "%s A 192.0.2.9\n", expanded[i]);
    for (guint i = 0; i < G_N_ELEMENTS(reverse); i++)
        if (spf_zone_one_in(dice, 20))
            g_string_append_printf(zone, "%s PTR !SERVFAIL\n", reverse[i]);
        else
            for (gint32 names = spf_zone_one_in(dice, 10) ? 12 : g_rand_int_range(dice, 0, 3); names > 0;
                 names--)
                g_string_append_printf(zone, "%s PTR d%d.example\n", reverse[i],
                                       g_rand_int_range(dice, 0, SPF_ZONE_DOMAINS));
    return g_string_free(zone, FALSE);
}
