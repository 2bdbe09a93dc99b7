//! What can happen next, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use edgegate::config::Config;
use edgegate::guard::decision::{Row, reply};
use edgegate::guard::protocol::{GuardReply, GuardRequest, Question};
use edgegate::ports::HttpRequest;
use edgegate::session::id::SessionId;
use edgegate::session::record::Record;
use serde_json::{Value, json};
use stateright::Property;

use super::gateways::{Gateways, Past, SHORT_MS, Waiting};
use super::isolate::{Ask, BEGIN_MS, Fixed, Input, NotStored, Operation, Outcome, Reply, Silence, Task, unix_ms};
use super::state::{Known, Left, Place, Property as Promise, State, Told};
use super::support::cognito::Cognito;
use super::support::{Browser, START, World, config};
use super::texts::{Text, Texts};
use super::world::{Rotation, Tokens, Versions};

/// Which gateway.
pub type Gateway = usize;

/// What a run explores, and how far.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub requests: &'static [(Gateway, Ask)],
    /// A gateway gets its next request only after it has answered the last.
    pub in_turn: bool,
    pub rotation: Rotation,
    pub strict: bool,
    /// How long the access token still lives when the run begins; 0: it has run out.
    pub access_left_secs: u64,
    /// Faults of KV, Cognito and the guard.
    pub faults: u8,
    pub crashes: u8,
    /// Requests whose client goes.
    pub cancels: u8,
    /// How often time passes at most, and by what: the choices for each time, the last for all others.
    pub passes: u8,
    pub pass_ms: &'static [&'static [u32]],
    /// The first gateway's policy, spoilt at its ports.
    pub broken: Option<Broken>,
}

/// Policies that are none, made of the real one by what its ports do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The mark of a sign-out is not written.
    NoMark,
    /// Nobody looks at the marks after a save.
    NoLookBack,
    /// A refusal deletes the record.
    RefusalDeletes,
    /// After a refusal it goes by what it has read before.
    NoSecondRead,
    /// A write that was refused is not repeated.
    NoSecondWrite,
    /// What is remembered does not age.
    NeverForgets,
    /// The guard's "there is a newer one" is taken for a yes.
    IgnoresTheGuard,
    /// The guard says yes to whatever the gateway asks.
    TalksTheGuardIntoAnything,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Begin(u8),
    Happens(Gateway, Task, Happening),
    Crash(Gateway),
    ClientGoes(Gateway, Task),
    TimePasses(u32),
}

/// What comes of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// KV gives these values.
    Gives(Vec<Option<Text>>),
    /// It is carried out and answered.
    Done,
    /// KV refuses: too many writes.
    Refused,
    /// It is not carried out, and its sender hears nothing.
    Fails,
    /// It is carried out, and its sender hears nothing.
    AnswerLost,
    /// Cognito has too much to do.
    Throttled,
    /// The sleeper wakes.
    Wakes,
}

/// A record, as far as the properties care.
#[derive(Clone, Copy, Debug)]
struct Facts {
    version: u64,
    token: Text,
}

/// The scenario, ready to run.
pub struct Model {
    pub scenario: Scenario,
    gateways: Gateways,
    keys: [Text; 3],
    session: SessionId,
    record: Text,
    row: Text,
    nonce: String,
    login_nonce: String,
    facts: Mutex<BTreeMap<Text, Option<Facts>>>,
    reported: [AtomicBool; Promise::ALL.len()],
    /// States in which all is quiet and the session's refresh token is lost.
    pub lost: AtomicUsize,
    /// States after a write that came to KV late, over a newer record.
    pub overtaken: AtomicUsize,
}

impl Model {
    pub fn new(scenario: Scenario) -> Self {
        let world = World::new();
        let signed_in_at = START + scenario.access_left_secs - ACCESS_LIFE_SECS;
        world.time.set_ms(signed_in_at * 1000);
        let browser = Browser::new(&world);
        assert_eq!(browser.sign_in("/app/").status, 303);
        let (name, cookie) = browser
            .cookies
            .borrow()
            .iter()
            .find(|(name, _)| name.contains("session"))
            .map(|(n, v)| (n.clone(), v.clone()))
            .unwrap();
        let session = SessionId::parse(&cookie).unwrap();
        let record = world.kv.entries.borrow()[&session.names().record_key()].0.clone();
        let nonce = world.cognito.nonce.borrow().clone();
        world.time.set_ms(START * 1000);
        let login_callback = browser.begin("/app/");
        let login_cookies: Vec<String> = browser
            .cookies
            .borrow()
            .iter()
            .filter(|(name, _)| name.contains("login-"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let fixed = Fixed {
            texts: Texts::default(),
            session_cookie: format!("{name}={cookie}"),
            login_cookies: login_cookies.join("; "),
            login_callback,
            strict: scenario.strict,
        };
        let names = session.names();
        let row = Row { generation: 1, sealed: record.clone(), expires_at: START + 400_000, ..Row::default() };
        let text = |text: &str| fixed.texts.of(text);
        Self {
            keys: [text(&names.record_key()), text(&names.marker_key()), text(&names.user_marker_key())],
            record: text(&record),
            row: text(&row.encode()),
            login_nonce: world.cognito.nonce.borrow().clone(),
            nonce,
            scenario,
            session,
            gateways: Gateways::new(fixed),
            facts: Mutex::default(),
            reported: Default::default(),
            lost: AtomicUsize::new(0),
            overtaken: AtomicUsize::new(0),
        }
    }

    fn text(&self, text: &str) -> Text {
        self.gateways.fixed.texts.of(text)
    }

    fn read(&self, text: Text) -> Arc<str> {
        self.gateways.fixed.texts.read(text)
    }

    /// What a sealed record holds.
    fn facts(&self, sealed: Text) -> Option<Facts> {
        if let Some(known) = self.facts.lock().unwrap().get(&sealed) {
            return *known;
        }
        let config: std::rc::Rc<Config> = config(&[]);
        let facts = Record::open(&self.read(sealed), &config.sealing_keys, &self.session)
            .ok()
            .map(|record| Facts { version: record.version, token: self.text(&record.refresh_token.expect("a refresh token")) });
        self.facts.lock().unwrap().insert(sealed, facts);
        facts
    }

    fn is_good(&self, state: &State, token: Text) -> bool {
        state.tokens.is_good(&self.read(token), self.scenario.rotation, state.now_ms)
    }

    fn row(&self, row: Text) -> Row {
        Row::parse(&self.read(row)).unwrap()
    }

    /// Whether the newest record that KV itself has is of use.
    fn kv_is_good(&self, state: &State) -> bool {
        state.kv[RECORD].newest().and_then(|sealed| self.facts(sealed)).is_some_and(|facts| self.is_good(state, facts.token))
    }

    /// The same of the guard's.
    fn guard_is_good(&self, state: &State) -> bool {
        let sealed = state.row.map(|row| self.text(&self.row(row).sealed));
        sealed.and_then(|sealed| self.facts(sealed)).is_some_and(|facts| self.is_good(state, facts.token))
    }

    /// Nobody has anything to do.
    fn is_quiet(&self, state: &State) -> bool {
        state.places.iter().all(|place| self.gateways.present(place.past).is_idle())
    }

    /// Nobody has signed out, and no refresh token that is kept is of use. What only KV has, a gateway tells the guard.
    fn is_lost(&self, state: &State) -> bool {
        !state.told.ending && !self.kv_is_good(state) && !self.guard_is_good(state)
    }

    fn is_broken(&self, gateway: Gateway, broken: Broken) -> bool {
        gateway == 0 && self.scenario.broken == Some(broken)
    }

    // ---- What can happen ----

    /// What may come of an operation.
    fn happenings(&self, state: &State, gateway: Gateway, waiting: &Waiting) -> Vec<Happening> {
        use Happening::{AnswerLost, Done, Fails, Gives, Refused, Throttled, Wakes};
        let mut all = Vec::new();
        let faulty = state.left.faults > 0;
        match &waiting.operation {
            Operation::Read(keys) => {
                let mut reads = vec![Vec::new()];
                for key in keys {
                    let values = self.place(*key).map_or(vec![None], |place| state.kv[place].readable(state.now_ms));
                    let with = |read: &Vec<Option<Text>>, value| [read.as_slice(), &[value]].concat();
                    reads = reads.iter().flat_map(|read| values.iter().map(|value| with(read, *value))).collect();
                }
                all.extend(reads.into_iter().map(Gives));
                all.extend(faulty.then_some(Fails));
            }
            Operation::Write { key, .. } | Operation::Delete(key) => {
                let lately = self.place(*key).is_some_and(|place| state.kv[place].written_lately(state.now_ms));
                all.push(Done);
                all.extend((lately || faulty).then_some(Refused));
                all.extend(faulty.then_some(AnswerLost));
            }
            Operation::Send { url, .. } => {
                all.push(Done);
                all.extend(faulty.then_some(AnswerLost));
                all.extend((faulty && !self.read(*url).ends_with("revoke")).then_some(Throttled));
                all.extend((faulty && self.read(*url).ends_with("revoke")).then_some(Fails));
            }
            Operation::Ask(_) => {
                all.push(Done);
                all.extend(faulty.then_some(AnswerLost));
                all.extend(faulty.then_some(Fails));
            }
            Operation::Sleep { ms } if *ms <= SHORT_MS => {
                let present = self.gateways.present(state.places[gateway].past);
                all.extend(present.may_wake(waiting, state.now_ms).then_some(Wakes));
            }
            Operation::Sleep { ms: GUARD_POLL_MS } => {
                let seen = state.places[gateway].resting.iter().find(|(task, _)| *task == waiting.task).unwrap().1;
                all.extend((seen != state.row_changes || waiting.since_ms != state.now_ms).then_some(Wakes));
            }
            Operation::Sleep { .. } => all.push(Wakes),
        }
        all
    }

    fn place(&self, key: Text) -> Option<usize> {
        self.keys.iter().position(|each| *each == key)
    }

    /// Whether the clock may move so far: nothing outlives its time-out, and nobody oversleeps.
    fn may_pass(&self, state: &State, ms: u32) -> bool {
        state.places.iter().all(|place| {
            self.gateways.present(place.past).waiting.iter().all(|waiting| {
                let limit_ms = match &waiting.operation {
                    Operation::Read(_) | Operation::Write { .. } | Operation::Delete(_) => KV_TIMEOUT_MS,
                    Operation::Send { url, .. } if self.read(*url).ends_with("revoke") => REVOKE_TIMEOUT_MS,
                    Operation::Send { .. } => TOKEN_TIMEOUT_MS,
                    Operation::Ask(_) => GUARD_TIMEOUT_MS,
                    Operation::Sleep { ms } if *ms <= SHORT_MS || *ms == GUARD_POLL_MS => PATIENCE_MS,
                    Operation::Sleep { ms } => *ms,
                };
                state.now_ms + ms <= waiting.since_ms + limit_ms
            })
        })
    }

    /// Of equal requests at a gateway the first begins first.
    fn may_begin(&self, state: &State, index: usize) -> bool {
        let Scenario { requests, in_turn, .. } = self.scenario;
        let open = |index: usize| state.begun & (1 << index) == 0;
        let busy = in_turn && !state.places[requests[index].0].open.is_empty();
        open(index) && !busy && !(0..index).any(|earlier| open(earlier) && requests[earlier] == requests[index])
    }

    // ---- What comes of it ----

    fn clock(&self, gateway: Gateway, now_ms: u32) -> u32 {
        if self.is_broken(gateway, Broken::NeverForgets) { BEGIN_MS } else { now_ms }
    }

    /// Something happens to an isolate.
    fn tell(&self, state: &mut State, gateway: Gateway, input: Input) {
        let now_ms = state.now_ms;
        let earlier = self.gateways.present(state.places[gateway].past);
        let past = self.gateways.step(state.places[gateway].past, input, self.clock(gateway, now_ms));
        let present = self.gateways.present(past);
        let changes = state.row_changes;
        let place = &mut state.places[gateway];
        place.past = past;
        let rests = |waiting: &&Waiting| waiting.operation == Operation::Sleep { ms: GUARD_POLL_MS };
        let before = std::mem::take(&mut place.resting);
        for Waiting { task, .. } in present.waiting.iter().filter(rests) {
            place.resting.push(before.iter().find(|(known, _)| known == task).copied().unwrap_or((*task, changes)));
        }
        for waiting in &present.waiting {
            if !earlier.waiting.contains(waiting) {
                self.sets_out(state, gateway, waiting);
            }
        }
        let place = &mut state.places[gateway];
        for waiting in &present.waiting {
            let sealed = match &waiting.operation {
                Operation::Write { key, value } if *key == self.keys[RECORD] => Some(*value),
                Operation::Ask(inquiry) => saved(&self.read(*inquiry)).map(|sealed| self.text(&sealed)),
                _ => None,
            };
            sealed.and_then(|sealed| self.facts(sealed)).inspect(|facts| place.learns(*facts, now_ms, now_ms + UNSURE_MS));
        }
        for (task, reply) in &present.replies {
            self.replied(state, gateway, *task, *reply);
        }
        self.retire(state, gateway);
        if self.is_quiet(state) && self.is_lost(state) && !state.told.excuses_a_loss() {
            state.breaks(Promise::Lost);
        }
    }

    /// A task begins to write over what KV has. What its gateway cannot know is no fault of the policy: KV shows it late, and
    /// has no compare-and-set. A write that does harm so is `overtaken`, and counted.
    fn sets_out(&self, state: &mut State, gateway: Gateway, waiting: &Waiting) {
        let Operation::Write { key, value } = &waiting.operation else { return };
        let known = &state.places[gateway].known;
        let knows_better = known.holds(state.now_ms) && self.facts(*value).is_some_and(|facts| facts.version < known.version);
        let worse = self.is_worse(state, state.kv[RECORD].newest(), Some(*value));
        if self.place(*key) == Some(RECORD) && worse && knows_better {
            state.breaks(Promise::Replaced);
        }
    }

    /// Whether a record with a good refresh token would give way to one whose token is not.
    fn is_worse(&self, state: &State, old: Option<Text>, new: Option<Text>) -> bool {
        let good =
            |sealed: Option<Text>| sealed.and_then(|sealed| self.facts(sealed)).map(|facts| self.is_good(state, facts.token));
        good(old) == Some(true) && good(new) == Some(false)
    }

    /// A gateway that has nothing to do and gets no more requests: whatever it remembers, nobody will ever know.
    fn retire(&self, state: &mut State, gateway: Gateway) {
        let mut requests = (0..).zip(self.scenario.requests);
        let over = requests.all(|(index, (to, _))| *to != gateway || state.begun & (1 << index) != 0);
        if over && self.gateways.present(state.places[gateway].past).is_idle() {
            state.places[gateway] = Place::new(self.gateways.root(NOBODY), 0);
        }
    }

    /// A browser gets its answer.
    fn replied(&self, state: &mut State, gateway: Gateway, task: Task, reply: Reply) {
        let index = state.places[gateway].open.iter().position(|(open, ..)| *open == task).expect("an open request");
        let (_, request, begun_ms) = state.places[gateway].open.remove(index);
        let ask = self.scenario.requests[usize::from(request)].1;
        match reply {
            Reply::Done if ask == Ask::Logout => {
                state.told.ended_at_ms.get_or_insert(state.now_ms);
            }
            Reply::Served => {
                let bound_ms = if self.scenario.strict { STRICT_BOUND_MS } else { BOUND_MS };
                if state.told.ended_at_ms.is_some_and(|ended_at_ms| begun_ms > ended_at_ms + bound_ms) {
                    state.breaks(Promise::Served);
                }
            }
            Reply::SignedOut if !state.told.ending => {
                let place = &state.places[gateway];
                // What it knew for longer than an isolate remembers, it has forgotten.
                let refused = if place.known.holds(state.now_ms) {
                    !place.known.tokens.is_disjoint(&place.refused)
                } else {
                    !place.refused.is_empty()
                };
                if !refused {
                    state.breaks(Promise::SentToLogin);
                }
                if self.guard_is_good(state) {
                    state.breaks(Promise::StrictlySentToLogin);
                }
            }
            Reply::SignedOut | Reply::Done | Reply::Trouble => {}
        }
    }

    /// An operation of a task comes to something.
    fn happens(&self, state: &mut State, gateway: Gateway, task: Task, happening: &Happening) {
        let present = self.gateways.present(state.places[gateway].past);
        let waiting = present.waiting.iter().find(|waiting| waiting.task == task).expect("a task that waits");
        if matches!(happening, Happening::AnswerLost | Happening::Throttled | Happening::Fails) {
            state.left.faults -= 1;
        }
        let silence = |limit_ms: u32| {
            if state.now_ms >= waiting.since_ms + limit_ms { Silence::Timeout } else { Silence::Broken }
        };
        let outcome = match &waiting.operation {
            Operation::Read(keys) => Outcome::Read(match happening {
                Happening::Gives(values) => Ok(self.given(state, gateway, (keys, waiting.since_ms), values.clone())),
                _ => Err(silence(KV_TIMEOUT_MS)),
            }),
            Operation::Write { .. } | Operation::Delete(_) => {
                let silence = silence(KV_TIMEOUT_MS);
                self.stored(state, gateway, waiting, happening, silence)
            }
            Operation::Send { url, form } => {
                let silence = silence(if self.read(*url).ends_with("revoke") { REVOKE_TIMEOUT_MS } else { TOKEN_TIMEOUT_MS });
                self.sent(state, gateway, (*url, *form), happening, silence)
            }
            Operation::Ask(inquiry) => {
                let silence = silence(GUARD_TIMEOUT_MS);
                let heard = (*happening != Happening::Fails).then(|| self.asked(state, gateway, *inquiry));
                Outcome::Told(heard.filter(|_| *happening == Happening::Done).ok_or(silence))
            }
            Operation::Sleep { ms } => {
                if *ms >= LONG_SLEEP_MS {
                    state.now_ms = state.now_ms.max(waiting.since_ms + ms);
                }
                Outcome::Woken
            }
        };
        self.tell(state, gateway, Input::Outcome(task, outcome));
    }

    /// What KV gives: a record with its marks, or the marks alone, after which an isolate is sure of what it has saved.
    fn given(
        &self,
        state: &mut State,
        gateway: Gateway,
        (keys, since_ms): (&[Text], u32),
        values: Vec<Option<Text>>,
    ) -> Vec<Option<Text>> {
        // By its time before the first try, which may have failed.
        let (now_ms, until_ms) = (state.now_ms, since_ms + REMEMBERED_MS - KV_TIMEOUT_MS);
        let place = &mut state.places[gateway];
        if keys.first() == Some(&self.keys[RECORD]) {
            values[0].and_then(|sealed| self.facts(sealed)).inspect(|facts| place.learns(*facts, now_ms, until_ms));
            if self.is_broken(gateway, Broken::NoSecondRead) {
                return vec![Some(self.record), None, None];
            }
        } else {
            if place.known.holds(now_ms) {
                place.known.until_ms = place.known.until_ms.max(until_ms);
            }
            if self.is_broken(gateway, Broken::NoLookBack) {
                return vec![None; values.len()];
            }
        }
        values
    }

    /// KV takes a write or a delete, or does not.
    fn stored(&self, state: &mut State, gateway: Gateway, waiting: &Waiting, happening: &Happening, silence: Silence) -> Outcome {
        let (key, value) = match &waiting.operation {
            Operation::Write { key, value } => (*key, Some(*value)),
            Operation::Delete(key) => (*key, None),
            other => panic!("nothing to store: {other:?}"),
        };
        let lately = self.place(key).is_some_and(|place| state.kv[place].written_lately(state.now_ms));
        if *happening == Happening::Refused {
            if !lately {
                state.left.faults -= 1;
            }
            if value.is_some() {
                state.told.failed_writes = (state.told.failed_writes + 1).min(2);
            }
            let given_up = self.is_broken(gateway, Broken::NoSecondWrite) && value.is_some();
            return Outcome::Stored(if given_up { Ok(()) } else { Err(NotStored::TooManyWrites) });
        }
        let marks = Some(key) == self.keys.get(ENDED).copied();
        if !(marks && self.is_broken(gateway, Broken::NoMark)) {
            self.put(state, key, value);
        }
        let not_heard = if silence == Silence::Timeout { NotStored::Timeout } else { NotStored::Unavailable };
        Outcome::Stored(if *happening == Happening::Done { Ok(()) } else { Err(not_heard) })
    }

    fn put(&self, state: &mut State, key: Text, value: Option<Text>) {
        let Some(place) = self.place(key) else { return };
        let before = state.kv[place].newest();
        if place == RECORD {
            if before.is_some() && value.is_none() && !state.told.ending {
                state.breaks(Promise::Kept);
            }
            state.told.overtaken |= self.is_worse(state, before, value);
        }
        if before.is_some() || value.is_some() {
            state.kv[place].put(value, state.now_ms);
        }
    }

    /// Cognito is asked.
    fn sent(
        &self,
        state: &mut State,
        gateway: Gateway,
        (url, form): (Text, Text),
        happening: &Happening,
        silence: Silence,
    ) -> Outcome {
        let (url, form) = (self.read(url), self.read(form));
        let field = |name: &str| {
            url::form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let answer = if *happening == Happening::Throttled {
            (429, "{}".to_owned())
        } else if let Some(token) = field("token") {
            if *happening != Happening::Fails {
                state.tokens.revoke(&token);
            }
            (200, String::new())
        } else if let Some(token) = field("refresh_token") {
            if let Ok(new) = state.tokens.refresh(&token, self.scenario.rotation, state.now_ms) {
                if *happening == Happening::AnswerLost {
                    state.told.mishap = true;
                }
                (200, Self::tokens(&url, &self.nonce, new, state.now_ms))
            } else {
                if *happening == Happening::Done {
                    state.places[gateway].refused.insert(self.text(&token));
                    if self.is_broken(gateway, Broken::RefusalDeletes) {
                        self.put(state, self.keys[RECORD], None);
                    }
                }
                (400, json!({"error": "invalid_grant"}).to_string())
            }
        } else {
            state.tokens.issue(NEW_LOGIN);
            (200, Self::tokens(&url, &self.login_nonce, Some(NEW_LOGIN.to_owned()), state.now_ms))
        };
        Outcome::Answered(match happening {
            Happening::Done | Happening::Throttled => Ok((answer.0, self.text(&answer.1))),
            _ => Err(silence),
        })
    }

    /// The tokens that Cognito answers with: what it would answer to a code, but for the refresh token.
    fn tokens(url: &str, nonce: &str, new: Option<String>, now_ms: u32) -> String {
        let cognito = Cognito::default();
        nonce.clone_into(&mut cognito.nonce.borrow_mut());
        let form = Some("grant_type=authorization_code".to_owned());
        let request = HttpRequest { url: url.to_owned(), headers: Vec::new(), form, timeout_ms: 0, max_body_bytes: 0 };
        let answer = cognito.answer(&request, unix_ms(now_ms) / 1000).expect("an answer");
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
        let tokens = body.as_object_mut().unwrap();
        tokens.remove("refresh_token");
        if let Some(new) = new {
            tokens.insert("refresh_token".to_owned(), json!(new));
        }
        body.to_string()
    }

    /// The guard is asked, and answers by the real function.
    fn asked(&self, state: &mut State, gateway: Gateway, inquiry: Text) -> Text {
        let now_ms = state.now_ms;
        let before = state.row.map(|row| self.row(row));
        // Of another session, which a new sign-in begins, it keeps nothing here: nobody asks for it.
        let session = self.session.names();
        let row = |of: &str| Ok(before.clone().filter(|_| of == session.hash()));
        let mut said = reply(&self.read(inquiry), row, unix_ms(state.now_ms) / 1000).expect("an inquiry");
        if self.is_broken(gateway, Broken::TalksTheGuardIntoAnything) && !matches!(said.text.as_str(), YES) {
            let taken = saved(&self.read(inquiry)).map(|sealed| {
                let generation = self.facts(self.text(&sealed)).expect("a record").version;
                (session.hash(), Row { generation, sealed, ..Row::default() })
            });
            (said.text, said.changed) = (YES.to_owned(), taken);
        }
        if let Some((_, row)) = said.changed.filter(|(of, _)| *of == session.hash()) {
            let before = before.clone().unwrap_or_default();
            let sealed = |row: &Row| (!row.sealed.is_empty()).then(|| self.text(&row.sealed));
            if row.ended && !state.told.ending {
                state.breaks(Promise::Kept);
            }
            if !row.ended && (row.generation < before.generation || self.is_worse(state, sealed(&before), sealed(&row))) {
                state.breaks(Promise::StrictlyNewer);
            }
            state.row = Some(self.text(&row.encode()));
            state.row_changes += 1;
        }
        let mut answer = GuardReply::parse(&said.text).unwrap();
        if let GuardReply::Newer { sealed } = &answer {
            if self.is_broken(gateway, Broken::IgnoresTheGuard) {
                answer = GuardReply::Accepted;
            } else {
                self.facts(self.text(sealed))
                    .inspect(|facts| state.places[gateway].learns(*facts, now_ms, now_ms + REMEMBERED_MS));
            }
        }
        self.text(&answer.encode())
    }
}

impl Known {
    /// Whether the isolate still remembers it.
    fn holds(&self, now_ms: u32) -> bool {
        now_ms < self.until_ms
    }
}

impl Place {
    fn new(past: Past, crashes: u8) -> Self {
        Self { past, crashes, open: Vec::new(), resting: Vec::new(), known: Known::default(), refused: BTreeSet::new() }
    }

    /// The gateway comes to know a record, and remembers it at least until then.
    fn learns(&mut self, facts: Facts, now_ms: u32, until_ms: u32) {
        let known = &mut self.known;
        if facts.version > known.version || !known.holds(now_ms) {
            *known = Known { version: facts.version, tokens: BTreeSet::new(), until_ms: known.until_ms };
        }
        if facts.version == known.version {
            known.tokens.insert(facts.token);
            known.until_ms = known.until_ms.max(until_ms);
        }
    }
}

/// The sealed record that an inquiry brings.
fn saved(inquiry: &str) -> Option<String> {
    match GuardRequest::parse(inquiry) {
        Some(GuardRequest { question: Question::Save { sealed, .. }, .. }) => Some(sealed),
        _ => None,
    }
}

impl stateright::Model for Model {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut tokens = Tokens::default();
        tokens.issue(FIRST_TOKEN);
        let place = |gateway| Place::new(self.gateways.root(seed(gateway, 0)), 0);
        let Scenario { faults, crashes, cancels, passes, strict, .. } = self.scenario;
        vec![State {
            now_ms: BEGIN_MS,
            kv: [Some(self.record), None, None].map(Versions::new),
            tokens,
            row: strict.then_some(self.row),
            row_changes: 0,
            places: [place(0), place(1)],
            begun: 0,
            left: Left { faults, crashes, cancels, passes },
            told: Told::default(),
            broken: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken != 0 {
            return;
        }
        let quiet = self.is_quiet(state);
        if quiet && self.is_lost(state) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        if state.told.overtaken {
            self.overtaken.fetch_add(1, Ordering::Relaxed);
        }
        let waits_to_begin = |index: &usize| self.may_begin(state, *index);
        let beginning: Vec<usize> = (0..self.scenario.requests.len()).filter(waits_to_begin).collect();
        for (gateway, place) in state.places.iter().enumerate() {
            let present = self.gateways.present(place.past);
            for waiting in &present.waiting {
                let happens = |happening| Action::Happens(gateway, waiting.task, happening);
                actions.extend(self.happenings(state, gateway, waiting).into_iter().map(happens));
            }
            if state.left.crashes > 0 && !self.gateways.present(place.past).is_new() {
                actions.push(Action::Crash(gateway));
            }
            if state.left.cancels > 0 {
                actions.extend(place.open.iter().map(|(task, ..)| Action::ClientGoes(gateway, *task)));
            }
        }
        if state.left.passes > 0 && !(quiet && beginning.is_empty()) {
            let turn = usize::from(self.scenario.passes - state.left.passes).min(self.scenario.pass_ms.len() - 1);
            let passing = self.scenario.pass_ms[turn].iter().filter(|ms| self.may_pass(state, **ms));
            actions.extend(passing.map(|ms| Action::TimePasses(*ms)));
        }
        actions.extend(beginning.into_iter().map(|index| Action::Begin(u8::try_from(index).unwrap())));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin(index) => {
                let (gateway, ask) = self.scenario.requests[usize::from(index)];
                state.begun |= 1 << index;
                state.told.ending |= matches!(ask, Ask::Logout | Ask::Login);
                let task = self.gateways.present(state.places[gateway].past).next_task();
                state.places[gateway].open.push((task, index, state.now_ms));
                self.tell(&mut state, gateway, Input::Request(ask));
            }
            Action::Happens(gateway, task, happening) => self.happens(&mut state, gateway, task, &happening),
            Action::Crash(gateway) => {
                state.left.crashes -= 1;
                let place = &mut state.places[gateway];
                let crashes = place.crashes + 1;
                let past = self.gateways.root(seed(gateway as u64, crashes));
                *place = Place::new(past, crashes);
                state.told.mishap = true;
                self.retire(&mut state, gateway);
            }
            Action::ClientGoes(gateway, task) => {
                state.left.cancels -= 1;
                state.places[gateway].open.retain(|(open, ..)| *open != task);
                state.told.mishap = true;
                self.tell(&mut state, gateway, Input::Cancel(task));
            }
            Action::TimePasses(ms) => {
                state.left.passes -= 1;
                state.now_ms += ms;
            }
        }
        let now_ms = state.now_ms;
        state.kv.iter_mut().for_each(|versions| versions.forget(now_ms));
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! always {
            ($($promise:ident),*) => {
                vec![$(Property::always(Promise::$promise.sentence(), |model: &Self, state: &State| {
                    // The first state that breaks it, which is at the end of a shortest way there, is the one to show.
                    state.keeps(Promise::$promise) || model.reported[Promise::$promise as usize].swap(true, Ordering::Relaxed)
                })),*]
            };
        }
        always!(Kept, Replaced, SentToLogin, Served, Lost, StrictlySentToLogin, StrictlyNewer)
    }
}

/// Isolates with different seeds never seal a record into the same text.
fn seed(gateway: u64, crashes: u8) -> u64 {
    1 + gateway * 1000 + u64::from(crashes)
}

/// The seed of the isolate that stands for one nobody asks any more.
const NOBODY: u64 = 0;
const RECORD: usize = 0;
const ENDED: usize = 1;
/// As the fake Cognito names the first token that it issues.
const FIRST_TOKEN: &str = "refresh-1";
/// What the guard says to a question that it agrees to.
const YES: &str = r#"{"answer":"yes"}"#;
const NEW_LOGIN: &str = "login";
const ACCESS_LIFE_SECS: u64 = 3600;
/// `platform::kv`, `oidc::token_request` and `platform::guard` bound their operations so.
const KV_TIMEOUT_MS: u32 = 8000;
const TOKEN_TIMEOUT_MS: u32 = 6000;
const REVOKE_TIMEOUT_MS: u32 = 5000;
const GUARD_TIMEOUT_MS: u32 = 4000;
/// Between two questions to the guard, `auth::refresh`.
const GUARD_POLL_MS: u32 = 250;
/// `session::policy`: nobody polls for longer. A poll may be late by as much, so that time can pass.
const PATIENCE_MS: u32 = 14_000;
/// Shorter sleeps take no time by the model's clock.
const LONG_SLEEP_MS: u32 = 1000;
/// KV's lag, and for how long an isolate remembers a record.
const BOUND_MS: u32 = super::world::LAG_MS + REMEMBERED_MS;
const REMEMBERED_MS: u32 = 30_000;
/// `session::policy::STEP_SECS`: how long an isolate remembers what it saves before it has looked at the marks again.
const UNSURE_MS: u32 = 10_000;
/// `GUARD_SECS`.
const STRICT_BOUND_MS: u32 = 10_000;
