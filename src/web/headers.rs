//! Headers between browser and origin, and the filter for each direction (RFC 9110 §7.6.1).

use url::{Position, Url};

use crate::config::Origin;

/// Whether a request header of the client may reach the origin. `Cookie` and the headers that `Connection` lists are handled
/// elsewhere.
#[must_use]
pub fn passes_to_origin(name: &str) -> bool {
    // `_` counts as `-`, because some servers fold the two.
    let spelled = name.to_ascii_lowercase();
    let name = spelled.replace('_', "-");
    // Cloudflare overwrites a client's `cf-` headers, but not in this spelling.
    let forged = name != spelled && name.starts_with("cf-");
    let stops = forged || STOPPED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    !stops && !HOP_BY_HOP.contains(&name.as_str()) && !STOPPED.contains(&name.as_str())
}

/// The names of further hop-by-hop headers in a `Connection` header (RFC 9110 §7.6.1). Items that are no header name are left
/// out.
pub fn connection_options(connection: &str) -> impl Iterator<Item = String> {
    connection.split(',').map(str::trim).filter(|item| is_token(item)).map(str::to_ascii_lowercase)
}

/// Whether a text is a token, as every header's name is (RFC 9110 §5.6.2).
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A text as a header's value, also as one of a list: visible ASCII characters, and all else, commas and percent signs as `%XX`, so
/// that two texts never have one value.
#[must_use]
pub fn header_value(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b',' && byte != b'%';
    let encoded = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encoded).collect()
}

/// `Cache-Control` for a gated answer: the origin's value, made private. `None` when it is private already.
#[must_use]
pub fn private_cache_control(sent: Option<&str>) -> Option<String> {
    let Some(sent) = sent.filter(|value| !value.trim().is_empty()) else {
        // Without a value from the origin: no heuristic caching, and a new request each time.
        return Some("private, no-cache".to_owned());
    };
    let directives: Vec<&str> = sent.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    let named = |item: &&str, name: &str| item.split('=').next().is_some_and(|key| key.trim().eq_ignore_ascii_case(name));
    let whole = |name: &str| directives.iter().any(|item| item.eq_ignore_ascii_case(name));
    let public = directives.iter().any(|item| named(item, "public") || named(item, "s-maxage"));
    if (whole("private") || whole("no-store")) && !public {
        return None;
    }
    let mut private = vec!["private"];
    private.extend(directives.iter().filter(|item| !["public", "s-maxage", "private"].iter().any(|name| named(item, name))));
    Some(private.join(", "))
}

/// `Vary` for a gated answer that the browser may reuse without a request. The answer must not be reused under another session's
/// cookie, after another user signs in. `None` when it needs no change.
#[must_use]
pub fn varying_by_cookie(cache_control: &str, sent: Option<&str>) -> Option<String> {
    if lists(cache_control, &["no-cache", "no-store"]) { None } else { varying_by("Cookie", sent) }
}

/// `Vary` with one more name; `None` when it needs no change.
#[must_use]
pub fn varying_by(name: &str, sent: Option<&str>) -> Option<String> {
    let sent = sent.map(str::trim).unwrap_or_default();
    if lists(sent, &[name, "*"]) {
        return None;
    }
    Some(if sent.is_empty() { name.to_owned() } else { format!("{sent}, {name}") })
}

fn lists(list: &str, names: &[&str]) -> bool {
    list.split(',').any(|item| names.iter().any(|name| item.trim().eq_ignore_ascii_case(name)))
}

/// The header that proves the gateway to the origin by its value. Only the gateway sends it, and no answer returns it.
pub const ORIGIN_VERIFY: &str = "x-origin-verify";

/// Response headers that let scripts of other origins read an answer (Fetch Standard).
pub const LEAVE_TO_READ: [&str; 2] = ["access-control-allow-origin", "access-control-allow-credentials"];

/// All response headers of CORS (Fetch Standard, Private Network Access).
pub const CORS_HEADERS: [&str; 7] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
];

/// Response headers for shared caches, apart from `Cache-Control`.
pub const SHARED_CACHE_HEADERS: [&str; 4] = ["cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control", "expires"];

/// A `Location` that names the origin's host, on any port, rewritten to the public origin; `None` when it needs no change. The
/// value is parsed as browsers parse it, so that `HTTP://ORIGIN/…` and `//origin/…` are rewritten too.
#[must_use]
pub fn public_location(location: &str, origin: &Origin, public_url: &Origin) -> Option<String> {
    let own = Url::parse(origin.as_str()).ok()?;
    let url = own.join(location).ok()?;
    let leads_to_origin = matches!(url.scheme(), "http" | "https") && url.host_str() == own.host_str();
    (leads_to_origin && names_a_host(location)).then(|| format!("{public_url}{}", &url[Position::BeforePath..]))
}

/// Whether a `Location` names a host. A location without a host stays on the host of any base URL, even one of another protocol.
fn names_a_host(location: &str) -> bool {
    let stays = |elsewhere: Url| elsewhere.join(location).is_ok_and(|url| url.host_str() == elsewhere.host_str());
    !Url::parse(ELSEWHERE).is_ok_and(stays)
}

const ELSEWHERE: &str = "ws://elsewhere.invalid/";

/// Request headers that the origin could trust. Only a gateway may set identity headers: from a client they are forged. The
/// gateway sets the forwarding headers. A header that overrides path or method would read another page than the rules allowed.
const STOPPED_PREFIXES: [&str; 15] = [
    "x-auth-",
    "x-user",
    "x-forwarded-",
    "remote-",
    "x-remote-",
    "x-webauth-",
    "x-original-",
    "x-rewrite-",
    "x-http-method",
    "x-method-override",
    "x-amzn-oidc-",
    "x-envoy-",
    "x-goog-authenticated-",
    "x-ms-client-principal",
    "cf-access-",
];
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that the gateway sets itself, or that are not for the origin. Those of a body are for the few requests that have one.
const STOPPED: [&str; 12] = [
    "authorization",
    "cookie",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "true-client-ip",
    "x-client-ip",
    "x-host",
    ORIGIN_VERIFY,
    "x-real-ip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_and_hop_by_hop_headers_of_a_client_stop_here() {
        for name in [
            "Authorization",
            "X-Auth-Request-Email",
            "X-User",
            "x-user-id",
            "X_User",
            "X-Forwarded-User",
            "X-Forwarded-Access-Token",
            "Remote-User",
            "Remote_Groups",
            "X-Remote-Email",
            "X-WEBAUTH-USER",
            "Connection",
            "TE",
            "Upgrade",
            "Cookie",
            "Host",
            "X-Forwarded-For",
            "Forwarded",
            "X_Forwarded_For",
            "X-Forwarded-Prefix",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-HTTP-Method-Override",
            "Proxy_Authorization",
            "True-Client-IP",
            "X-Client-IP",
            "X_Host",
            "X-Origin-Verify",
            "X_Origin-VERIFY",
            "X-Envoy-Original-Path",
            "X-MS-Client-Principal",
            "X-MS-CLIENT-PRINCIPAL-NAME",
            "X-Goog-Authenticated-User-Email",
            "Cf-Access-Authenticated-User-Email",
            "Cf_Access_Jwt_Assertion",
            "CF_Connecting_IP",
            "Cf-Connecting_Ip",
        ] {
            assert!(!passes_to_origin(name), "{name}");
        }
        for name in [
            "Range",
            "If-None-Match",
            "Accept",
            "Accept-Language",
            "User-Agent",
            "X-Requested-With",
            "CF-Connecting-IP",
            "CF-Ray",
        ] {
            assert!(passes_to_origin(name), "{name}");
        }
    }

    #[test]
    fn what_a_connection_header_lists_is_known_by_name() {
        let listed = |value: &str| connection_options(value).collect::<Vec<_>>();
        assert_eq!(listed("close, X-Secret-Hop ,keep-alive"), ["close", "x-secret-hop", "keep-alive"]);
        assert_eq!(listed(", a b, ü, x:y,\"q\", ,"), Vec::<String>::new());
    }

    #[test]
    fn every_text_has_a_header_value_of_its_own() {
        for (text, value) in [
            ("user-1", "user-1"),
            ("alice+x@example.com", "alice+x@example.com"),
            ("a,b", "a%2Cb"),
            ("a%2Cb", "a%252Cb"),
            (" a b ", "%20a%20b%20"),
            ("한", "%ED%95%9C"),
            ("a\r\nx-auth-subject: b", "a%0D%0Ax-auth-subject:%20b"),
            ("\0\t\u{7f}", "%00%09%7F"),
            ("", ""),
        ] {
            assert_eq!(header_value(text), value, "{text:?}");
        }
    }

    #[test]
    fn gated_answers_are_private() {
        for (sent, expected) in [
            (None, Some("private, no-cache")),
            (Some(""), Some("private, no-cache")),
            (Some("public, max-age=600"), Some("private, max-age=600")),
            (Some("max-age=600, s-maxage=9"), Some("private, max-age=600")),
            (Some("Public"), Some("private")),
            (Some("private, no-cache"), None),
            (Some("no-store"), None),
            (Some("PRIVATE"), None),
            (Some("private=\"x\", max-age=1"), Some("private, max-age=1")),
            (Some("private, public"), Some("private")),
        ] {
            assert_eq!(private_cache_control(sent).as_deref(), expected, "{sent:?}");
        }
    }

    #[test]
    fn what_a_browser_may_use_again_is_bound_to_the_cookie() {
        for (cache_control, sent, expected) in [
            ("private, max-age=600", None, Some("Cookie")),
            ("private, max-age=600", Some("Accept-Encoding"), Some("Accept-Encoding, Cookie")),
            ("private", Some("accept, cookie"), None),
            ("private, max-age=600", Some("*"), None),
            ("private, no-cache", None, None),
            ("No-Store", None, None),
        ] {
            assert_eq!(varying_by_cookie(cache_control, sent).as_deref(), expected, "{cache_control} {sent:?}");
        }
    }

    #[test]
    fn a_name_stands_in_vary_once() {
        for (sent, expected) in [
            (None, Some("Origin")),
            (Some(" "), Some("Origin")),
            (Some("Accept-Encoding, Cookie"), Some("Accept-Encoding, Cookie, Origin")),
            (Some("X-Origin"), Some("X-Origin, Origin")),
            (Some("accept , ORIGIN"), None),
            (Some("*"), None),
        ] {
            assert_eq!(varying_by("Origin", sent).as_deref(), expected, "{sent:?}");
        }
    }

    #[test]
    fn a_location_that_names_the_origin_in_any_spelling_is_rewritten() {
        let rewritten = |location: &str, origin: &str| {
            let [origin, public] = [origin, "https://app.example.com"].map(|url| Origin::parse(url).expect("an origin"));
            public_location(location, &origin, &public)
        };
        let own = "https://own.example";
        for (location, page) in [
            ("https://own.example/a?b#c", "/a?b#c"),
            ("http://own.example:8080", "/"),
            ("HTTP://OWN.example/a", "/a"),
            ("HTTP:own.example/a", "/a"),
            ("http:/\\/own.example/a", "/a"),
            ("//own.example/a", "/a"),
            ("\\\\Own.Example\\a", "/a"),
            ("/\\own.example/a", "/a"),
            ("/\t/own.example/a", "/a"),
            (" \u{1}//own.example/a\u{1f} ", "/a"),
            ("ht\ttps://own.exa\nmple/a", "/a"),
            ("https://u:p@x@own.example/a", "/a"),
            ("https://%6f%57n.example/a", "/a"),
            ("https://own.example//elsewhere.example", "//elsewhere.example"),
            ("https:a", "/a"),
            ("https:/a", "/a"),
            ("https:\\a/..", "/"),
            ("https::1]/a", "/:1]/a"),
        ] {
            assert_eq!(rewritten(location, own), Some(format!("https://app.example.com{page}")), "{location:?}");
        }
        for location in [
            "/a",
            "a",
            "a/b",
            "",
            "?https://own.example/",
            "https://own.example.elsewhere.example/",
            "https://own.example@elsewhere.example/",
            "https://elsewhere.example/https://own.example/",
            "https://elsewhere.example/",
            "https://elsewhere.invalid/",
            "//elsewhere.invalid/",
            "https://own.example:65536/",
            "https://own.example:x/",
            "http:elsewhere.example",
            "mailto:a@own.example",
            "ftp://own.example/",
            "ws://own.example/",
        ] {
            assert_eq!(rewritten(location, own), None, "{location:?}");
        }
        let loopback = rewritten("https://[0::1]/a", "http://[::1]:8080");
        assert_eq!(loopback.as_deref(), Some("https://app.example.com/a"));
    }
}
