//! Hosts, lists of exceptions and what comes of them.

/// How a request goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Proxied,
    Direct,
}

/// Which releases of curl decide a row as it stands here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Curl {
    /// Those from 7.86 on, which compares networks.
    Every,
    /// Those from this release on.
    Since(u32, u32),
    /// Those before this release.
    Before(u32, u32),
    /// None: the row is about an addition of ours.
    Never,
}

/// The URI, the list (`None`: the variable is not set), the way, and the releases of curl.
pub(crate) type Row = (&'static str, Option<&'static str>, Way, Curl);

use Curl::{Before, Every, Never, Since};
use Way::{Direct, Proxied};

pub(crate) const TABLE: &[Row] = &[
    // Nothing, and everything.
    ("https://a.example/", None, Proxied, Every),
    ("https://a.example/", Some(""), Proxied, Every),
    ("https://a.example/", Some(" "), Proxied, Every),
    ("https://a.example/", Some(","), Proxied, Every),
    ("https://a.example/", Some(", ,, "), Proxied, Every),
    ("https://a.example/", Some("*"), Direct, Every),
    ("https://192.0.2.7/", Some("*"), Direct, Every),
    ("https://[2001:db8::7]/", Some("*"), Direct, Every),
    // A star is everything only where it is all there is.
    ("https://a.example/", Some(" *"), Proxied, Every),
    ("https://a.example/", Some("* "), Proxied, Every),
    ("https://a.example/", Some("*,b.example"), Proxied, Every),
    ("https://a.example/", Some("b.example,*"), Proxied, Every),
    ("https://a.example/", Some("**"), Proxied, Every),
    ("https://a.example/", Some("*."), Proxied, Every),
    ("https://a.example/", Some("*.example"), Proxied, Every),
    ("https://x.a.example/", Some("*.a.example"), Proxied, Every),
    ("https://a.example/", Some("a.*"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.*"), Proxied, Every),
    // Names stand for what is below them.
    ("https://a.example/", Some("a.example"), Direct, Every),
    ("https://x.a.example/", Some("a.example"), Direct, Every),
    ("https://y.x.a.example/", Some("a.example"), Direct, Every),
    ("https://xa.example/", Some("a.example"), Proxied, Every),
    ("https://a.example.com/", Some("a.example"), Proxied, Every),
    ("https://example/", Some("a.example"), Proxied, Every),
    ("https://a.example/", Some("example"), Direct, Every),
    ("https://a.example/", Some("e"), Proxied, Every),
    ("https://a.example/", Some("xample"), Proxied, Every),
    ("https://intranet/", Some("intranet"), Direct, Every),
    ("https://a_b.example/", Some("a_b.example"), Direct, Every),
    // One dot at either end.
    ("https://a.example/", Some(".a.example"), Direct, Every),
    ("https://x.a.example/", Some(".a.example"), Direct, Every),
    ("https://xa.example/", Some(".a.example"), Proxied, Every),
    ("https://x.a.example/", Some("..a.example"), Proxied, Every),
    ("https://a.example/", Some("a.example."), Direct, Every),
    ("https://x.a.example/", Some(".a.example."), Direct, Every),
    ("https://a.example/", Some("a.example.."), Proxied, Every),
    ("https://a.example./", Some("a.example"), Direct, Every),
    ("https://a.example./", Some("a.example."), Direct, Every),
    ("https://x.a.example./", Some(".a.example"), Direct, Every),
    ("https://a.example/", Some("."), Proxied, Every),
    ("https://a.example./", Some("."), Proxied, Every),
    ("https://a.example/", Some(".."), Proxied, Every),
    ("https://intranet/", Some("."), Proxied, Every),
    ("https://192.0.2.7/", Some("."), Proxied, Every),
    // Case, and names in another alphabet.
    ("https://A.EXAMPLE/", Some("a.example"), Direct, Every),
    ("https://a.example/", Some("A.Example"), Direct, Every),
    ("https://x.a.example/", Some(".A.EXAMPLE"), Direct, Every),
    (
        "https://xn--mnchen-3ya.example/",
        Some("xn--mnchen-3ya.example"),
        Direct,
        Every,
    ),
    (
        "https://xn--mnchen-3ya.example/",
        Some("münchen.example"),
        Proxied,
        Every,
    ),
    // Commas and blanks.
    ("https://a.example/", Some("b.example,a.example"), Direct, Every),
    ("https://a.example/", Some("b.example, a.example"), Direct, Every),
    ("https://a.example/", Some("b.example ,a.example"), Direct, Every),
    ("https://a.example/", Some("b.example\t,\ta.example"), Direct, Every),
    ("https://a.example/", Some(",,b.example,,a.example,,"), Direct, Every),
    ("https://a.example/", Some("b.example, ,a.example"), Direct, Every),
    ("https://a.example/", Some(" a.example "), Direct, Every),
    ("https://a.example/", Some(".,a.example"), Direct, Every),
    ("https://a.example/", Some("b.example a.example"), Direct, Before(8, 9)),
    ("https://a.example/", Some("b.example\ta.example"), Direct, Before(8, 9)),
    ("https://10.1.2.3/", Some("b.example 10.0.0.0/8"), Direct, Before(8, 9)),
    ("https://a.example/", Some("b.example;a.example"), Proxied, Every),
    ("https://a.example/", Some("b.example\na.example"), Proxied, Every),
    // Ports, schemes and paths belong to no entry.
    ("https://a.example:8443/", Some("a.example"), Direct, Every),
    ("https://a.example/", Some("a.example:443"), Proxied, Every),
    ("https://a.example:8443/", Some("a.example:8443"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.7:443"), Proxied, Every),
    ("https://[2001:db8::7]/", Some("[2001:db8::7]:443"), Proxied, Every),
    ("https://a.example/", Some("https://a.example"), Proxied, Every),
    ("https://a.example/", Some("a.example/"), Proxied, Every),
    ("https://a.example/", Some("user@a.example"), Proxied, Every),
    // Addresses are compared by value, and never by their ends.
    ("https://192.0.2.7/", Some("192.0.2.7"), Direct, Every),
    ("https://192.0.2.7:8443/", Some("b.example,192.0.2.7"), Direct, Every),
    ("https://192.0.2.77/", Some("192.0.2.7"), Proxied, Every),
    ("https://192.0.2.7/", Some("2.7"), Proxied, Every),
    ("https://192.0.2.7/", Some("7"), Proxied, Every),
    ("https://192.0.2.7/", Some(".2.7"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2."), Proxied, Every),
    ("https://192.0.2.7/", Some(".192.0.2.7"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.7."), Proxied, Every),
    ("https://192.0.2.7/", Some("192.000.002.007"), Proxied, Every),
    ("https://192.0.2.7/", Some("::ffff:192.0.2.7"), Proxied, Every),
    ("https://192.0.2.7./", Some("192.0.2.7"), Direct, Every),
    ("https://0300.0.2.7/", Some("192.0.2.7"), Direct, Every),
    ("https://192.519/", Some("192.0.2.0/24"), Direct, Every),
    ("https://3221225991/", Some("192.0.2.7"), Direct, Every),
    ("https://0xc0000207/", Some("192.0.2.7"), Direct, Every),
    ("https://a2.7/", Some("2.7"), Proxied, Every),
    ("https://x.2.7.example/", Some("2.7.example"), Direct, Every),
    // Networks.
    ("https://10.1.2.3/", Some("10.0.0.0/8"), Direct, Every),
    ("https://10.1.2.3/", Some("10.9.9.9/8"), Direct, Every),
    ("https://11.1.2.3/", Some("10.0.0.0/8"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.0/24"), Direct, Every),
    ("https://192.0.2.7/", Some("192.0.2.0/29"), Direct, Every),
    ("https://192.0.2.8/", Some("192.0.2.0/29"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.6/31"), Direct, Every),
    ("https://192.0.2.7/", Some("192.0.2.7/32"), Direct, Every),
    ("https://192.0.2.7/", Some("192.0.2.6/32"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.7/33"), Proxied, Every),
    ("https://192.0.2.7/", Some("128.0.0.0/1"), Direct, Every),
    ("https://192.0.2.7/", Some("0.0.0.0/1"), Proxied, Every),
    ("https://192.0.2.7/", Some("0.0.0.0/0"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.7/0"), Direct, Every),
    ("https://192.0.2.7/", Some("192.0.2.0/024"), Direct, Every),
    ("https://192.0.2.7/", Some("192.0.2.0/ 24"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.0/-8"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2/24"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.0/x"), Proxied, Every),
    ("https://192.0.2.7/", Some("192.0.2.0/24x"), Proxied, Since(8, 18)),
    ("https://192.0.2.7/", Some("192.0.2.7/"), Proxied, Since(8, 18)),
    ("https://a.example/", Some("10.0.0.0/8"), Proxied, Every),
    ("https://10.1.2.3/", Some("a.example,10.0.0.0/8"), Direct, Every),
    // IPv6.
    ("https://[2001:db8::7]/", Some("2001:db8::7"), Direct, Every),
    (
        "https://[2001:db8::7]:8443/",
        Some("b.example,2001:db8::7"),
        Direct,
        Every,
    ),
    ("https://[2001:DB8::7]/", Some("2001:db8::7"), Direct, Every),
    ("https://[2001:db8::7]/", Some("2001:DB8::7"), Direct, Every),
    ("https://[2001:db8::7]/", Some("2001:db8::8"), Proxied, Every),
    ("https://[2001:db8::7]/", Some("::7"), Proxied, Every),
    ("https://[2001:db8::7]/", Some("2001:db9::/32"), Proxied, Every),
    ("https://[2001:db8::7]/", Some("2001:db8::7/129"), Proxied, Every),
    ("https://[2001:db8::7]/", Some("::/0"), Proxied, Every),
    ("https://[::ffff:192.0.2.7]/", Some("192.0.2.7"), Proxied, Every),
    ("https://[2001:db8::7]/", Some("2001:db8:0:0::7"), Direct, Since(8, 18)),
    ("https://[2001:db8::7]/", Some("2001:db8::/32"), Direct, Since(8, 18)),
    ("https://[2001:db8::7]/", Some("2001:db8::/125"), Direct, Since(8, 18)),
    ("https://[2001:db8::8]/", Some("2001:db8::/125"), Proxied, Every),
    ("https://[2001:db8::7]/", Some("2001:db8::7/128"), Direct, Since(8, 18)),
    ("https://[2001:db8::7]/", Some("::/1"), Direct, Since(8, 18)),
    ("https://[2001:db8::7]/", Some("2001:db8::7."), Proxied, Since(8, 18)),
    ("https://[2001:db8::7]/", Some(".2001:db8::7"), Proxied, Since(8, 18)),
    ("https://[2001:db8::7]/", Some("[2001:db8::7]"), Direct, Never),
    ("https://[2001:db8::7]/", Some("[2001:db8::]/32"), Direct, Never),
];
