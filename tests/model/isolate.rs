//! One isolate of the gateway: the real gate on ports that do nothing by themselves. Each operation waits until somebody says
//! what comes of it, and everything that the isolate does follows from what it is told, in which order and when.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use edgegate::auth::{self, Gateway};
use edgegate::config::Config;
use edgegate::gate::{Outcome as Handled, handle};
use edgegate::ports::{
    Background, BodyError, Clock, Guard, GuardError, Http, HttpError, HttpRequest, HttpResponse, IncomingRequest, JwksCache, Kv,
    KvError, Level, Limiter, Log, Random, RsaPublicKey, SignatureCheckFailed, Signatures, UnixSecs, Upstream, UpstreamError,
    UpstreamRequest,
};

use super::support::cognito::{Cognito, fake_signature};
use super::support::site::SiteAnswer;
use super::support::{PUBLIC_URL, START};
use super::texts::{Text, Texts};

/// The requests and the background work of an isolate are numbered as they begin.
pub type Task = u8;

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Read(Vec<Text>),
    Write { key: Text, value: Text },
    Delete(Text),
    Send { url: Text, form: Text },
    Sleep { ms: u32 },
    Ask(Text),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Read(Result<Vec<Option<Text>>, Silence>),
    Stored(Result<(), NotStored>),
    Answered(Result<(u16, Text), Silence>),
    Woken,
    Told(Result<Text, Silence>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotStored {
    Timeout,
    TooManyWrites,
    Unavailable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Silence {
    Timeout,
    Broken,
}

/// What a browser asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    Page,
    Refresh {
        force: bool,
    },
    Logout,
    /// The end of another login in this browser.
    Login,
}

/// What it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The site, or tokens.
    Served,
    /// To the login, or 401.
    SignedOut,
    /// The logout or the login is done.
    Done,
    /// Something passing: 502, 503, 504.
    Trouble,
}

/// One thing that happens to an isolate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    Request(Ask),
    Outcome(Task, Outcome),
    /// The runtime drops the task: its client has gone.
    Cancel(Task),
}

/// What never changes in a run.
pub struct Fixed {
    pub texts: Texts,
    /// The session's cookie.
    pub session_cookie: String,
    /// The cookies and the callback of a login that the browser has begun.
    pub login_cookies: String,
    pub login_callback: String,
    pub strict: bool,
}

struct Hub {
    fixed: Arc<Fixed>,
    now_ms: Cell<u64>,
    seed: u64,
    /// How often somebody has asked for randomness since the last thing happened.
    drawn: Cell<u64>,
    current: Cell<Task>,
    waiting: RefCell<BTreeMap<Task, (Operation, Option<Outcome>)>>,
    spawned: RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>,
}

#[derive(Clone)]
struct Ports(Rc<Hub>);

impl Ports {
    async fn wait(&self, operation: Operation) -> Outcome {
        let task = self.0.current.get();
        let before = self.0.waiting.borrow_mut().insert(task, (operation, None));
        assert!(before.is_none(), "a task waits for one thing at a time");
        poll_fn(|_| {
            let mut waiting = self.0.waiting.borrow_mut();
            match waiting.remove(&task) {
                Some((_, Some(outcome))) => Poll::Ready(outcome),
                Some(still) => {
                    waiting.insert(task, still);
                    Poll::Pending
                }
                None => panic!("polled after its end"),
            }
        })
        .await
    }

    fn text(&self, text: &str) -> Text {
        self.0.fixed.texts.of(text)
    }

    fn read_text(&self, text: Text) -> String {
        self.0.fixed.texts.read(text).as_ref().to_owned()
    }

    async fn store(&self, operation: Operation) -> Result<(), KvError> {
        match self.wait(operation).await {
            Outcome::Stored(Ok(())) => Ok(()),
            Outcome::Stored(Err(NotStored::Timeout)) => Err(KvError::Timeout),
            Outcome::Stored(Err(NotStored::TooManyWrites)) => Err(KvError::TooManyWrites),
            Outcome::Stored(Err(NotStored::Unavailable)) => Err(KvError::Unavailable),
            other => panic!("not what KV says: {other:?}"),
        }
    }
}

impl Clock for Ports {
    fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    async fn sleep(&self, duration_ms: u32) {
        self.wait(Operation::Sleep { ms: duration_ms }).await;
    }
}

impl Random for Ports {
    /// A single byte is the jitter of a wait: always the same, so that waits of one kind are told from another by their
    /// length. Twenty-four are a nonce: always the same for an isolate, so that it seals a record into the same text each time,
    /// and other isolates into other texts. All else differs by task and turn.
    fn random_bytes(&self, bytes: &mut [u8]) {
        let (hub, length) = (&self.0, bytes.len());
        if let [jitter] = bytes {
            *jitter = 7;
            return;
        }
        let drawn = hub.drawn.get() + 1;
        hub.drawn.set(drawn);
        let turn = if length == NONCE_BYTES { 0 } else { (u64::from(hub.current.get()) << 8) | drawn };
        let mut state = (hub.seed << 16) | turn;
        for byte in bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = state.to_be_bytes()[0];
        }
    }
}

impl Kv for Ports {
    async fn kv_get_many<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
        match self.wait(Operation::Read(keys.iter().map(|key| self.text(key)).collect())).await {
            Outcome::Read(Err(Silence::Timeout)) => Err(KvError::Timeout),
            Outcome::Read(Err(Silence::Broken)) => Err(KvError::Unavailable),
            Outcome::Read(Ok(values)) => {
                let values: Vec<_> = values.into_iter().map(|value| value.map(|value| self.read_text(value))).collect();
                Ok(values.try_into().expect("a value for each key"))
            }
            other => panic!("not what KV says: {other:?}"),
        }
    }

    async fn kv_put(&self, key: &str, value: &str, expires_at: UnixSecs) -> Result<(), KvError> {
        assert!(expires_at >= self.now() + 60, "KV refuses expirations nearer than 60 s");
        self.store(Operation::Write { key: self.text(key), value: self.text(value) }).await
    }

    async fn kv_delete(&self, key: &str) -> Result<(), KvError> {
        self.store(Operation::Delete(self.text(key))).await
    }
}

impl Guard for Ports {
    fn guard_is_bound(&self) -> bool {
        self.0.fixed.strict
    }

    async fn guard_ask(&self, _user_tag: &str, inquiry: &str) -> Result<String, GuardError> {
        match self.wait(Operation::Ask(self.text(inquiry))).await {
            Outcome::Told(Ok(text)) => Ok(self.read_text(text)),
            Outcome::Told(Err(Silence::Timeout)) => Err(GuardError::Timeout),
            Outcome::Told(Err(Silence::Broken)) => Err(GuardError::Unavailable),
            other => panic!("not what a guard says: {other:?}"),
        }
    }
}

impl Http for Ports {
    async fn cognito_send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some(form) = &request.form else {
            // The keys are always there: what happens without them is not the model's subject.
            return Cognito::default().answer(&request, self.now());
        };
        match self.wait(Operation::Send { url: self.text(&request.url), form: self.text(form) }).await {
            Outcome::Answered(Ok((status, body))) => {
                Ok(HttpResponse { status, retry_after: None, body: self.read_text(body).into_bytes() })
            }
            Outcome::Answered(Err(Silence::Timeout)) => Err(HttpError::Timeout),
            Outcome::Answered(Err(Silence::Broken)) => Err(HttpError::Unreachable),
            other => panic!("not what Cognito says: {other:?}"),
        }
    }
}

impl Signatures for Ports {
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
        Ok(fake_signature(&key.n, message) == signature)
    }
}

impl JwksCache for Ports {
    async fn jwks_cache_get(&self) -> Option<String> {
        None
    }

    async fn jwks_cache_put(&self, _text: &str, _max_age_secs: u32) {}
}

impl Background for Ports {
    fn wait_until(&self, work: Pin<Box<dyn Future<Output = ()>>>) {
        self.0.spawned.borrow_mut().push(work);
    }
}

impl Limiter for Ports {
    async fn rate_limit(&self, _key: &str) -> bool {
        true
    }
}

impl Log for Ports {
    fn log(&self, _level: Level, _message: &str, _fields: &[(&str, &str)]) {}
}

struct Request {
    ask: Ask,
    url: String,
    fixed: Arc<Fixed>,
}

impl Request {
    fn new(ask: Ask, fixed: Arc<Fixed>) -> Self {
        let path = match ask {
            Ask::Page => "/app/",
            Ask::Refresh { .. } => "/auth/refresh",
            Ask::Logout => "/auth/logout",
            Ask::Login => &fixed.login_callback,
        };
        Self { ask, url: format!("{PUBLIC_URL}{path}"), fixed }
    }
}

impl IncomingRequest for Request {
    fn method(&self) -> &str {
        if matches!(self.ask, Ask::Page | Ask::Login) { "GET" } else { "POST" }
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn header(&self, name: &str) -> Option<String> {
        let navigates = matches!(self.ask, Ask::Page | Ask::Login);
        match name {
            "cookie" if self.ask == Ask::Login => Some(format!("{}; {}", self.fixed.session_cookie, self.fixed.login_cookies)),
            "cookie" => Some(self.fixed.session_cookie.clone()),
            "sec-fetch-mode" if navigates => Some("navigate".to_owned()),
            "sec-fetch-dest" if navigates => Some("document".to_owned()),
            "origin" if !navigates => Some(PUBLIC_URL.to_owned()),
            "content-type" if !navigates => Some("application/json".to_owned()),
            _ => None,
        }
    }

    fn has_body(&self) -> bool {
        !matches!(self.ask, Ask::Page | Ask::Login)
    }

    async fn body(&self, _max_bytes: usize) -> Result<Vec<u8>, BodyError> {
        let body = if self.ask == (Ask::Refresh { force: true }) { r#"{"force":true}"# } else { "" };
        Ok(body.as_bytes().to_vec())
    }
}

/// The site answers at once: what a session opens is decided before.
impl Upstream<Request> for Ports {
    type Answer = SiteAnswer;

    async fn upstream_send(&self, _client: &Request, _request: UpstreamRequest) -> Result<SiteAnswer, UpstreamError> {
        Ok(SiteAnswer::default())
    }
}

/// The isolate, alive.
pub struct Isolate {
    hub: Rc<Hub>,
    config: Rc<Config>,
    memory: Rc<auth::Isolate>,
    tasks: BTreeMap<Task, Pin<Box<dyn Future<Output = Option<Reply>>>>>,
    begun: Task,
}

impl Isolate {
    /// A new one; isolates with different seeds draw different random numbers.
    pub fn new(fixed: &Arc<Fixed>, config: Rc<Config>, seed: u64) -> Self {
        let hub = Hub {
            fixed: fixed.clone(),
            now_ms: Cell::new(0),
            seed,
            drawn: Cell::new(0),
            current: Cell::new(0),
            waiting: RefCell::default(),
            spawned: RefCell::default(),
        };
        Self { hub: Rc::new(hub), config, memory: Rc::default(), tasks: BTreeMap::new(), begun: 0 }
    }

    /// Lets something happen, and everybody go on until all wait. Gives the answers that came of it.
    pub fn tell(&mut self, input: &Input, now_ms: u32) -> Vec<(Task, Reply)> {
        self.hub.now_ms.set(unix_ms(now_ms));
        self.hub.drawn.set(0);
        let task = match input {
            Input::Request(ask) => {
                let gate = Gateway::new(self.config.clone(), Ports(self.hub.clone()), self.memory.clone());
                let request = Request::new(*ask, self.hub.fixed.clone());
                self.begin(Box::pin(async move { Some(reply(handle(&gate, &request).await)) }))
            }
            Input::Outcome(task, outcome) => {
                self.hub.waiting.borrow_mut().get_mut(task).expect("a task that waits").1 = Some(outcome.clone());
                *task
            }
            Input::Cancel(task) => {
                drop(self.tasks.remove(task).expect("a task"));
                self.hub.waiting.borrow_mut().remove(task);
                return Vec::new();
            }
        };
        let mut replies = Vec::new();
        let mut ready = vec![task];
        while let Some(task) = ready.pop() {
            self.hub.current.set(task);
            let future = self.tasks.get_mut(&task).expect("a task");
            if let Poll::Ready(reply) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                self.tasks.remove(&task);
                replies.extend(reply.map(|reply| (task, reply)));
            }
            let spawned = std::mem::take(&mut *self.hub.spawned.borrow_mut());
            for work in spawned {
                ready.push(self.begin(Box::pin(async move {
                    work.await;
                    None
                })));
            }
        }
        replies
    }

    fn begin(&mut self, work: Pin<Box<dyn Future<Output = Option<Reply>>>>) -> Task {
        let task = self.begun;
        self.begun += 1;
        self.tasks.insert(task, work);
        task
    }

    /// How many tasks have begun.
    pub fn begun(&self) -> Task {
        self.begun
    }

    /// What its tasks wait for.
    pub fn waiting(&self) -> BTreeMap<Task, Operation> {
        self.hub.waiting.borrow().iter().map(|(task, (operation, _))| (*task, operation.clone())).collect()
    }
}

fn reply(handled: Handled<SiteAnswer>) -> Reply {
    match handled {
        Handled::Forward(..) => Reply::Served,
        Handled::Respond(answer) => match answer.status {
            200 if answer.body.contains("access_token") => Reply::Served,
            200 | 303 => Reply::Done,
            302 | 401 => Reply::SignedOut,
            502..=504 => Reply::Trouble,
            status => panic!("nobody expects {status}: {}", answer.body),
        },
    }
}

/// The model's clock begins some time before [`START`].
pub fn unix_ms(now_ms: u32) -> u64 {
    START * 1000 - u64::from(BEGIN_MS) + u64::from(now_ms)
}

/// Of XChaCha20-Poly1305.
const NONCE_BYTES: usize = 24;
/// When the first thing happens, by the model's clock: all there is by then is older than any lag.
pub const BEGIN_MS: u32 = 1_000_000;
