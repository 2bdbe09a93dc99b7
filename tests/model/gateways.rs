//! What isolates do, looked up. Futures cannot be copied, so an isolate's state is the sequence of what happened to it, and
//! its next step is found by telling a new isolate the whole sequence and then the step. Each step is found once: all states
//! of the world in which an isolate has seen the same sequence share it.
//!
//! That is sound because an isolate has no other source: its clock, its random numbers and the outcome of each operation come
//! from its ports, and these come from the sequence alone.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use edgegate::config::Config;

use super::isolate::{Fixed, Input, Isolate, Operation, Reply, Task};

/// A sequence of what happened to an isolate since it began, by number.
pub type Past = u32;

/// An operation that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub task: Task,
    pub operation: Operation,
    pub since_ms: u32,
    /// For one who looks again and again: how much had happened here when it last looked.
    seen: u32,
    /// It has slept in between, so that it looks again in any case.
    rested: bool,
}

/// Where an isolate stands after its past.
pub struct Present {
    last: Option<(Past, Input, u32)>,
    pub waiting: Vec<Waiting>,
    /// The answers that came of the last step.
    pub replies: Vec<(Task, Reply)>,
    happened: u32,
    begun: Task,
    seed: u64,
}

impl Present {
    /// Nothing has happened yet.
    pub fn is_new(&self) -> bool {
        self.last.is_none()
    }

    /// The number of the task that begins next.
    pub fn next_task(&self) -> Task {
        self.begun
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a sleeper may find anything new on waking. One who polls and finds nothing sleeps again as if nothing had been.
    pub fn may_wake(&self, waiting: &Waiting, now_ms: u32) -> bool {
        waiting.rested || waiting.seen != self.happened || waiting.since_ms != now_ms
    }
}

#[derive(Default)]
struct Known {
    presents: Vec<Arc<Present>>,
    steps: HashMap<(Past, Input, u32), Past>,
    roots: HashMap<u64, Past>,
}

/// All isolates of a run.
pub struct Gateways {
    pub fixed: Arc<Fixed>,
    known: Mutex<Known>,
    run: u64,
}

thread_local! {
    static CONFIG: Rc<Config> = super::support::config(&[]);
    /// The isolates that were told something last, alive: one of them is told its next step without the whole past.
    static ALIVE: RefCell<VecDeque<((u64, Past), Isolate)>> = const { RefCell::new(VecDeque::new()) };
}

impl Gateways {
    pub fn new(fixed: Fixed) -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        Self { fixed: Arc::new(fixed), known: Mutex::default(), run: RUNS.fetch_add(1, Ordering::Relaxed) }
    }

    /// An isolate to which nothing has happened.
    pub fn root(&self, seed: u64) -> Past {
        let mut known = self.known.lock().unwrap();
        if let Some(past) = known.roots.get(&seed) {
            return *past;
        }
        let present = Present { last: None, waiting: Vec::new(), replies: Vec::new(), happened: 0, begun: 0, seed };
        let past = known.add(present);
        known.roots.insert(seed, past);
        past
    }

    pub fn present(&self, past: Past) -> Arc<Present> {
        self.known.lock().unwrap().presents[past as usize].clone()
    }

    /// The next step.
    pub fn step(&self, past: Past, input: Input, now_ms: u32) -> Past {
        let step = (past, input, now_ms);
        if let Some(next) = self.known.lock().unwrap().steps.get(&step) {
            return *next;
        }
        let mut isolate = self.isolate(past);
        let present = self.told(&mut isolate, &step);
        let mut known = self.known.lock().unwrap();
        let next = known.add(present);
        known.steps.insert(step, next);
        ALIVE.with_borrow_mut(|alive| {
            alive.push_back(((self.run, next), isolate));
            if alive.len() > MAX_ALIVE {
                alive.pop_front();
            }
        });
        next
    }

    /// An isolate with that past.
    fn isolate(&self, past: Past) -> Isolate {
        let alive = ALIVE.with_borrow_mut(|alive| {
            let index = alive.iter().rposition(|(whose, _)| *whose == (self.run, past))?;
            alive.remove(index)
        });
        if let Some((_, isolate)) = alive {
            return isolate;
        }
        let mut at = self.present(past);
        let (seed, mut history) = (at.seed, Vec::new());
        while let Some((earlier, input, now_ms)) = &at.last {
            history.push((input.clone(), *now_ms));
            at = self.present(*earlier);
        }
        let mut isolate = Isolate::new(&self.fixed, CONFIG.with(Rc::clone), seed);
        for (input, now_ms) in history.iter().rev() {
            isolate.tell(input, *now_ms);
        }
        isolate
    }

    fn told(&self, isolate: &mut Isolate, step: &(Past, Input, u32)) -> Present {
        let (past, input, now_ms) = step;
        let before = self.present(*past);
        let replies = isolate.tell(input, *now_ms);
        let waiting = isolate.waiting();
        let told = if let Input::Outcome(task, _) = input { Some(*task) } else { None };
        let slept_ms = before.waiting.iter().find(|each| Some(each.task) == told).and_then(|each| each.operation.sleep_ms());
        let asleep_again = told.is_some_and(|task| {
            slept_ms.is_some()
                && waiting.get(&task).and_then(Operation::sleep_ms) == slept_ms
                && waiting.len() == before.waiting.len()
        });
        let happened = before.happened + u32::from(!asleep_again);
        let of = |(task, operation): (Task, Operation)| {
            let kept = before.waiting.iter().find(|each| each.task == task && Some(task) != told);
            kept.cloned().unwrap_or_else(|| Waiting {
                task,
                operation,
                since_ms: *now_ms,
                seen: happened,
                rested: Some(task) == told && slept_ms.is_some_and(|ms| ms > SHORT_MS),
            })
        };
        let waiting = waiting.into_iter().map(of).collect();
        Present { last: Some(step.clone()), waiting, replies, happened, begun: isolate.begun(), seed: before.seed }
    }
}

impl Known {
    fn add(&mut self, present: Present) -> Past {
        self.presents.push(Arc::new(present));
        Past::try_from(self.presents.len() - 1).unwrap()
    }
}

impl Operation {
    fn sleep_ms(&self) -> Option<u32> {
        if let Self::Sleep { ms } = self { Some(*ms) } else { None }
    }
}

const MAX_ALIVE: usize = 256;
/// Sleeps up to this long look again at this isolate's memory.
pub const SHORT_MS: u32 = 50;
