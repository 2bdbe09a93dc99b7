//! The ports, faked: time, randomness, KV, HTTP, background work.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use edgegate::ports::{
    Background, Clock, Guard, GuardError, Http, HttpError, HttpRequest, HttpResponse, KeySetCache, Kv, KvError, Level, Limiter,
    Log, Random, RsaPublicKey, SignatureCheckFailed, Signatures, UnixSecs,
};

use edgegate::session::guard::{Row, reply};

use super::START;
use super::cognito::{Cognito, fake_signature};

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// One location of the edge: its own cache and background work, a clock, and a KV that may be shared with another.
pub struct World {
    pub now_ms: Cell<u64>,
    pub kv: Rc<FakeKv>,
    pub cognito: Rc<Cognito>,
    /// Strict mode's guard, shared by all locations; `None`: not bound.
    pub guard: Option<Rc<FakeGuard>>,
    pub logs: RefCell<Vec<String>>,
    background: RefCell<Vec<Work>>,
    key_set: RefCell<Option<String>>,
    random: Cell<u64>,
    /// Grows with each operation: while it does, nobody who sleeps makes time pass.
    activity: Cell<u64>,
}

/// KV without lag; faults are set by tests.
#[derive(Default)]
pub struct FakeKv {
    pub entries: RefCell<BTreeMap<String, (String, UnixSecs)>>,
    pub reads: Cell<u32>,
    pub writes: Cell<u32>,
    pub fail_reads: Cell<bool>,
    /// The next writes fail so.
    pub fail_writes: RefCell<Vec<KvError>>,
}

impl FakeKv {
    pub fn keys(&self) -> Vec<String> {
        self.entries.borrow().keys().cloned().collect()
    }
}

/// The guards of all users: the real answers, without a network.
#[derive(Default)]
pub struct FakeGuard {
    pub rows: RefCell<BTreeMap<(String, String), Row>>,
    /// Questions that reached it.
    pub asked: RefCell<Vec<String>>,
    /// It cannot be reached.
    pub down: Cell<bool>,
}

impl FakeGuard {
    fn answer(&self, user_tag: &str, inquiry: &str, now: UnixSecs) -> Result<String, GuardError> {
        if self.down.get() {
            return Err(GuardError::Unavailable);
        }
        self.asked.borrow_mut().push(inquiry.to_owned());
        let key = |session: &str| (user_tag.to_owned(), session.to_owned());
        let reply = reply(inquiry, |session| Ok(self.rows.borrow().get(&key(session)).cloned()), now).expect("an inquiry");
        if let Some((session, row)) = reply.changed {
            self.rows.borrow_mut().insert(key(&session), row);
        }
        Ok(reply.text)
    }
}

impl World {
    pub fn new() -> Rc<Self> {
        Self::beside(Rc::default(), Rc::default())
    }

    /// Another location over the same KV and Cognito.
    pub fn beside(kv: Rc<FakeKv>, cognito: Rc<Cognito>) -> Rc<Self> {
        Self::guarded(kv, cognito, None)
    }

    /// A location in strict mode.
    pub fn guarded(kv: Rc<FakeKv>, cognito: Rc<Cognito>, guard: Option<Rc<FakeGuard>>) -> Rc<Self> {
        Rc::new(Self {
            now_ms: Cell::new(START * 1000),
            kv,
            cognito,
            guard,
            logs: RefCell::default(),
            background: RefCell::default(),
            key_set: RefCell::default(),
            random: Cell::new(1),
            activity: Cell::new(0),
        })
    }

    pub fn now(&self) -> u64 {
        self.now_ms.get() / 1000
    }

    pub fn pass(&self, secs: u64) {
        self.now_ms.set(self.now_ms.get() + secs * 1000);
    }

    /// Runs what was left for after the answer.
    pub fn finish_background(&self) {
        loop {
            let work = std::mem::take(&mut *self.background.borrow_mut());
            if work.is_empty() {
                return;
            }
            for task in work {
                futures_executor::block_on(task);
            }
        }
    }

    pub fn logged(&self, text: &str) -> bool {
        self.logs.borrow().iter().any(|line| line.contains(text))
    }
}

/// Lets other futures of the test run, as real I/O does.
async fn yield_once() {
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

impl Ports {
    /// What every operation does: others run meanwhile.
    async fn operate(&self) {
        self.0.activity.set(self.0.activity.get() + 1);
        yield_once().await;
    }
}

impl Clock for Ports {
    fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    /// Time passes when everybody sleeps: the first to find that nothing has happened for a round moves the clock.
    async fn sleep(&self, duration_ms: u32) {
        let world = &self.0;
        let until_ms = world.now_ms.get() + u64::from(duration_ms);
        while world.now_ms.get() < until_ms {
            let before = world.activity.get();
            yield_once().await;
            if world.activity.get() == before {
                world.now_ms.set(world.now_ms.get().max(until_ms));
            }
        }
    }
}

impl Random for Ports {
    /// Different each time, the same in every run.
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let next = self.0.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0.random.set(next);
            *byte = next.to_be_bytes()[0];
        }
    }
}

impl Kv for Ports {
    async fn read<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<String>; N], KvError> {
        self.operate().await;
        let kv = &self.0.kv;
        kv.reads.set(kv.reads.get() + 1);
        if kv.fail_reads.get() {
            return Err(KvError::Unavailable);
        }
        let entries = kv.entries.borrow();
        let alive = |key: &str| entries.get(key).filter(|(_, expires_at)| self.0.now() < *expires_at);
        Ok(keys.map(|key| alive(key).map(|(value, _)| value.clone())))
    }

    async fn write(&self, key: &str, value: &str, expires_at: UnixSecs) -> Result<(), KvError> {
        self.operate().await;
        let kv = &self.0.kv;
        assert!(expires_at >= self.0.now() + 60, "KV refuses expirations nearer than 60 s");
        assert!(key.len() <= 512, "KV refuses longer keys");
        kv.writes.set(kv.writes.get() + 1);
        if let Some(error) = kv.fail_writes.borrow_mut().pop() {
            return Err(error);
        }
        kv.entries.borrow_mut().insert(key.to_owned(), (value.to_owned(), expires_at));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), KvError> {
        self.operate().await;
        self.0.kv.entries.borrow_mut().remove(key);
        Ok(())
    }
}

impl Guard for Ports {
    fn is_guarded(&self) -> bool {
        self.0.guard.is_some()
    }

    async fn ask(&self, user_tag: &str, inquiry: &str) -> Result<String, GuardError> {
        self.operate().await;
        let guard = self.0.guard.as_ref().expect("nobody asks a guard that is not bound");
        guard.answer(user_tag, inquiry, self.0.now())
    }
}

impl Http for Ports {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.operate().await;
        self.0.cognito.answer(&request, self.0.now())
    }
}

impl Signatures for Ports {
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
        Ok(fake_signature(&key.n, message) == signature)
    }
}

impl KeySetCache for Ports {
    async fn load(&self) -> Option<String> {
        self.0.key_set.borrow().clone()
    }

    async fn keep(&self, text: &str, _max_age_secs: u32) {
        *self.0.key_set.borrow_mut() = Some(text.to_owned());
    }
}

impl Background for Ports {
    fn run(&self, work: Work) {
        self.0.background.borrow_mut().push(work);
    }
}

impl Limiter for Ports {
    async fn allows(&self, _key: &str) -> bool {
        true
    }
}

impl Log for Ports {
    fn line(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        self.0.logs.borrow_mut().push(format!("{level:?} {message} {fields:?}"));
    }
}
