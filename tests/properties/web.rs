//! Queries, cookies, return paths, paths.

use std::cell::OnceCell;
use std::rc::Rc;

use edgegate::access::rules::{Access, Rules};
use edgegate::auth::Gateway;
use edgegate::config::{Config, Origin};
use edgegate::gate::{Outcome, handle};
use edgegate::oidc::authorize::{PassThrough, build_authorize_url};
use edgegate::oidc::callback::{CallbackAnswer, CallbackParams};
use edgegate::oidc::login_state::LoginState;
use edgegate::ports::{BodyError, IncomingRequest, UpstreamRequest};
use edgegate::web::cookie::{CookieStyle, Cookies};
use edgegate::web::headers::public_location;
use edgegate::web::path::NormalPath;
use edgegate::web::query::{Query, encode};
use edgegate::web::return_path::ReturnPath;
use url::{Position, Url};

use super::oracle::{form, obliging_path, percent_decoded, values};
use super::support::world::{Ports, World};
use super::support::{ISSUER, PUBLIC_URL, START, config};
use super::{Verdict, text};

/// A query: each parameter decoded once and never of two values; what a login and a callback take from it is just that.
pub fn query(data: &[u8]) -> Verdict {
    let Some(raw) = text(data) else { return Verdict::Refused };
    let (query, pairs) = (Query::new(raw), form(raw));
    for name in pairs.iter().map(|(name, _)| name.as_str()).chain(["state", "absent"]) {
        let read = query.one(name);
        match values(&pairs, name).as_slice() {
            [] => assert_eq!(read, Ok(None), "{name:?}"),
            [value] => assert_eq!(read, Ok(Some((*value).into())), "{name:?}"),
            _ => assert!(read.is_err(), "{name:?} is repeated"),
        }
    }
    let encoded = encode(raw);
    assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-._+%".contains(&byte)), "{encoded}");
    assert_eq!(Query::new(&format!("a=1&v={encoded}&b")).one("v"), Ok(Some(raw.into())));

    login(query, &pairs);
    callback(query, &pairs)
}

/// Nothing in the query of a login changes what is asked of Cognito, and what is passed on is what was written.
fn login(query: Query<'_>, pairs: &[(String, String)]) {
    const PASSED: [&str; 4] = ["identity_provider", "login_hint", "lang", "prompt"];
    let Ok(passed) = PassThrough::parse(query) else { return };
    let flow = LoginState {
        state: "the-state".to_owned(),
        nonce: "the-nonce".to_owned(),
        verifier: "the-verifier".to_owned(),
        return_path: "/".to_owned(),
        expires_at: START,
        again: false,
        spent: false,
    };
    let config = site();
    let url = Url::parse(&build_authorize_url(&config.cognito, &flow, &passed)).expect("a URL");
    assert!(
        url.origin().ascii_serialization() == config.cognito.domain.as_str()
            && url.path() == "/oauth2/authorize"
            && url.fragment().is_none()
    );
    let asked = form(url.query().expect("a query"));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", &config.cognito.client_id),
        ("redirect_uri", config.cognito.redirect_uri.as_str()),
        ("scope", "openid email profile"),
        ("state", "the-state"),
        ("nonce", "the-nonce"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(values(&asked, name), [value], "{name}");
    }
    for name in PASSED {
        assert_eq!(values(&asked, name), values(pairs, name), "{name}");
    }
    assert!(!url.as_str().contains("the-verifier"));
    assert_eq!(asked.len(), 8 + PASSED.iter().map(|name| values(pairs, name).len()).sum::<usize>());
}

fn callback(query: Query<'_>, pairs: &[(String, String)]) -> Verdict {
    let Ok(params) = CallbackParams::parse(query, ISSUER) else { return Verdict::Refused };
    for name in ["state", "code", "error", "iss"] {
        assert!(values(pairs, name).len() <= 1, "{name} is repeated");
    }
    let one = |name| values(pairs, name).first().copied();
    assert_eq!(params.state.as_deref(), one("state").filter(|state| !state.is_empty()));
    assert!(one("iss").is_none_or(|iss| iss == ISSUER), "from another issuer");
    match params.answer {
        CallbackAnswer::Code(code) => {
            assert!(one("error").is_none() && one("code") == Some(&code) && (1..=2048).contains(&code.len()));
            Verdict::Accepted
        }
        CallbackAnswer::Error(_) => {
            assert!(one("error").is_some());
            Verdict::Refused
        }
        CallbackAnswer::Nothing => {
            assert!(one("error").is_none() && one("code").is_none_or(str::is_empty));
            Verdict::Refused
        }
    }
}

/// A `Cookie` header: a doubled cookie counts for nothing, and of ours nothing goes on to the origin while all others do.
pub fn cookie_header(data: &[u8]) -> Verdict {
    let Some(header) = text(data) else { return Verdict::Refused };
    let pairs: Vec<_> = Cookies::new(header).pairs().collect();
    for (name, value) in &pairs {
        assert!(!name.contains([';', '=']) && !value.contains(';'), "{name:?} {value:?}");
        let all: Vec<_> = pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| *value).collect();
        assert_eq!(Cookies::new(header).one(name), (all.len() == 1).then_some(all[0]), "{name:?}");
    }
    let printed: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(Cookies::new(&printed.join("; ")).pairs().collect::<Vec<_>>(), pairs);

    for public_url in [PUBLIC_URL, "http://localhost:8787"] {
        let style = CookieStyle::of(&Origin::parse(public_url).expect("an origin"));
        keeps_ours(style, header);
    }
    Verdict::of(Cookies::new(header).one("__Host-session").is_some())
}

fn keeps_ours(style: CookieStyle, header: &str) {
    let (session, flow) = (style.session_name(), format!("{}tag", style.login_prefix()));
    // As any server may split a header and compare names.
    let pieces = |header: &str| {
        header
            .split(';')
            .map(|piece| piece.trim_matches([' ', '\t']).to_owned())
            .filter(|piece| !piece.is_empty())
            .collect::<Vec<_>>()
    };
    let ours = |piece: &str| {
        let name = piece.split('=').next().unwrap().trim_matches([' ', '\t']).to_lowercase();
        ["__host-session", "__host-sign-ins", session, style.sign_ins_name().to_lowercase().as_str()].contains(&name.as_str())
            || name.starts_with("__host-login-")
            || name.starts_with(style.login_prefix())
    };
    // The runtime joins several `Cookie` lines with commas.
    let expected: Vec<String> = pieces(header).into_iter().filter(|piece| !piece.split(',').any(ours)).collect();
    let left = style.without_ours(header);
    assert_eq!(left.as_deref().map(pieces).unwrap_or_default(), expected);
    assert_eq!(left.as_deref().map(|left| style.without_ours(left)), left.clone().map(Some), "once is enough");

    // The real ones, before and behind whatever else a page has set.
    let secret = "kept-from-the-origin";
    for together in
        [format!("{session}={secret}; {flow}={secret}; {header}"), format!("{header}; {flow}={secret}; {session}={secret}")]
    {
        assert_eq!(style.without_ours(&together), left);
        let planted = Cookies::new(header).pairs().any(|(name, _)| name == session);
        assert_eq!(Cookies::new(&together).one(session), (!planted).then_some(secret));
    }
}

/// A `Location` of the origin: what a browser reads as the origin's host leads to the public one, and nothing else is changed.
pub fn location(data: &[u8]) -> Verdict {
    let Some(location) = text(data) else { return Verdict::Refused };
    let verdicts =
        ["https://d1.cloudfront.net", "http://localhost:8080", "http://[::1]:8080"].map(|origin| leads_to(location, origin));
    Verdict::of(verdicts.contains(&Verdict::Accepted))
}

fn leads_to(location: &str, own: &str) -> Verdict {
    let [origin, public_url] = [own, PUBLIC_URL].map(|url| Origin::parse(url).expect("an origin"));
    let own_url = Url::parse(own).unwrap();
    let trimmed: String = location.trim_matches(|c| c <= ' ').chars().filter(|c| !"\t\r\n".contains(*c)).collect();
    let has_scheme = trimmed.to_ascii_lowercase().starts_with(own.split_once('/').unwrap().0);
    let names_a_host = has_scheme || Url::parse(location).is_ok() || trimmed.replace('\\', "/").starts_with("//");
    let landed = own_url.join(location).ok().filter(|url| names_a_host && url.host_str() == own_url.host_str());
    let expected = landed.map(|url| (url.scheme().to_owned(), format!("{PUBLIC_URL}{}", &url[Position::BeforePath..])));
    match (public_location(location, &origin, &public_url), expected) {
        (None, None) => Verdict::Refused,
        (Some(rewritten), Some((_, expected))) => {
            assert_eq!(rewritten, expected, "{location:?}");
            assert_eq!(Url::parse(&rewritten).unwrap().origin().ascii_serialization(), PUBLIC_URL, "{location:?}");
            Verdict::Accepted
        }
        (None, Some((scheme, _))) => {
            assert!(!matches!(scheme.as_str(), "http" | "https"), "{location:?} leads to {own}");
            Verdict::Refused
        }
        (Some(rewritten), None) => panic!("{location:?} became {rewritten:?}"),
    }
}

/// A return path: a page of our own origin in every reading, or nothing.
pub fn return_path(data: &[u8]) -> Verdict {
    let Some(value) = text(data) else { return Verdict::Refused };
    let verdicts = [PUBLIC_URL, "https://app.example.com:8443", "http://localhost:8787"].map(|origin| returns_to(value, origin));
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_~".contains(&byte));
    if plain && value.starts_with('/') && !value.contains("//") && !value.starts_with("/auth") && value.len() <= 2048 {
        assert_eq!(verdicts[0], Verdict::Accepted, "a plain page is taken");
    }
    verdicts[0]
}

fn returns_to(value: &str, own: &str) -> Verdict {
    let Some(path) = ReturnPath::parse(value) else { return Verdict::Refused };
    let path = path.as_str();
    assert!(path.starts_with('/') && !path.starts_with("//") && path.len() <= 2048, "{path:?}");
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{path:?}");
    // As a `Location` from any page of ours.
    let own_url = Url::parse(own).unwrap();
    // A backslash behind the path is encoded, and what is too long for a cookie is the path alone.
    let whole = own_url.join(&value.replace('\\', "%5C")).unwrap();
    let whole = &whole[Position::BeforePath..];
    let expected = if whole.len() > 2048 { whole.split(['?', '#']).next().unwrap() } else { whole };
    assert_eq!(path, expected, "where a browser goes from {value:?}");
    for page in ["/", "/auth/callback?code=c&state=s"] {
        let landed = own_url.join(page).unwrap().join(path).expect("a URL");
        assert_eq!(landed.origin(), own_url.origin(), "{path:?}");
        assert!(landed.username().is_empty() && landed.password().is_none());
        assert_eq!(landed.as_str(), format!("{own}{path}"), "already as a browser writes it");
    }
    let page = path.split(['?', '#']).next().unwrap();
    let read = obliging_path(page);
    assert_eq!(read, percent_decoded(page.as_bytes()), "{page:?} has one reading");
    assert!(read != b"/auth" && !read.starts_with(b"/auth/"), "{page:?} is the gateway's");
    assert_eq!(ReturnPath::parse(path).as_ref().map(ReturnPath::as_str), Some(path), "twice is once");
    let carried = format!("return_to={}", encode(path));
    assert_eq!(Query::new(&carried).one("return_to"), Ok(Some(path.into())));
    Verdict::Accepted
}

/// A path: one reading only, shared by rules and origin; without a session only public pages are fetched.
pub fn path(data: &[u8]) -> Verdict {
    let Some(raw) = text(data) else { return Verdict::Refused };
    if raw.starts_with('/') {
        visit(raw);
    }
    let Ok(path) = NormalPath::parse(raw) else { return Verdict::Refused };
    has_one_reading(raw, path.as_str());
    // Written in another way, it is the same or nothing.
    let encoded: String =
        path.as_str().bytes().map(|byte| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02x}") }).collect();
    if let Ok(again) = NormalPath::parse(&encoded) {
        assert_eq!(again, path);
    } else {
        panic!("{encoded} is {path:?}, and was refused");
    }
    Verdict::Accepted
}

fn has_one_reading(raw: &str, path: &str) {
    assert_eq!(percent_decoded(raw.as_bytes()), path.as_bytes(), "decoded once");
    assert_eq!(obliging_path(raw), path.as_bytes(), "{raw:?} has another reading");
    assert!(path.starts_with('/') && !path.contains("//") && !path.contains('\\') && !path.contains(char::is_control));
    assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
    let lower = raw.to_lowercase();
    for odd in ["%2f", "%5c", "%00", "%3b", "%3f", "%23"] {
        assert!(!lower.contains(odd), "{raw:?}");
    }
    assert_eq!(percent_decoded(path.as_bytes()), path.as_bytes(), "encoded twice");
    let rules = Rules::parse(SITE_RULES).expect("rules");
    for reading in [path.to_owned(), String::from_utf8(obliging_path(raw)).unwrap(), path.replace('+', " ")] {
        assert_eq!(rules.access(path), rules.access(&reading), "{raw:?} as {reading:?}");
        assert_eq!(*rules.access(path) == Access::Public, is_public(reading.as_bytes()), "{raw:?} as {reading:?}");
    }
}

/// A visitor without a session asks for it.
fn visit(raw: &str) {
    let request = Visitor(format!("{PUBLIC_URL}{raw}"));
    let Ok(url) = Url::parse(&request.0) else { return };
    let world = World::new();
    let gate = Gateway::new(site(), Ports(world.clone()), Rc::default());
    let Outcome::Forward(..) = futures_executor::block_on(handle(&gate, &request)) else { return };
    let Some(UpstreamRequest::Origin(asked)) = world.site.asked.take().pop() else { panic!("the origin is asked") };
    let forwarded = asked.url.strip_prefix("https://origin.example.com").expect("the origin").split('?').next().unwrap();
    assert_eq!(forwarded, url.path(), "as the browser wrote it");
    assert_eq!(Url::parse("https://origin.example.com").unwrap().join(forwarded).unwrap().path(), forwarded);
    let read = obliging_path(forwarded);
    assert_eq!(NormalPath::parse(forwarded).expect("a normal path").as_str().as_bytes(), read, "as the rules read it");
    assert!(is_public(&read), "{forwarded:?} is not public");
    assert!(![&b"/auth"[..], b"/config", b"/user-info", b"/healthz", b"/readyz"].iter().any(|own| below(&read, own)));
}

/// Inside `/public/` a folder for staff, so that a rule passed by its spelling shows.
pub const SITE_RULES: &str = r#"[{"path":"/public/staff/*","allow":{"groups":["staff"]}},{"path":"/public/*","allow":"public"},
    {"path":"/","allow":"public"},{"path":"/about.html","allow":"public"},{"path":"/admin/*","allow":{"groups":["admin"]}}]"#;

fn is_public(path: &[u8]) -> bool {
    path == b"/" || path == b"/about.html" || (below(path, b"/public") && !below(path, b"/public/staff"))
}

fn below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A gateway before an origin, its rules those above.
fn site() -> Rc<Config> {
    thread_local! {
        static SITE: OnceCell<Rc<Config>> = const { OnceCell::new() };
    }
    let read = || config(&[("RULES", SITE_RULES), ("ORIGIN_URL", "https://origin.example.com")]);
    SITE.with(|site| site.get_or_init(read).clone())
}

/// Its address comes as the client wrote it: workerd hands it on so.
struct Visitor(String);

impl IncomingRequest for Visitor {
    fn method(&self) -> &'static str {
        "GET"
    }

    fn url(&self) -> &str {
        &self.0
    }

    fn header(&self, _name: &str) -> Option<String> {
        None
    }

    fn has_body(&self) -> bool {
        false
    }

    async fn body(&self, _max_bytes: usize) -> Result<Vec<u8>, BodyError> {
        Ok(Vec::new())
    }
}
