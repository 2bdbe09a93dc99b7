//! Texts by number: states hold numbers, and two states with the same numbers hold the same texts.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A text that came up in a run of the checker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(u32);

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{}", self.0)
    }
}

/// All texts of a run, in the order in which they came up.
#[derive(Default)]
pub struct Texts(Mutex<Known>);

#[derive(Default)]
struct Known {
    numbers: HashMap<Arc<str>, Text>,
    texts: Vec<Arc<str>>,
}

impl Texts {
    pub fn of(&self, text: &str) -> Text {
        let mut known = self.0.lock().unwrap();
        if let Some(number) = known.numbers.get(text) {
            return *number;
        }
        let (shared, number) = (Arc::<str>::from(text), Text(u32::try_from(known.texts.len()).unwrap()));
        known.numbers.insert(shared.clone(), number);
        known.texts.push(shared);
        number
    }

    pub fn read(&self, text: Text) -> Arc<str> {
        self.0.lock().unwrap().texts[text.0 as usize].clone()
    }
}
