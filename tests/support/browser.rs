//! A browser with a cookie jar, and one isolate of the gateway that it talks to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use edgegate::auth::{Gateway, Isolate};
use edgegate::config::Config;
use edgegate::gate::{Outcome, handle};
use edgegate::ports::{BodyError, IncomingRequest};
use edgegate::session::id::SessionId;
use edgegate::session::record::Record;
use serde_json::Value;

use super::world::{Ports, World};
use super::{PUBLIC_URL, config};

/// What came back: an answer of the gateway's, or the site's with the headers that the gateway set.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// The names of the site's headers that do not pass.
    pub removed: Vec<String>,
    pub body: String,
    pub site: bool,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    pub fn code(&self) -> String {
        self.json()["error"].as_str().expect("an error code").to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn location(&self) -> &str {
        self.header("location").expect("a location")
    }
}

struct Request {
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl IncomingRequest for Request {
    fn method(&self) -> &str {
        self.method
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    }

    fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    async fn body(&self, max_bytes: usize) -> Result<Vec<u8>, BodyError> {
        if self.body.len() > max_bytes { Err(BodyError::TooLarge) } else { Ok(self.body.clone()) }
    }
}

/// A browser before one isolate.
pub struct Browser {
    pub world: Rc<World>,
    pub config: Rc<Config>,
    memory: Rc<Isolate>,
    pub cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser {
    pub fn new(world: &Rc<World>) -> Self {
        Self::with(world, config(&[]))
    }

    pub fn with(world: &Rc<World>, config: Rc<Config>) -> Self {
        Self { world: world.clone(), config, memory: Rc::default(), cookies: RefCell::default() }
    }

    /// The same browser before another isolate or location, which remembers nothing.
    pub fn elsewhere(&self, world: &Rc<World>) -> Self {
        Self { world: world.clone(), config: self.config.clone(), memory: Rc::default(), cookies: self.cookies.clone() }
    }

    /// The same browser here, before an isolate that remembers nothing.
    pub fn restarted(&self) -> Self {
        self.elsewhere(&self.world)
    }

    /// The same browser here, before a gateway with another configuration.
    pub fn deployed(&self, config: Rc<Config>) -> Self {
        Self { config, ..self.restarted() }
    }

    /// Another tab: its own copy of the cookies, before the same isolate.
    pub fn tab(&self) -> Self {
        Self { memory: self.memory.clone(), ..self.restarted() }
    }

    /// How many records and API clients' tokens its isolate holds.
    pub fn remembered(&self) -> usize {
        self.memory.len()
    }

    /// Whether its session opens a page or says who it is.
    pub fn is_served(&self) -> bool {
        self.open("/app/").site || self.get("/user-info").status == 200
    }

    /// The id of its session.
    pub fn session_id(&self) -> Option<SessionId> {
        self.cookies.borrow().get("__Host-session").and_then(|cookie| SessionId::parse(cookie))
    }

    /// What KV itself holds of its session, opened.
    pub fn stored(&self) -> Option<Record> {
        let id = self.session_id()?;
        let entries = self.world.kv.entries.borrow();
        let (sealed, _) = entries.get(&id.names().record_key())?;
        Some(Record::open(sealed, &self.config.sealing_keys, &id).expect("a record that opens"))
    }

    /// A page load.
    pub fn open(&self, path: &str) -> Reply {
        futures_executor::block_on(self.open_async(path))
    }

    pub async fn open_async(&self, path: &str) -> Reply {
        let headers = vec![("sec-fetch-mode", "navigate".to_owned()), ("sec-fetch-dest", "document".to_owned())];
        self.send("GET", path, headers, Vec::new()).await
    }

    /// A page load with more headers.
    pub fn open_with(&self, path: &str, more: &[(&'static str, &str)]) -> Reply {
        self.script_with(path, &[&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], more].concat())
    }

    /// A GET with these headers alone.
    pub fn script_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Reply {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        futures_executor::block_on(self.send("GET", path, headers, Vec::new()))
    }

    /// A script's POST from our own page, with more headers.
    pub fn post_with(&self, path: &str, body: &str, more: &[(&'static str, &str)]) -> Reply {
        let own = [("origin", PUBLIC_URL), ("content-type", "application/json")];
        let headers = [&own, more].concat().into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        futures_executor::block_on(self.send("POST", path, headers, body.as_bytes().to_vec()))
    }

    /// A page load that the user asked for by a click.
    pub fn click(&self, path: &str) -> Reply {
        let headers = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-user", "?1")];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
        futures_executor::block_on(self.send("GET", path, headers, Vec::new()))
    }

    /// A script's GET.
    pub fn get(&self, path: &str) -> Reply {
        futures_executor::block_on(self.fetch_async(path))
    }

    pub async fn fetch_async(&self, path: &str) -> Reply {
        self.send("GET", path, Vec::new(), Vec::new()).await
    }

    /// An API client's GET.
    pub fn bearer(&self, path: &str, token: &str) -> Reply {
        let headers = vec![("authorization", format!("Bearer {token}"))];
        futures_executor::block_on(self.send("GET", path, headers, Vec::new()))
    }

    /// A script's POST from our own page.
    pub fn post(&self, path: &str, body: &str) -> Reply {
        futures_executor::block_on(self.post_async(path, body))
    }

    pub async fn post_async(&self, path: &str, body: &str) -> Reply {
        let headers = vec![("origin", PUBLIC_URL.to_owned()), ("content-type", "application/json".to_owned())];
        self.send("POST", path, headers, body.as_bytes().to_vec()).await
    }

    /// Signs in and gives the callback's answer.
    pub fn sign_in(&self, return_to: &str) -> Reply {
        let callback = self.begin(return_to);
        self.open(&callback)
    }

    /// Begins a login and gives the callback that Cognito would send the browser to.
    pub fn begin(&self, return_to: &str) -> String {
        let query: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
        self.begin_at(&format!("/auth/login?return_to={query}"))
    }

    /// The same from an address of the login.
    pub fn begin_at(&self, login: &str) -> String {
        let reply = self.open(login);
        assert_eq!(reply.status, 302, "{}", reply.body);
        let authorize = url::Url::parse(reply.location()).expect("an absolute URL");
        let parameter = |name: &str| {
            authorize.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).expect("there")
        };
        *self.world.cognito.nonce.borrow_mut() = parameter("nonce");
        format!("/auth/callback?code=c-1&state={}", parameter("state"))
    }

    /// Any request: its address in full, and its headers.
    pub fn ask(&self, method: &'static str, url: &str, headers: &[(&'static str, &str)]) -> Reply {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        futures_executor::block_on(self.send_to(method, url.to_owned(), headers, Vec::new()))
    }

    /// The same with a body.
    pub fn send_body(&self, method: &'static str, path: &str, headers: &[(&'static str, &str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        futures_executor::block_on(self.send(method, path, headers, body.as_bytes().to_vec()))
    }

    async fn send(&self, method: &'static str, path: &str, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Reply {
        self.send_to(method, format!("{PUBLIC_URL}{path}"), headers, body).await
    }

    async fn send_to(&self, method: &'static str, url: String, mut headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Reply {
        let cookies: Vec<String> = self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            headers.push(("cookie", cookies.join("; ")));
        }
        let request = Request { method, url, headers, body };
        let gate = Gateway::new(self.config.clone(), Ports(self.world.clone()), self.memory.clone());
        let reply = match handle(&gate, &request).await {
            Outcome::Forward(answer, edits) => Reply {
                status: answer.status,
                headers: edits.set.into_iter().chain(edits.add).map(|(name, value)| (name.to_owned(), value)).collect(),
                removed: edits.remove.into_iter().map(Into::into).collect(),
                body: String::new(),
                site: true,
            },
            Outcome::Respond(answer) => {
                let headers = answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                Reply { status: answer.status, headers, removed: Vec::new(), body: answer.body, site: false }
            }
        };
        for (_, line) in reply.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = line.split_once('=').expect("a cookie");
            let value = rest.split(';').next().expect("a value").to_owned();
            if line.contains("Max-Age=0;") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value);
            }
        }
        reply
    }
}
