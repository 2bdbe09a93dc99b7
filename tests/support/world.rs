//! The ports, faked: time, randomness, KV, HTTP, background work.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use edgegate::ports::{
    Background, Clock, Guard, GuardError, Http, HttpError, HttpRequest, HttpResponse, IncomingRequest, JwksCache, Kv, KvError,
    Level, Limiter, Log, Random, RsaPublicKey, SignatureCheckFailed, Signatures, UnixSecs, Upstream, UpstreamError,
    UpstreamRequest,
};

use super::cognito::{Cognito, fake_signature};
use super::guard::FakeGuard;
use super::kv::{FakeKv, View};
use super::site::{FakeSite, SiteAnswer};
use super::time::Time;

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// One location of the edge: its own caches and background work, a clock, and a KV that may be shared with another.
pub struct World {
    pub time: Rc<Time>,
    /// How far the gateways of this location are ahead of the right time; negative: behind.
    pub skew_secs: Cell<i64>,
    pub kv: Rc<FakeKv>,
    /// What this location sees of KV.
    pub view: View,
    pub cognito: Rc<Cognito>,
    /// Strict mode's guard, shared by the locations of a time; `None`: not bound.
    pub guard: Option<Rc<FakeGuard>>,
    /// What stands behind the gateway.
    pub site: FakeSite,
    pub logs: RefCell<Vec<String>>,
    background: RefCell<Vec<Work>>,
    key_set: RefCell<Option<String>>,
    /// How long the location's cache takes to keep a key set, in milliseconds.
    pub keep_ms: Cell<u32>,
    /// How many signatures were checked at this location.
    pub signature_checks: Cell<u32>,
    random: Cell<u64>,
}

impl World {
    pub fn new() -> Rc<Self> {
        Self::beside(Rc::default(), Rc::default())
    }

    /// Another location over the same KV and Cognito, with a clock of its own.
    pub fn beside(kv: Rc<FakeKv>, cognito: Rc<Cognito>) -> Rc<Self> {
        Self::made_of(kv, cognito, Rc::default(), None)
    }

    /// A location in strict mode.
    pub fn guarded() -> Rc<Self> {
        Self::made_of(Rc::default(), Rc::default(), Rc::default(), Some(Rc::default()))
    }

    /// Another location in the same time.
    pub fn location(&self) -> Rc<Self> {
        Self::made_of(self.kv.clone(), self.cognito.clone(), self.time.clone(), self.guard.clone())
    }

    fn made_of(kv: Rc<FakeKv>, cognito: Rc<Cognito>, time: Rc<Time>, guard: Option<Rc<FakeGuard>>) -> Rc<Self> {
        let random = Cell::new(kv.next_location());
        Rc::new(Self {
            time,
            skew_secs: Cell::new(0),
            kv,
            view: View::default(),
            cognito,
            guard,
            site: FakeSite::default(),
            logs: RefCell::default(),
            background: RefCell::default(),
            key_set: RefCell::default(),
            keep_ms: Cell::new(0),
            signature_checks: Cell::new(0),
            random,
        })
    }

    /// The right time.
    pub fn now(&self) -> u64 {
        self.time.now_ms() / 1000
    }

    pub fn pass(&self, secs: u64) {
        self.time.set_ms(self.time.now_ms() + secs * 1000);
    }

    /// What was left for after the answer, for tests that run it step by step.
    pub fn take_background(&self) -> Vec<Work> {
        std::mem::take(&mut *self.background.borrow_mut())
    }

    /// Runs what was left for after the answer.
    pub fn finish_background(&self) {
        loop {
            let work = self.take_background();
            if work.is_empty() {
                return;
            }
            for task in work {
                futures_executor::block_on(task);
            }
        }
    }

    /// Whether this location's cache has a key set.
    pub fn keeps_key_set(&self) -> bool {
        self.key_set.borrow().is_some()
    }

    pub fn logged(&self, text: &str) -> bool {
        self.logs.borrow().iter().any(|line| line.contains(text))
    }

    pub fn forget_logs(&self) {
        self.logs.borrow_mut().clear();
    }
}

/// A future that the test polls by hand. Each step but the first does one operation of the gate's and goes on to the next,
/// so dropping it after some steps is a crash between two of them.
pub struct Steps<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    pub taken: usize,
}

impl<'a, T> Steps<'a, T> {
    pub fn of(future: impl Future<Output = T> + 'a) -> Self {
        Self { future: Box::pin(future), taken: 0 }
    }

    /// One step; what came of it all, if that was the last.
    pub fn step(&mut self) -> Option<T> {
        self.taken += 1;
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    /// Some steps, or all there are.
    pub fn steps(&mut self, count: usize) -> Option<T> {
        (0..count).find_map(|_| self.step())
    }

    pub fn finish(&mut self) -> T {
        loop {
            if let Some(output) = self.step() {
                return output;
            }
        }
    }
}

/// All orders in which the steps of two tasks can mingle; true is a step of the first.
pub fn interleavings(first: usize, second: usize) -> Vec<Vec<bool>> {
    match (first, second) {
        (0, second) => vec![vec![false; second]],
        (first, 0) => vec![vec![true; first]],
        _ => {
            let with = |step: bool, rest: Vec<Vec<bool>>| rest.into_iter().map(move |rest| [vec![step], rest].concat());
            with(true, interleavings(first - 1, second)).chain(with(false, interleavings(first, second - 1))).collect()
        }
    }
}

/// Runs two tasks with their steps in this order, and what is left of the first, then of the second.
pub fn run_interleaved<T, U>(order: &[bool], mut first: Steps<'_, T>, mut second: Steps<'_, U>) -> (T, U) {
    let (mut one, mut two) = (None, None);
    for step in order {
        match step {
            true if one.is_none() => one = first.step(),
            false if two.is_none() => two = second.step(),
            _ => {}
        }
    }
    (one.unwrap_or_else(|| first.finish()), two.unwrap_or_else(|| second.finish()))
}

/// Lets other futures of the test run, as real I/O does.
pub async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A handle that the gate may clone.
#[derive(Clone)]
pub struct Ports(pub Rc<World>);

impl Clock for Ports {
    fn now_ms(&self) -> u64 {
        self.0.time.now_ms().saturating_add_signed(self.0.skew_secs.get() * 1000)
    }

    async fn sleep(&self, duration_ms: u32) {
        self.0.time.sleep(duration_ms).await;
    }
}

impl Random for Ports {
    /// Different each time, the same in every run.
    fn random_bytes(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let next = self.0.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0.random.set(next);
            *byte = next.to_be_bytes()[0];
        }
    }
}

impl Kv for Ports {
    async fn kv_get_many<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
        yield_once().await;
        self.0.kv.read(keys, &self.0.view, &self.0.time).await
    }

    async fn kv_put(&self, key: &str, value: &str, expires_at: UnixSecs) -> Result<(), KvError> {
        yield_once().await;
        self.0.kv.write(key, value, expires_at, &self.0.view, &self.0.time).await
    }

    async fn kv_delete(&self, key: &str) -> Result<(), KvError> {
        yield_once().await;
        self.0.kv.delete(key, &self.0.view, &self.0.time).await
    }
}

impl Guard for Ports {
    fn guard_is_bound(&self) -> bool {
        self.0.guard.is_some()
    }

    async fn guard_ask(&self, user_tag: &str, inquiry: &str) -> Result<String, GuardError> {
        yield_once().await;
        self.0.time.note_work();
        let guard = self.0.guard.as_ref().expect("nobody asks a guard that is not bound");
        let answer = guard.answer(user_tag, inquiry, self.0.now());
        self.0.time.take(guard.slow_ms.get()).await;
        answer
    }
}

impl Http for Ports {
    async fn cognito_send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        yield_once().await;
        self.0.time.note_work();
        let answer = self.0.cognito.answer(&request, self.0.now());
        self.0.time.take(self.0.cognito.slow_ms.get()).await;
        answer
    }
}

impl Signatures for Ports {
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
        self.0.signature_checks.set(self.0.signature_checks.get() + 1);
        Ok(fake_signature(&key.n, message) == signature)
    }
}

impl JwksCache for Ports {
    async fn jwks_cache_get(&self) -> Option<String> {
        self.0.key_set.borrow().clone()
    }

    async fn jwks_cache_put(&self, text: &str, _max_age_secs: u32) {
        self.0.time.take(self.0.keep_ms.get()).await;
        *self.0.key_set.borrow_mut() = Some(text.to_owned());
    }
}

impl Background for Ports {
    fn wait_until(&self, work: Work) {
        self.0.background.borrow_mut().push(work);
    }
}

impl Limiter for Ports {
    async fn rate_limit(&self, _key: &str) -> bool {
        true
    }
}

impl Log for Ports {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        self.0.logs.borrow_mut().push(format!("{level:?} {message} {fields:?}"));
    }
}

impl<R: IncomingRequest> Upstream<R> for Ports {
    type Answer = SiteAnswer;

    async fn upstream_send(&self, client: &R, request: UpstreamRequest) -> Result<SiteAnswer, UpstreamError> {
        self.0.site.answer(client.url(), request)
    }
}
